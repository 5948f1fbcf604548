//! The backend of batches: a ciphertext holds one element of all images. It sees ciphertexts and
//! the evaluation key, never a secret one.

use std::borrow::Cow;

use beaa_ckks::pointwise::{self, InputBatch, Op};
use beaa_ckks::{Batch, CompressedBatch, EvaluationKey, Kernel, KeySwitcher, Panels, Parameters, rescale};
use beaa_ir::SparseMatrix;
use beaa_ir::ckks::{Step, StepOp, ValueId, ValueInfo};

use crate::Result;
use crate::backend::{Backend, Operand, Sequence, Timed};
use crate::error::operand;

/// Ciphertexts with what the scheme itself does not keep: their scale.
#[derive(Debug)]
pub struct CkksValue<'a> {
    storage: Storage<'a>,
    scale: f64,
}

#[derive(Debug)]
enum Storage<'a> {
    Batch(Batch),
    /// An input in its file, unpacked where it is read.
    Packed(Box<CompressedBatch<'a>>),
}

impl<'a> CkksValue<'a> {
    /// Makes a value of ciphertexts in memory; `scale` is what 1.0 is encoded as.
    pub fn new(batch: Batch, scale: f64) -> Self {
        Self { storage: Storage::Batch(batch), scale }
    }

    /// Makes a value of compressed ciphertexts.
    pub fn packed(packed: CompressedBatch<'a>, scale: f64) -> Self {
        Self { storage: Storage::Packed(Box::new(packed)), scale }
    }

    /// The scale: what 1.0 is encoded as.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    fn limbs(&self) -> usize {
        match &self.storage {
            Storage::Batch(b) => b.limbs(),
            Storage::Packed(p) => p.limbs(),
        }
    }

    /// The ciphertexts, unless they are compressed.
    pub(crate) fn stored(&self) -> Option<&Batch> {
        match &self.storage {
            Storage::Batch(batch) => Some(batch),
            Storage::Packed(_) => None,
        }
    }

    fn source(&self) -> InputBatch<'_> {
        match &self.storage {
            Storage::Batch(batch) => InputBatch::Stored(batch),
            Storage::Packed(packed) => InputBatch::Compressed(packed),
        }
    }

    /// The ciphertexts, expanded when they are compressed.
    ///
    /// # Errors
    /// When a compressed residue is not below its prime.
    pub fn batch(&self) -> Result<Cow<'_, Batch>> {
        Ok(match &self.storage {
            Storage::Batch(batch) => Cow::Borrowed(batch),
            Storage::Packed(packed) => Cow::Owned(packed.expand()?),
        })
    }
}

/// Runs programs on ciphertexts.
#[derive(Debug)]
pub struct CkksBackend<'k> {
    parameters: &'k Parameters,
    /// None for programs that switch no keys.
    switcher: Option<KeySwitcher<'k>>,
}

impl<'k> CkksBackend<'k> {
    /// Binds a server's key, if there is one, to the parameters of the programs that it will run.
    ///
    /// # Errors
    /// When the key belongs to other parameters.
    pub fn new(parameters: &'k Parameters, key: impl Into<Option<&'k EvaluationKey>>) -> Result<Self> {
        let switcher = key.into().map(|key| KeySwitcher::new(parameters, key)).transpose()?;
        Ok(Self { parameters, switcher })
    }
}

/// The weights of one term, arranged for the kernels of this processor.
pub(super) fn panels(kernel: Kernel, moduli: &[u64], weights: &SparseMatrix) -> Result<Panels> {
    assert!(!moduli.is_empty(), "weights without a modulus");
    // A bit of any is a bit of the largest, or below one.
    let bits = u64::BITS - moduli.iter().fold(0, |all, q| all | q).leading_zeros();
    Ok(Panels::for_residues(kernel, bits, weights.rows(), weights.columns(), |r| weights.row(r))?)
}

impl<'k> Backend for CkksBackend<'k> {
    type Value = CkksValue<'k>;
    type Weights<'m> = Panels;

    fn info(&self, value: &CkksValue<'k>) -> ValueInfo {
        let (len, limbs, components) = match &value.storage {
            Storage::Batch(b) => (b.len(), b.limbs(), b.components()),
            Storage::Packed(p) => (p.len(), p.limbs(), p.components()),
        };
        ValueInfo { len, limbs, scale: value.scale, components }
    }

    fn arrange(&self, weights: &SparseMatrix) -> Result<Panels> {
        panels(self.parameters.kernel(), &self.parameters.literal().moduli, weights)
    }

