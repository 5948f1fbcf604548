//! The reference implementation of the operations: the compiled program with its integer weights,
//! in `f64`. It takes no short cut that the program does not take.

use beaa_ir::SparseMatrix;
use beaa_ir::ckks::{StepOp, ValueId, ValueInfo};
use beaa_ir::images::{ElementMajor, ImageMajor};
use rayon::prelude::*;

use crate::backend::{Backend, Operand, Sequence, Term, Timed};
use crate::error::operand;
use crate::{Error, Result};

/// A vector of values in clear, with the limbs, scale and components that ciphertexts would have.
#[derive(Debug, Clone, PartialEq)]
pub struct PlaintextValue {
    /// The values themselves, at scale 1.
    pub values: ElementMajor<f64>,
    limbs: usize,
    scale: f64,
    components: usize,
}

/// Runs programs in clear, for parameters with these moduli.
#[derive(Debug, Clone)]
pub struct PlaintextBackend {
    moduli: Vec<u64>,
}

impl PlaintextBackend {
    /// Makes a backend for a program's moduli, by which rescaling divides.
    pub fn new(moduli: &[u64]) -> Self {
        Self { moduli: moduli.to_vec() }
    }

    /// Makes the input value described by `info` of normalised images.
    ///
    /// # Errors
    /// When an image has another number of elements, or `info` more limbs than there are moduli.
    pub fn input(&self, info: ValueInfo, images: &ImageMajor<f32>) -> Result<PlaintextValue> {
        if info.limbs > self.moduli.len() {
            return Err(operand(format!("{} limbs", info.limbs), format!("at most {}", self.moduli.len())));
        }
        if images.elements() != info.len {
            let found = images.elements();
            return Err(Error::ImageSize { operation: "reading images", found, expected: info.len });
        }
        let values = images.to_element_major().map(|&v| f64::from(v));
        Ok(PlaintextValue { values, limbs: info.limbs, scale: info.scale, components: info.components })
    }
}

impl Backend for PlaintextBackend {
    type Value = PlaintextValue;
    type Weights<'m> = &'m SparseMatrix;

    fn info(&self, value: &PlaintextValue) -> ValueInfo {
        ValueInfo { len: value.values.elements(), limbs: value.limbs, scale: value.scale, components: value.components }
    }

    fn arrange<'m>(&self, term: Term<'m>) -> Result<&'m SparseMatrix> {
        Ok(term.weights)
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
                    let mut values = v.values.clone();
                    values.data_mut().par_iter_mut().for_each(|x| *x *= *x);
                    PlaintextValue { values, scale: v.scale * v.scale, components: 3, limbs: v.limbs }
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
    let (first, _) = terms[0];
    let fits = |v: &PlaintextValue, m: &SparseMatrix| {
        m.columns() == v.values.elements() && m.rows() == bias.len() && v.values.images() == first.values.images()
    };
    if let Some((v, m)) = terms.iter().find(|(v, m)| !fits(v, m)) {
        return Err(operand(
            format!("{} inputs of {} images, {} biases", v.values.elements(), v.values.images(), bias.len()),
            format!("{} inputs of {} images, {} biases", m.columns(), first.values.images(), m.rows()),
        ));
    }
    let images = first.values.images();
    let scale = first.scale * weight_scale;
    let mut data = vec![0.0; bias.len() * images];
    // Without images there is no row to fill.
    data.par_chunks_mut(images.max(1)).zip(bias).enumerate().for_each(|(r, (sums, &b))| {
        sums.fill(b as f64 / scale);
        for (value, matrix) in terms {
            let (columns, weights) = matrix.row(r);
            for (&c, &w) in columns.iter().zip(weights) {
                let w = f64::from(w) / weight_scale;
                sums.iter_mut().zip(value.values.element(c as usize)).for_each(|(sum, x)| *sum += w * x);
            }
        }
    });
    let values = ElementMajor::new(bias.len(), images, data)?;
    let components = terms.iter().map(|(v, _)| v.components).max().unwrap_or(2);
    Ok(PlaintextValue { values, limbs: first.limbs, scale, components })
}
