//! Elements of the image that no step reads are neither encrypted nor sent: the program's input
//! holds the others alone, and its signature says which. A border of zero weights and the pixels of
//! a pruned network fall away by it.

use beaa_ir::SparseMatrix;
use beaa_ir::ckks::{LinearTerm, Program, ReadElements, Step, StepOp};

use crate::error::Result;

/// Drops the elements that nothing reads; one stays where none is read.
///
/// # Errors
/// [`Error::Program`](crate::Error::Program) for a program that does not check.
pub(crate) fn drop_unread_inputs(program: Program) -> Result<Program> {
    if program.packing().is_some() {
        // What is not read has no position.
        return Ok(program);
    }
    let of_input = of_input(program.steps());
    let Some(mut read) = read(&program, &of_input) else { return Ok(program) };
    if !read.contains(&true) {
        read[0] = true;
    }
    if read.iter().all(|r| *r) {
        return Ok(program);
    }
    let mut literal = program.into_literal();
    narrow_steps(&mut literal.steps, &read)?;
    literal.signature.reads = ReadElements::marked(&read);
    Ok(Program::try_from(literal)?)
}

/// Drops the columns of elements of the input that are not read from all maps that read it.
///
/// # Errors
/// [`Error::Program`](crate::Error::Program) for a matrix that no program can hold.
pub(crate) fn narrow_steps(steps: &mut [Step], read: &[bool]) -> Result<()> {
    let of_input = of_input(steps);
    // Where each element that is read comes to lie.
    let mut position = Vec::with_capacity(read.len());
    let mut next = 0_u32;
    for &r in read {
        position.push(next);
        next += u32::from(r);
    }
    let terms = steps.iter_mut().filter_map(|s| match &mut s.op {
        StepOp::Linear { terms, .. } => Some(terms),
        _ => None,
    });
    for term in terms.flatten().filter(|t| of_input[t.input]) {
        *term = LinearTerm { input: term.input, weights: narrowed(&term.weights, &position, next as usize)? };
    }
    Ok(())
}

/// Values that are the input, element by element: itself, and what scales, squares or shortens it.
fn of_input(steps: &[Step]) -> Vec<bool> {
    let mut of_input = vec![false; steps.len() + 1];
    of_input[0] = true;
    for (i, Step { op, .. }) in steps.iter().enumerate() {
        of_input[i + 1] = !matches!(op, StepOp::Linear { .. }) && of_input[op.input(0)];
    }
    of_input
}

/// The elements that some linear map has a weight for; none if the program answers the input
/// itself, or has dropped some already.
fn read(program: &Program, of_input: &[bool]) -> Option<Vec<bool>> {
    if of_input[program.output()] || !program.signature().reads.is_all() {
        return None;
    }
    let mut read = vec![false; program.values()[0].len];
    for Step { op, .. } in program.steps() {
        let StepOp::Linear { terms, .. } = op else { continue };
        for term in terms.iter().filter(|t| of_input[t.input]) {
            (0..term.weights.rows()).flat_map(|r| term.weights.row(r).0).for_each(|&c| read[c as usize] = true);
        }
    }
    Some(read)
}

/// The same matrix on the columns that are left.
fn narrowed(weights: &SparseMatrix, position: &[u32], columns: usize) -> Result<SparseMatrix> {
    let row = |r: usize| {
        let (at, weights) = weights.row(r);
        at.iter().zip(weights).map(|(&c, &w)| (position[c as usize], w)).collect()
    };
    Ok(SparseMatrix::from_rows(columns, (0..weights.rows()).map(row).collect())?)
}

#[cfg(test)]
mod tests {
    use beaa_ir::images::ImageMajor;

    use super::*;
    use crate::ckks::{Options, compile};
    use crate::testing::{images, random_model};

    /// The program with every third column of the maps that read the input made zero.
    fn without_columns(program: &Program) -> Program {
        let mut literal = program.as_literal().clone();
        let of_input = of_input(program.steps());
        for step in &mut literal.steps {
            let StepOp::Linear { terms, .. } = &mut step.op else { continue };
            for term in terms.iter_mut().filter(|t| of_input[t.input]) {
                let row = |r: usize| {
                    let (columns, weights) = term.weights.row(r);
                    let kept = columns.iter().zip(weights).filter(|(c, _)| *c % 3 != 1);
                    kept.map(|(&c, &w)| (c, w)).collect()
                };
                let rows = (0..term.weights.rows()).map(row).collect();
                term.weights = SparseMatrix::from_rows(term.weights.columns(), rows).unwrap();
            }
        }
        Program::try_from(literal).unwrap()
    }

    fn answers(program: &Program, images: &ImageMajor<f32>) -> Vec<f64> {
        beaa_runtime::plaintext::run(program, images).unwrap().data().to_vec()
    }

    #[test]
    fn what_is_left_answers_the_same() {
        let mut dropped = 0;
        for seed in 0..20 {
            let model = random_model(seed);
            let options = Options { logit_error: 0.5, ..Options::default() };
            let compiled = compile(&model, &options).unwrap();
            let wide = without_columns(&compiled.program);
            let narrow = drop_unread_inputs(wide.clone()).unwrap();
            let sample = images(&model, seed, 3);
            assert_eq!(answers(&narrow, &sample), answers(&wide, &sample), "seed {seed}");
            assert_eq!(narrow.values()[0].len, narrow.signature().reads.count());
            dropped += usize::from(narrow.values()[0].len < wide.values()[0].len);
            assert_eq!(drop_unread_inputs(narrow.clone()).unwrap(), narrow);
        }
        assert!(dropped > 3, "{dropped} programs have unread elements");
    }
}