    fn fused(&self, sequence: &Sequence<'_, CkksValue<'k>, Panels>) -> Result<Timed<CkksValue<'k>>> {
        let inputs: Vec<&CkksValue<'k>> = sequence.inputs().collect();
        let mut results: Vec<Lowered> = Vec::with_capacity(sequence.steps().len());
        let mut ops: Vec<Op<'_>> = Vec::with_capacity(sequence.steps().len());
        for (step, panels) in sequence.steps().iter().zip(sequence.weights()) {
            let read = |value: ValueId| match sequence.operand(value) {
                Operand::Input(k) => {
                    Lowered { scale: inputs[k].scale, limbs: inputs[k].limbs(), operand: pointwise::Operand::Input(k) }
                }
                Operand::Result(k) => results[k],
            };
            let here = pointwise::Operand::Result(ops.len());
            let result = match &step.op {
                StepOp::Linear { terms, weight_scale, bias } => {
                    let Lowered { scale, limbs, .. } = read(terms[0].input);
                    let terms = terms.iter().map(|t| read(t.input).operand).zip(panels).collect();
                    ops.push(Op::Linear { terms, bias });
                    Lowered { scale: scale * weight_scale, limbs, operand: here }
                }
                StepOp::Square { input } => {
                    let Lowered { scale, limbs, operand: from } = read(*input);
                    ops.push(Op::Square(from));
                    Lowered { scale: scale.powi(2), limbs, operand: here }
                }
                StepOp::ScaleUp { input, factor } => {
                    let Lowered { scale, limbs, operand: from } = read(*input);
                    ops.push(Op::Scale(from, *factor));
                    Lowered { scale: scale * *factor as f64, limbs, operand: here }
                }
                // Fewer limbs of something are where it is.
                StepOp::DropLimbs { input, limbs } => Lowered { limbs: *limbs, ..read(*input) },
                StepOp::Relinearise { .. } | StepOp::Rescale { .. } => unreachable!("a sequence is pointwise"),
            };
            results.push(result);
        }
        let Lowered { scale, limbs, .. } = results[results.len() - 1];
        let sources: Vec<InputBatch<'_>> = inputs.iter().map(|v| v.source()).collect();
        let done = pointwise::run(self.parameters, limbs, &sources, &ops)?;
        let seconds = |(step, result): (&Step, &Lowered)| match (&step.op, result.operand) {
            // None of the operations that ran, and takes no time.
            (StepOp::DropLimbs { .. }, _) => 0.0,
            (_, pointwise::Operand::Result(op)) => done.op_seconds[op],
            (_, pointwise::Operand::Input(_)) => unreachable!("an operation whose result is an input"),
        };
        let seconds = sequence.steps().iter().zip(&results).map(seconds).collect();
        Ok(Timed { value: CkksValue::new(done.batch, scale), seconds, unpacking: done.unpack_seconds })
    }

    fn key_switch(&self, value: &CkksValue<'k>, relinearise: bool, rescales: usize) -> Result<Timed<CkksValue<'k>>> {
        let batch = value.batch()?;
        let (result, relinearising, rescaling) = if relinearise {
            let switcher = self.switcher.as_ref().ok_or_else(|| operand("no evaluation key", "one, to switch keys"))?;
            let done = switcher.relinearise_and_rescale(&batch, rescales)?;
            (done.batch, Some(done.relinearise_seconds), done.rescale_seconds)
        } else {
            let done = rescale(self.parameters, &batch, rescales)?;
            (done.batch, None, done.seconds)
        };
        let dropped = &self.parameters.literal().moduli[result.limbs()..batch.limbs()];
        let scale = dropped.iter().rev().fold(value.scale, |scale, &q| scale / q as f64);
        let each = rescaling / rescales as f64;
        let seconds = relinearising.into_iter().chain((0..rescales).map(|_| each)).collect();
        Ok(Timed { value: CkksValue::new(result, scale), seconds, unpacking: 0.0 })
    }

    fn drop_limbs(&self, value: &CkksValue<'k>, limbs: usize) -> Result<CkksValue<'k>> {
        Ok(CkksValue::new(value.batch()?.first_limbs(limbs)?, value.scale))
    }
}

/// The result of a step: what it is, and where the kernels read it.
#[derive(Clone, Copy)]
struct Lowered {
    scale: f64,
    limbs: usize,
    operand: pointwise::Operand,
}
