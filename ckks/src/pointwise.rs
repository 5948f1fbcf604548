//! Everything between two key switchings is pointwise in limb and slot: sequences of integer-matrix products and
//! squares run tile by tile, so that what lies between them never leaves the cache. Must never store an
//! intermediate value whole.

use rayon::prelude::*;

use crate::error::operand;
use crate::kernel::{self, Panels, Rows, TILE};
use crate::modulus::Modulus;
use crate::{Batch, Parameters, Result};

/// What an operation reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operand {
    /// One of the batches given.
    Input(usize),
    /// The result of an earlier operation of the sequence.
    Result(usize),
}

/// One pointwise operation.
#[derive(Debug, Clone)]
pub enum Op<'a> {
    /// The sum of integer-matrix products, plus one integer per output.
    Linear {
        /// What is multiplied by what.
        terms: Vec<(Operand, &'a Panels)>,
        /// Added to each output.
        bias: &'a [i128],
    },
    /// Two components in, three out.
    Square(Operand),
    /// Multiplication by an integer.
    Scale(Operand, u64),
}

/// Length and components of an operand.
type Size = (usize, usize);

/// Runs the operations in order on the first `limbs` limbs of the inputs and returns the last one's result.
pub fn run(parameters: &Parameters, limbs: usize, inputs: &[&Batch], ops: &[Op<'_>]) -> Result<Batch> {
    let wrong = |found: String, expected: &str| operand("evaluating", found, expected);
    parameters.check_limbs("evaluating", limbs)?;
    if inputs.is_empty() {
        return Err(wrong("no input".into(), "at least one"));
    }
    for batch in inputs {
        batch.expect("evaluating", parameters, batch.components())?;
        if batch.limbs() < limbs {
            return Err(wrong(format!("{} limbs", batch.limbs()), "inputs of at least the result's limbs"));
        }
    }
    let mut sizes: Vec<Size> = Vec::with_capacity(ops.len());
    for (i, op) in ops.iter().enumerate() {
        sizes.push(result_size(i, op, inputs, &sizes)?);
    }
    let Some((&(len, components), scratch_sizes)) = sizes.split_last() else {
        return Err(wrong("no operation".into(), "at least one"));
    };
    // Limbs are outermost in a batch: a tile has the same number whatever limbs follow.
    // The residues of biases and factors do not depend on the tile.
    let constants: Vec<Vec<Vec<u64>>> =
        parameters.moduli(limbs).map(|q| ops.iter().map(|op| residues(q, op)).collect()).collect();
    let moduli: Vec<Modulus> = parameters.moduli(limbs).collect();
    let tiles = parameters.degree() / TILE;
    let mut result = Batch::zeros(parameters, limbs, components, len)?;
    let block_len = result.block_len();
    result.data_mut().par_chunks_mut(block_len).enumerate().for_each_init(
        || scratch_sizes.iter().map(|(len, components)| vec![0; len * components * TILE]).collect::<Vec<Vec<u64>>>(),
        |scratch, (block, out)| {
            let limb = block / tiles;
            let (Some(&q), Some(constants)) = (moduli.get(limb), constants.get(limb)) else { return };
            for (i, (op, constants)) in ops.iter().zip(constants).enumerate() {
                let (before, rest) = scratch.split_at_mut(i);
                let target = rest.first_mut().map_or(&mut *out, Vec::as_mut_slice);
                let read = |o: Operand| match o {
                    Operand::Input(k) => inputs.get(k).map_or(&[][..], |b| b.block(block)),
                    Operand::Result(k) => before.get(k).map_or(&[][..], Vec::as_slice),
                };
                let size = |o: Operand| operand_size(o, inputs, &sizes).unwrap_or((0, 0));
                let output_components = sizes.get(i).map_or(0, |s| s.1);
                match op {
                    Op::Linear { terms, .. } => {
                        for (t, (source, panels)) in terms.iter().enumerate() {
                            let rows = Rows {
                                input_components: size(*source).1,
                                output_components,
                                bias: constants,
                                accumulate: t > 0,
                            };
                            let rows = if t > 0 { Rows { bias: &[], ..rows } } else { rows };
                            kernel::multiply(parameters.kernel(), q, panels, read(*source), &rows, target);
                        }
                    }
                    Op::Square(source) => kernel::square(parameters.kernel(), q, read(*source), target),
                    Op::Scale(source, _) => {
                        let factor = q.factor(constants.first().copied().unwrap_or(0));
                        for (to, &from) in target.iter_mut().zip(read(*source)) {
                            *to = q.mul_factor(from, factor);
                        }
                    }
                }
            }
        },
    );
    Ok(result)
}

fn operand_size(operand: Operand, inputs: &[&Batch], sizes: &[Size]) -> Option<Size> {
    match operand {
        Operand::Input(k) => inputs.get(k).map(|b| (b.len(), b.components())),
        Operand::Result(k) => sizes.get(k).copied(),
    }
}

fn result_size(index: usize, op: &Op<'_>, inputs: &[&Batch], sizes: &[Size]) -> Result<Size> {
    let size = |o: Operand| {
        operand_size(o, inputs, sizes).ok_or_else(|| {
            operand("evaluating", format!("operand {o:?} of operation {index}"), "an input or an earlier result")
        })
    };
    match op {
        Op::Linear { terms, bias } => {
            let mut components = 2;
            for (source, panels) in terms {
                let (len, c) = size(*source)?;
                if panels.columns() != len || panels.rows() != bias.len() {
                    return Err(operand(
                        "evaluating a linear layer",
                        format!(
                            "{} x {} weights, {len} inputs, {} biases",
                            panels.rows(),
                            panels.columns(),
                            bias.len()
                        ),
                        "one column per input and one bias per row",
                    ));
                }
                components = components.max(c);
            }
            if terms.is_empty() || bias.is_empty() {
                return Err(operand("evaluating a linear layer", "no term or no output", "at least one of each"));
            }
            Ok((bias.len(), components))
        }
        Op::Square(source) => match size(*source)? {
            (len, 2) => Ok((len, 3)),
            (_, c) => Err(operand("squaring", format!("{c} components"), "2")),
        },
        Op::Scale(source, _) => size(*source),
    }
}

fn residues(q: Modulus, op: &Op<'_>) -> Vec<u64> {
    match op {
        Op::Linear { bias, .. } => bias.iter().map(|&b| q.reduce_i128(b)).collect(),
        Op::Square(_) => Vec::new(),
        Op::Scale(_, factor) => vec![q.reduce(*factor)],
    }
}
