//! Elements that cost a bootstrapping for nothing: those whose table says the same whatever the
//! input, and those that nothing reads. No output changes.

use beaa_ir::SparseMatrix;
use beaa_ir::tfhe::{ProgramLiteral, Stage};

use crate::Result;

/// Takes them out, from the outputs back to the input.
///
/// # Errors
/// [`Error::Program`](crate::Error::Program) for a matrix that no program can hold.
pub(crate) fn drop_dead_elements(mut program: ProgramLiteral) -> Result<ProgramLiteral> {
    for k in (0..program.stages.len()).rev() {
        let constants: Vec<Option<i64>> =
            (0..program.stages[k].bias.len()).map(|j| constant(&program.stages[k], j)).collect();
        let (weights, bias) = match program.stages.get_mut(k + 1) {
            Some(next) => (&mut next.weights, &mut next.bias),
            None => (&mut program.last, &mut program.last_bias),
        };
        let mut read = vec![false; constants.len()];
        for (r, b) in bias.iter_mut().enumerate() {
            let (columns, values) = weights.row(r);
            for (&c, &w) in columns.iter().zip(values) {
                match constants[c as usize] {
                    Some(v) => *b += v * i64::from(w),
                    None => read[c as usize] = true,
                }
            }
        }
        // One stays in any case: a stage of nothing would be no stage.
        if !read.contains(&true) {
            read[0] = true;
        }
        let kept: Vec<usize> = (0..read.len()).filter(|&j| read[j]).collect();
        *weights = columns_of(weights, &read, &constants, kept.len())?;
        program.stages[k] = rows_of(&program.stages[k], &kept)?;
    }
    Ok(program)
}

/// The entry that element `j` always has, if it is the same for every sum that is possible.
fn constant(stage: &Stage, j: usize) -> Option<i64> {
    let (columns, _) = stage.weights.row(j);
    let table = stage.table(j);
    let entry = |level: u64| table.get(level as usize).map(|&v| i64::from(v));
    if columns.is_empty() {
        return u64::try_from(stage.bias[j]).ok().and_then(|b| entry(b >> stage.dropped_bits));
    }
    // Beyond the slots a table's entry is negated, so that only zero is the same everywhere.
    let anywhere = stage.proven || table.first() == Some(&0);
    let same = table.windows(2).all(|w| w[0] == w[1]);
    if anywhere && same { entry(0) } else { None }
}

fn columns_of(weights: &SparseMatrix, read: &[bool], constants: &[Option<i64>], kept: usize) -> Result<SparseMatrix> {
    let mut position = vec![0_u32; read.len()];
    let mut next = 0;
    for (p, &r) in position.iter_mut().zip(read) {
        *p = next;
        next += u32::from(r);
    }
    let rows = (0..weights.rows()).map(|r| {
        let (columns, values) = weights.row(r);
        let live = columns.iter().zip(values).filter(|(c, _)| read[**c as usize] && constants[**c as usize].is_none());
        live.map(|(&c, &w)| (position[c as usize], w)).collect()
    });
    Ok(SparseMatrix::from_rows(kept, rows.collect())?)
}

fn rows_of(stage: &Stage, kept: &[usize]) -> Result<Stage> {
    let row = |&j: &usize| {
        let (columns, values) = stage.weights.row(j);
        columns.iter().copied().zip(values.iter().copied()).collect()
    };
    Ok(Stage {
        layer: stage.layer.clone(),
        weights: SparseMatrix::from_rows(stage.weights.columns(), kept.iter().map(row).collect())?,
        bias: kept.iter().map(|&j| stage.bias[j]).collect(),
        dropped_bits: stage.dropped_bits,
        levels: stage.levels,
        tables: kept.iter().flat_map(|&j| stage.table(j).iter().copied()).collect(),
        proven: stage.proven,
    })
}
