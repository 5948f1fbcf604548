//! The batch backend: one feature element of all images per ciphertext. Sees ciphertexts and the evaluation key; it
//! must never be handed a secret.

use std::borrow::Cow;

use beaa_ckks::pointwise::{self, InputBatch, Op};
use beaa_ckks::{Batch, CompressedBatch, EvaluationKey, KeySwitcher, Panels, Parameters, rescale};
use beaa_ir::SparseMatrix;
use beaa_ir::ckks::ValueInfo;

use crate::Result;
use crate::backend::{Backend, Fused, FusedOp};
use crate::error::input;

/// Ciphertexts with what the scheme itself does not keep: their scale.
#[derive(Debug)]
pub struct CkksValue<'a> {
    storage: Storage<'a>,
    scale: f64,
}

#[derive(Debug)]
enum Storage<'a> {
    Stored(Batch),
    /// An input in its file, unpacked where it is read.
    Packed(Box<CompressedBatch<'a>>),
}

impl<'a> CkksValue<'a> {
    /// Ciphertexts in memory; `scale` is what a value of 1.0 is encoded as.
    pub fn new(batch: Batch, scale: f64) -> Self {
        Self { storage: Storage::Stored(batch), scale }
    }

    /// Ciphertexts in packed form.
    pub fn packed(packed: CompressedBatch<'a>, scale: f64) -> Self {
        Self { storage: Storage::Packed(Box::new(packed)), scale }
    }

    /// What a value of 1.0 is encoded as.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    fn limbs(&self) -> usize {
        match &self.storage {
            Storage::Stored(b) => b.limbs(),
            Storage::Packed(p) => p.limbs(),
        }
    }

    /// The ciphertexts, expanded when they are packed.
    pub fn batch(&self) -> Result<Cow<'_, Batch>> {
        Ok(match &self.storage {
            Storage::Stored(batch) => Cow::Borrowed(batch),
            Storage::Packed(packed) => Cow::Owned(packed.expand()?),
        })
    }
}

/// Runs on ciphertexts.
#[derive(Debug)]
pub struct CkksBackend<'k> {
    parameters: &'k Parameters,
    switcher: KeySwitcher<'k>,
}

impl<'k> CkksBackend<'k> {
    /// Binds a server's key to the parameters of the programs that it will run.
    ///
    /// # Errors
    /// When the key belongs to other parameters.
    pub fn new(parameters: &'k Parameters, key: &'k EvaluationKey) -> Result<Self> {
        Ok(Self { parameters, switcher: KeySwitcher::new(parameters, key)? })
    }
}

impl<'k> Backend for CkksBackend<'k> {
    type Value = CkksValue<'k>;

    fn info(&self, value: &CkksValue<'k>) -> ValueInfo {
        let (len, limbs, components) = match &value.storage {
            Storage::Stored(b) => (b.len(), b.limbs(), b.components()),
            Storage::Packed(p) => (p.len(), p.limbs(), p.components()),
        };
        ValueInfo { len, limbs, scale: value.scale, components }
    }

    fn fused(&self, inputs: &[&CkksValue<'k>], ops: &[FusedOp<'_>]) -> Result<Fused<CkksValue<'k>>> {
        let panels = ops.iter().map(|op| prepare(self.parameters, op)).collect::<Result<Vec<_>>>()?;
        // By operation: scale and limbs of its result, and where it is; fewer limbs of something are in the same place.
        let mut results: Vec<(f64, usize, pointwise::Operand)> = Vec::with_capacity(ops.len());
        let mut lowered = Vec::with_capacity(ops.len());
        for (op, panels) in ops.iter().zip(&panels) {
            let read = |o: &pointwise::Operand| match o {
                pointwise::Operand::Input(k) => inputs.get(*k).map_or((1.0, 0, *o), |v| (v.scale, v.limbs(), *o)),
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
        let sources: Vec<InputBatch<'_>> = inputs
            .iter()
            .map(|v| match &v.storage {
                Storage::Stored(batch) => InputBatch::Stored(batch),
                Storage::Packed(packed) => InputBatch::Compressed(packed),
            })
            .collect();
        let outcome = pointwise::run(self.parameters, limbs, &sources, &lowered)?;
        // Dropping limbs is none of the operations that ran, and takes no time.
        let mut seconds = outcome.op_seconds.into_iter();
        let took = |op: &FusedOp<'_>| match op {
            FusedOp::DropLimbs(..) => 0.0,
            _ => seconds.next().unwrap_or(0.0),
        };
        let seconds = ops.iter().map(took).collect();
        Ok(Fused { value: CkksValue::new(outcome.batch, scale), seconds, unpacking: outcome.unpack_seconds })
    }

    fn switch(&self, value: &CkksValue<'k>, relinearise: bool, rescales: usize) -> Result<Fused<CkksValue<'k>>> {
        let batch = value.batch()?;
        let (result, relinearising, rescaling) = if relinearise {
            let done = self.switcher.relinearise_and_rescale(&batch, rescales)?;
            (done.batch, Some(done.relinearise_seconds), done.rescale_seconds)
        } else {
            let done = rescale(self.parameters, &batch, rescales)?;
            (done.batch, None, done.seconds)
        };
        let dropped = &self.parameters.literal().moduli[result.limbs()..batch.limbs()];
        let scale = dropped.iter().rev().fold(value.scale, |scale, &q| scale / q as f64);
        let each = rescaling / rescales as f64;
        let seconds = relinearising.into_iter().chain((0..rescales).map(|_| each)).collect();
        Ok(Fused { value: CkksValue::new(result, scale), seconds, unpacking: 0.0 })
    }

    fn drop_limbs(&self, value: &CkksValue<'k>, limbs: usize) -> Result<CkksValue<'k>> {
        Ok(CkksValue::new(value.batch()?.first_limbs(limbs)?, value.scale))
    }
}

fn prepare(parameters: &Parameters, op: &FusedOp<'_>) -> Result<Vec<Panels>> {
    let FusedOp::Linear { terms, .. } = op else { return Ok(Vec::new()) };
    let bits = parameters.moduli(parameters.max_limbs()).map(|q| q.bits()).max().unwrap_or(0);
    let panels =
        |m: &SparseMatrix| Panels::for_residues(parameters.kernel(), bits, m.rows(), m.columns(), |r| m.row(r));
    terms.iter().map(|(_, m)| Ok(panels(m)?)).collect()
}
