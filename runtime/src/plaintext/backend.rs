//! The reference backend: the compiled program, with its integer weights, in `f64` on images in clear. It computes what
//! encryption would give without noise; it must never take a short cut that the program does not take.

use beaa_ir::SparseMatrix;
use beaa_ir::ckks::{StepOp, ValueId, ValueInfo};
use rayon::prelude::*;

use crate::backend::{Backend, Operand, Sequence, Timed};
use crate::error::operand;
use crate::{Error, Result};

/// Real values: one row per element, one column per image.
#[derive(Debug, Clone, PartialEq)]
pub struct PlaintextValue {
    /// `[element][image]`.
    pub rows: Vec<Vec<f64>>,
    limbs: usize,
    scale: f64,
    components: usize,
}

/// Runs in clear, for parameters with these moduli.
#[derive(Debug, Clone)]
pub struct PlaintextBackend {
    moduli: Vec<u64>,
}

impl PlaintextBackend {
    /// For a program's moduli.
    pub fn new(moduli: &[u64]) -> Self {
        Self { moduli: moduli.to_vec() }
    }

    /// The input value described by `info`, from normalised images `[image][element]`.
    ///
    /// # Errors
    /// When an image has another number of elements, or `info` more limbs than there are moduli.
    pub fn input(&self, info: ValueInfo, images: &[Vec<f32>]) -> Result<PlaintextValue> {
        if info.limbs > self.moduli.len() {
            return Err(operand(format!("{} limbs", info.limbs), format!("at most {}", self.moduli.len())));
        }
        if let Some((image, values)) = images.iter().enumerate().find(|(_, values)| values.len() != info.len) {
            let found = values.len();
            return Err(Error::ImageSize { operation: "reading images", image, found, expected: info.len });
        }
        let rows = (0..info.len).map(|e| images.iter().map(|image| f64::from(image[e])).collect()).collect();
        Ok(PlaintextValue { rows, limbs: info.limbs, scale: info.scale, components: info.components })
    }
}

impl Backend for PlaintextBackend {
    type Value = PlaintextValue;
    type Weights<'m> = &'m SparseMatrix;

    fn info(&self, value: &PlaintextValue) -> ValueInfo {
        ValueInfo { len: value.rows.len(), limbs: value.limbs, scale: value.scale, components: value.components }
    }

    fn arrange<'m>(&self, weights: &'m SparseMatrix) -> Result<&'m SparseMatrix> {
        Ok(weights)
    }

    fn fused(&self, sequence: &Sequence<'_, PlaintextValue, &SparseMatrix>) -> Result<Timed<PlaintextValue>> {
        let inputs: Vec<&PlaintextValue> = sequence.inputs().collect();
        let mut results: Vec<PlaintextValue> = Vec::with_capacity(sequence.steps().len());
        for (step, weights) in sequence.steps().iter().zip(sequence.weights()) {
            let read = |value: ValueId| match sequence.operand(value) {
                Operand::Input(k) => inputs[k],
                Operand::Result(k) => &results[k],
            };
            let next = match &step.op {
                StepOp::Linear { terms, weight_scale, bias } => {
                    let terms: Vec<_> = terms.iter().map(|t| read(t.input)).zip(weights.iter().copied()).collect();
                    linear(&terms, *weight_scale, bias)?
                }
                StepOp::Square { input } => {
                    let v = read(*input);
                    let rows = v.rows.par_iter().map(|r| r.iter().map(|x| x * x).collect()).collect();
                    PlaintextValue { rows, scale: v.scale * v.scale, components: 3, limbs: v.limbs }
                }
                StepOp::ScaleUp { input, factor } => {
                    let v = read(*input);
                    PlaintextValue { scale: v.scale * *factor as f64, ..v.clone() }
                }
                StepOp::DropLimbs { input, limbs } => PlaintextValue { limbs: *limbs, ..read(*input).clone() },
                StepOp::Relinearise { .. } | StepOp::Rescale { .. } => unreachable!("a sequence is pointwise"),
            };
            results.push(next);
        }
        match results.pop() {
            Some(value) => Ok(Timed::untimed(value)),
            None => unreachable!("a sequence has steps"),
        }
    }

    fn key_switch(&self, value: &PlaintextValue, relinearise: bool, rescales: usize) -> Result<Timed<PlaintextValue>> {
        let Some(limbs) = value.limbs.checked_sub(rescales).filter(|&l| l > 0) else {
            let found = format!("{} limbs for {rescales} divisions", value.limbs);
            return Err(operand(found, "at least one limb more than divisions"));
        };
        let scale = self.moduli[limbs..value.limbs].iter().rev().fold(value.scale, |scale, &q| scale / q as f64);
        let components = if relinearise { 2 } else { value.components };
        Ok(Timed::untimed(PlaintextValue { limbs, scale, components, ..value.clone() }))
    }

    fn drop_limbs(&self, value: &PlaintextValue, limbs: usize) -> Result<PlaintextValue> {
        if limbs == 0 || limbs > value.limbs {
            return Err(operand(format!("{limbs} limbs"), format!("between 1 and {}", value.limbs)));
        }
        Ok(PlaintextValue { limbs, ..value.clone() })
    }
}

fn linear(terms: &[(&PlaintextValue, &SparseMatrix)], weight_scale: f64, bias: &[i128]) -> Result<PlaintextValue> {
    let Some(&(first, _)) = terms.first() else {
        return Err(operand("a linear layer without terms", "at least one"));
    };
    if let Some((v, m)) = terms.iter().find(|(v, m)| m.columns() != v.rows.len() || m.rows() != bias.len()) {
        return Err(operand(
            format!("{} inputs, {} biases", v.rows.len(), bias.len()),
            format!("{} inputs, {} biases", m.columns(), m.rows()),
        ));
    }
    let images = first.rows.first().map_or(0, Vec::len);
    let scale = first.scale * weight_scale;
    let rows = bias
        .par_iter()
        .enumerate()
        .map(|(r, &b)| {
            let mut sums = vec![b as f64 / scale; images];
            for (value, matrix) in terms {
                let (columns, weights) = matrix.row(r);
                for (&c, &w) in columns.iter().zip(weights) {
                    let w = f64::from(w) / weight_scale;
                    let row = &value.rows[c as usize];
                    assert_eq!(row.len(), images, "images of element {c}");
                    sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += w * x);
                }
            }
            sums
        })
        .collect();
    let components = terms.iter().map(|(v, _)| v.components).max().unwrap_or(2);
    Ok(PlaintextValue { rows, limbs: first.limbs, scale, components })
}
