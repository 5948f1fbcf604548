//! The batch backend: one feature element of all images per ciphertext. Sees ciphertexts and the evaluation key; it
//! must never be handed a secret.

use beaa_ckks::pointwise::{self, Op};
use beaa_ckks::{Batch, EvaluationKey, Kernel, Panels, Parameters};
use beaa_ir::ValueInfo;

use super::{Backend, FusedOp};
use crate::Result;

/// Ciphertexts with what the scheme itself does not keep: their scale.
#[derive(Debug, Clone)]
pub struct CkksValue {
    /// The ciphertexts.
    pub batch: Batch,
    /// What a value of 1.0 is encoded as.
    pub scale: f64,
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

impl Backend for CkksBackend<'_> {
    type Value = CkksValue;

    fn info(&self, value: &CkksValue) -> ValueInfo {
        let b = &value.batch;
        ValueInfo { len: b.len(), limbs: b.limbs(), scale: value.scale, components: b.components() }
    }

    fn fused(&self, inputs: &[&CkksValue], ops: &[FusedOp<'_>]) -> Result<CkksValue> {
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
        let batches: Vec<&Batch> = inputs.iter().map(|v| &v.batch).collect();
        let batch = pointwise::run(self.parameters, &batches, &lowered)?;
        Ok(CkksValue { batch, scale: scales.last().copied().unwrap_or(1.0) })
    }

    fn relinearise(&self, value: &CkksValue) -> Result<CkksValue> {
        Ok(CkksValue { batch: beaa_ckks::relinearise(self.parameters, self.key, &value.batch)?, scale: value.scale })
    }

    fn rescale(&self, value: &CkksValue) -> Result<CkksValue> {
        let batch = beaa_ckks::rescale(self.parameters, &value.batch)?;
        let dropped = self.parameters.literal().moduli.get(batch.limbs()).copied().unwrap_or(1);
        Ok(CkksValue { batch, scale: value.scale / dropped as f64 })
    }

    fn drop_limbs(&self, value: &CkksValue, limbs: usize) -> Result<CkksValue> {
        let mut batch = value.batch.clone();
        batch.drop_limbs(limbs)?;
        Ok(CkksValue { batch, scale: value.scale })
    }
}

fn prepare(kernel: Kernel, op: &FusedOp<'_>) -> Result<Vec<Panels>> {
    let FusedOp::Linear { terms, .. } = op else { return Ok(Vec::new()) };
    terms.iter().map(|(_, m)| Ok(Panels::new(kernel, m.rows(), m.columns(), |r| m.row(r))?)).collect()
}
