//! The batch backend: one feature element of all images per ciphertext. Sees ciphertexts and the evaluation key; it
//! must never be handed a secret.

use std::borrow::Cow;

use beaa_ckks::pointwise::{self, Op, Source};
use beaa_ckks::{Batch, EvaluationKey, Kernel, Packed, Panels, Parameters};
use beaa_ir::ValueInfo;

use super::{Backend, Fused, FusedOp};
use crate::Result;

/// Ciphertexts with what the scheme itself does not keep: their scale.
#[derive(Debug)]
pub struct CkksValue<'a> {
    held: Held<'a>,
    scale: f64,
}

#[derive(Debug)]
enum Held<'a> {
    Stored(Batch),
    /// An input in its file, unpacked where it is read.
    Packed(Packed<'a>),
}

impl<'a> CkksValue<'a> {
    /// Ciphertexts in memory; `scale` is what a value of 1.0 is encoded as.
    pub fn new(batch: Batch, scale: f64) -> Self {
        Self { held: Held::Stored(batch), scale }
    }

    /// Ciphertexts in packed form.
    pub fn packed(packed: Packed<'a>, scale: f64) -> Self {
        Self { held: Held::Packed(packed), scale }
    }

    /// What a value of 1.0 is encoded as.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// The ciphertexts, expanded when they are packed.
    pub fn batch(&self, parameters: &Parameters) -> Result<Cow<'_, Batch>> {
        Ok(match &self.held {
            Held::Stored(batch) => Cow::Borrowed(batch),
            Held::Packed(packed) => Cow::Owned(packed.expand(parameters)?),
        })
    }
}

/// Runs on ciphertexts.
#[derive(Debug)]
pub struct CkksBackend<'k> {
    parameters: &'k Parameters,
    key: &'k EvaluationKey,
}

impl<'k> CkksBackend<'k> {
    /// With a server's key.
    pub fn new(parameters: &'k Parameters, key: &'k EvaluationKey) -> Self {
        Self { parameters, key }
    }
}

impl<'k> Backend for CkksBackend<'k> {
    type Value = CkksValue<'k>;

    fn info(&self, value: &CkksValue<'k>) -> ValueInfo {
        let (len, limbs, components) = match &value.held {
            Held::Stored(b) => (b.len(), b.limbs(), b.components()),
            Held::Packed(p) => (p.len(), p.limbs(), p.components()),
        };
        ValueInfo { len, limbs, scale: value.scale, components }
    }

    fn fused(&self, inputs: &[&CkksValue<'k>], ops: &[FusedOp<'_>]) -> Result<Fused<CkksValue<'k>>> {
        let panels = ops.iter().map(|op| prepare(self.parameters.kernel(), op)).collect::<Result<Vec<_>>>()?;
        let mut scales: Vec<f64> = Vec::with_capacity(ops.len());
        let mut lowered = Vec::with_capacity(ops.len());
        for (op, panels) in ops.iter().zip(&panels) {
            let scale_of = |o: &pointwise::Operand| match o {
                pointwise::Operand::Input(k) => inputs.get(*k).map_or(1.0, |v| v.scale),
                pointwise::Operand::Result(k) => scales.get(*k).copied().unwrap_or(1.0),
            };
            let (scale, op) = match op {
                FusedOp::Linear { terms, weight_scale, bias } => {
                    let scale = terms.first().map_or(1.0, |(o, _)| scale_of(o)) * weight_scale;
                    (scale, Op::Linear { terms: terms.iter().map(|(o, _)| *o).zip(panels).collect(), bias })
                }
                FusedOp::Square(o) => (scale_of(o).powi(2), Op::Square(*o)),
                FusedOp::ScaleUp(o, factor) => (scale_of(o) * *factor as f64, Op::Scale(*o, *factor)),
            };
            scales.push(scale);
            lowered.push(op);
        }
        let sources: Vec<Source<'_>> = inputs
            .iter()
            .map(|v| match &v.held {
                Held::Stored(batch) => Source::Stored(batch),
                Held::Packed(packed) => Source::Packed(packed),
            })
            .collect();
        let outcome = pointwise::run(self.parameters, &sources, &lowered)?;
        let value = CkksValue::new(outcome.batch, scales.last().copied().unwrap_or(1.0));
        Ok(Fused { value, seconds: outcome.seconds, unpacking: outcome.unpacking })
    }

    fn relinearise(&self, value: &CkksValue<'k>) -> Result<CkksValue<'k>> {
        let batch = value.batch(self.parameters)?;
        Ok(CkksValue::new(beaa_ckks::relinearise(self.parameters, self.key, &batch)?, value.scale))
    }

    fn rescale(&self, value: &CkksValue<'k>) -> Result<CkksValue<'k>> {
        let batch = beaa_ckks::rescale(self.parameters, &*value.batch(self.parameters)?)?;
        let dropped = self.parameters.literal().moduli.get(batch.limbs()).copied().unwrap_or(1);
        Ok(CkksValue::new(batch, value.scale / dropped as f64))
    }

    fn drop_limbs(&self, value: &CkksValue<'k>, limbs: usize) -> Result<CkksValue<'k>> {
        let mut batch = value.batch(self.parameters)?.into_owned();
        batch.drop_limbs(limbs)?;
        Ok(CkksValue::new(batch, value.scale))
    }
}

fn prepare(kernel: Kernel, op: &FusedOp<'_>) -> Result<Vec<Panels>> {
    let FusedOp::Linear { terms, .. } = op else { return Ok(Vec::new()) };
    terms.iter().map(|(_, m)| Ok(Panels::new(kernel, m.rows(), m.columns(), |r| m.row(r))?)).collect()
}
