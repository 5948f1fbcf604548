//! Fills the banded program with numbers: of every matrix the part that one band needs of another.

use beaa_ir::SparseMatrix;
use beaa_ir::ckks::{LayerNote, LinearTerm, Program, ProgramLiteral, Step, StepOp, ValueId};

use super::order::{Banded, Cuts, Instance, TilingContext};
use crate::error::Result;

/// Where each element of a value is: its band, and its place there.
struct Positions {
    band: Vec<u32>,
    position: Vec<u32>,
    /// Elements, band after band.
    order: Vec<u32>,
}

/// The banded program.
pub(super) fn rewrite(context: &TilingContext<'_>, cuts: &Cuts, banded: &Banded) -> Result<Program> {
    let roots = context.roots.iter().enumerate();
    let positions = roots.map(|(v, &root)| (v == root).then(|| positions(context, cuts, v))).collect();
    let whole = WholeProgram { context, cuts, positions };
    let original = context.program;
    let mut steps = Vec::with_capacity(banded.instances.len());
    for instance in &banded.instances {
        let step = &original.steps()[instance.step];
        let input = instance.reads[0].2;
        let op = match &step.op {
            StepOp::Linear { terms, weight_scale, bias } => {
                let v = instance.step + 1;
                let starts = &cuts.starts[v];
                let elements = &whole.positions(v).order[starts[instance.band]..starts[instance.band + 1]];
                StepOp::Linear {
                    terms: whole.band_terms(terms, elements, instance)?,
                    weight_scale: *weight_scale,
                    bias: elements.iter().map(|&e| bias[e as usize]).collect(),
                }
            }
            StepOp::ScaleUp { factor, .. } => StepOp::ScaleUp { input, factor: *factor },
            StepOp::Square { .. } => StepOp::Square { input },
            StepOp::Relinearise { .. } => StepOp::Relinearise { input },
            StepOp::Rescale { .. } => StepOp::Rescale { input },
            StepOp::DropLimbs { limbs, .. } => StepOp::DropLimbs { input, limbs: *limbs },
        };
        steps.push(Step { layer: step.layer.clone(), op });
    }
    let literal = ProgramLiteral {
        signature: original.signature().clone(),
        steps,
        output: banded.shape.output,
        notes: notes(context, cuts, banded),
        alternatives: original.alternatives().to_vec(),
        packing: None,
    };
    Ok(Program::try_from(literal)?)
}

fn positions(context: &TilingContext<'_>, cuts: &Cuts, root: ValueId) -> Positions {
    let layout = context.layout(root);
    let len = layout.order.len();
    // What stays whole keeps its order: the input's and the output's are given.
    let whole = cuts.bands(root) == 1;
    let order: Vec<u32> = if whole { (0..len as u32).collect() } else { layout.order.clone() };
    let (mut band, mut position) = (vec![0; len], vec![0; len]);
    for (b, range) in cuts.starts[root].windows(2).enumerate() {
        for (k, &e) in order[range[0]..range[1]].iter().enumerate() {
            band[e as usize] = b as u32;
            position[e as usize] = k as u32;
        }
    }
    Positions { band, position, order }
}

/// The program that is cut, where it is cut, and where its elements went.
struct WholeProgram<'a> {
    context: &'a TilingContext<'a>,
    cuts: &'a Cuts,
    /// By root.
    positions: Vec<Option<Positions>>,
}

impl WholeProgram<'_> {
    fn positions(&self, root: ValueId) -> &Positions {
        self.positions[root].as_ref().unwrap_or_else(|| unreachable!("value {root} is no root"))
    }

    /// For each band that is read, its columns of the rows of `elements`.
    fn band_terms(&self, terms: &[LinearTerm], elements: &[u32], instance: &Instance) -> Result<Vec<LinearTerm>> {
        let mut out = Vec::with_capacity(instance.reads.len());
        for reads in instance.reads.chunk_by(|a, b| a.0 == b.0) {
            let term = reads[0].0;
            let root = self.context.roots[terms[term].input];
            let from = self.positions(root);
            let mut rows: Vec<Vec<Vec<(u32, i32)>>> = vec![Vec::with_capacity(elements.len()); reads.len()];
            for &e in elements {
                rows.iter_mut().for_each(|r| r.push(Vec::new()));
                let (columns, weights) = terms[term].weights.row(e as usize);
                for (&c, &w) in columns.iter().zip(weights) {
                    let band = from.band[c as usize] as usize;
                    let slot = reads.partition_point(|r| r.1 < band);
                    assert_eq!(reads[slot].1, band, "term {term} reads a band that was not foreseen");
                    let row = rows[slot].last_mut().unwrap_or_else(|| unreachable!("no row was begun"));
                    row.push((from.position[c as usize], w));
                }
            }
            for (&(_, band, input), rows) in reads.iter().zip(rows) {
                let columns = self.cuts.starts[root][band + 1] - self.cuts.starts[root][band];
                out.push(LinearTerm { input, weights: SparseMatrix::from_rows(columns, rows)? });
            }
        }
        Ok(out)
    }
}

/// What is said of a value is said of each of its bands, of repeated ones once.
fn notes(context: &TilingContext<'_>, cuts: &Cuts, banded: &Banded) -> Vec<LayerNote> {
    let mut notes = Vec::new();
    for note in context.program.notes() {
        let bands = cuts.bands(context.roots[note.value]);
        let mut values: Vec<Option<ValueId>> = vec![None; bands];
        for (id, &(v, band)) in banded.bands.iter().enumerate() {
            if v == note.value {
                values[band].get_or_insert(id);
            }
        }
        let remark = if bands == 1 { note.remark.clone() } else { format!("{}; in {bands} bands", note.remark) };
        let of = |value| LayerNote { value, remark: remark.clone(), ..note.clone() };
        notes.extend(values.into_iter().flatten().map(of));
    }
    notes
}
