//! The reference backend: the compiled program, with its integer weights, in `f64` on images in clear. It computes what
//! encryption would give without noise; it must never take a short cut that the program does not take.

use beaa_ir::SparseMatrix;
use beaa_ir::ckks::ValueInfo;
use rayon::prelude::*;

use crate::Result;
use crate::backend::{Backend, Fused, FusedOp, Operand};
use crate::error::input;

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

    /// The input value, from normalised images, one after the other.
    pub fn input(&self, info: ValueInfo, images: &[Vec<f32>]) -> Result<PlaintextValue> {
        if let Some(image) = images.iter().find(|i| i.len() != info.len) {
            return Err(input(
                "reading images",
                format!("{} numbers", image.len()),
                format!("{} for each image", info.len),
            ));
        }
        let rows =
            (0..info.len).map(|e| images.iter().map(|i| i.get(e).copied().map_or(0.0, f64::from)).collect()).collect();
        Ok(PlaintextValue { rows, limbs: info.limbs, scale: info.scale, components: info.components })
    }
}

impl Backend for PlaintextBackend {
    type Value = PlaintextValue;

    fn info(&self, value: &PlaintextValue) -> ValueInfo {
        ValueInfo { len: value.rows.len(), limbs: value.limbs, scale: value.scale, components: value.components }
    }

    fn fused(&self, inputs: &[&PlaintextValue], ops: &[FusedOp<'_>]) -> Result<Fused<PlaintextValue>> {
        let mut results: Vec<PlaintextValue> = Vec::with_capacity(ops.len());
        for op in ops {
            let get = |o: Operand| {
                match o {
                    Operand::Input(k) => inputs.get(k).copied(),
                    Operand::Result(k) => results.get(k),
                }
                .ok_or_else(|| input("running in clear", format!("{o:?}"), "an input or an earlier result"))
            };
            let next = match op {
                FusedOp::Linear { terms, weight_scale, bias } => {
                    let terms = terms.iter().map(|(o, m)| Ok((get(*o)?, *m))).collect::<Result<Vec<_>>>()?;
                    linear(&terms, *weight_scale, bias)?
                }
                FusedOp::Square(o) => {
                    let v = get(*o)?;
                    let rows = v.rows.par_iter().map(|r| r.iter().map(|x| x * x).collect()).collect();
                    PlaintextValue { rows, scale: v.scale * v.scale, components: 3, limbs: v.limbs }
                }
                FusedOp::ScaleUp(o, factor) => {
                    let v = get(*o)?;
                    PlaintextValue { scale: v.scale * *factor as f64, ..v.clone() }
                }
                FusedOp::DropLimbs(o, limbs) => PlaintextValue { limbs: *limbs, ..get(*o)?.clone() },
            };
            results.push(next);
        }
        let value = results.pop().ok_or_else(|| input("running in clear", "no operation", "at least one"))?;
        Ok(Fused { value, seconds: Vec::new(), unpacking: 0.0 })
    }

    fn switch(&self, value: &PlaintextValue, relinearise: bool, rescales: usize) -> Result<Fused<PlaintextValue>> {
        let limbs = value.limbs.checked_sub(rescales).filter(|&l| l > 0);
        let dropped = limbs.and_then(|l| Some((l, self.moduli.get(l..value.limbs)?)));
        let Some((limbs, dropped)) = dropped else {
            let found = format!("{} limbs for {rescales} divisions", value.limbs);
            return Err(input("rescaling", found, "at least one limb more than divisions"));
        };
        let scale = dropped.iter().rev().fold(value.scale, |scale, &q| scale / q as f64);
        let components = if relinearise { 2 } else { value.components };
        let value = PlaintextValue { limbs, scale, components, ..value.clone() };
        Ok(Fused { value, seconds: Vec::new(), unpacking: 0.0 })
    }

    fn drop_limbs(&self, value: &PlaintextValue, limbs: usize) -> Result<PlaintextValue> {
        Ok(PlaintextValue { limbs, ..value.clone() })
    }
}

fn linear(terms: &[(&PlaintextValue, &SparseMatrix)], weight_scale: f64, bias: &[i128]) -> Result<PlaintextValue> {
    let Some((first, _)) = terms.first() else {
        return Err(input("running a linear layer in clear", "no term", "at least one"));
    };
    if let Some((v, m)) = terms.iter().find(|(v, m)| m.columns() != v.rows.len() || m.rows() != bias.len()) {
        return Err(input(
            "running a linear layer in clear",
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
                    for (s, x) in sums.iter_mut().zip(value.rows.get(c as usize).into_iter().flatten()) {
                        *s += w * x;
                    }
                }
            }
            sums
        })
        .collect();
    let components = terms.iter().map(|(v, _)| v.components).max().unwrap_or(2);
    Ok(PlaintextValue { rows, limbs: first.limbs, scale, components })
}
