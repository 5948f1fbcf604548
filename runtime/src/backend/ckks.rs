//! The batch backend: one feature element of all images per ciphertext. Sees ciphertexts and the evaluation key; it
//! must never be handed a secret.

use beaa_ckks::pointwise::{self, Op};
use beaa_ckks::{Batch, EvaluationKey, Panels, Parameters};
use beaa_ir::ValueInfo;

use super::{Backend, FusedOp};
use crate::Result;
use crate::error::input;

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
        let panels = ops.iter().map(prepare).collect::<Result<Vec<_>>>()?;
        // By operation: scale and limbs of its result, and where it is; fewer limbs of something are in the same place.
        let mut results: Vec<(f64, usize, pointwise::Operand)> = Vec::with_capacity(ops.len());
        let mut lowered = Vec::with_capacity(ops.len());
        for (op, panels) in ops.iter().zip(&panels) {
            let read = |o: &pointwise::Operand| match o {
                pointwise::Operand::Input(k) => inputs.get(*k).map_or((1.0, 0, *o), |v| (v.scale, v.batch.limbs(), *o)),
                // What does not exist yet is refused where the operations run.
                pointwise::Operand::Result(k) => results.get(*k).copied().unwrap_or((1.0, 0, *o)),
            };
            let place = pointwise::Operand::Result(lowered.len());
            let (scale, limbs, place) = match op {
                FusedOp::Linear { terms, weight_scale, bias } => {
                    let (scale, limbs, _) = terms.first().map_or((1.0, 0, place), |(o, _)| read(o));
                    let terms = terms.iter().map(|(o, _)| read(o).2).zip(panels).collect();
                    lowered.push(Op::Linear { terms, bias });
                    (scale * weight_scale, limbs, place)
                }
                FusedOp::Square(o) => {
                    let (scale, limbs, from) = read(o);
                    lowered.push(Op::Square(from));
                    (scale.powi(2), limbs, place)
                }
                FusedOp::ScaleUp(o, factor) => {
                    let (scale, limbs, from) = read(o);
                    lowered.push(Op::Scale(from, *factor));
                    (scale * *factor as f64, limbs, place)
                }
                FusedOp::DropLimbs(o, limbs) => (read(o).0, *limbs, read(o).2),
            };
            results.push((scale, limbs, place));
        }
        let &(scale, limbs, place) = results.last().unwrap_or(&(1.0, 0, pointwise::Operand::Result(0)));
        if Some(place) != lowered.len().checked_sub(1).map(pointwise::Operand::Result) {
            return Err(input("evaluating", "a sequence that ends in dropped limbs", "one that ends in an operation"));
        }
        let batches: Vec<&Batch> = inputs.iter().map(|v| &v.batch).collect();
        let batch = pointwise::run(self.parameters, limbs, &batches, &lowered)?;
        Ok(CkksValue { batch, scale })
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
        Ok(CkksValue { batch: value.batch.first_limbs(limbs)?, scale: value.scale })
    }
}

fn prepare(op: &FusedOp<'_>) -> Result<Vec<Panels>> {
    let FusedOp::Linear { terms, .. } = op else { return Ok(Vec::new()) };
    terms.iter().map(|(_, m)| Ok(Panels::new(m.rows(), m.columns(), |r| m.row(r))?)).collect()
}
