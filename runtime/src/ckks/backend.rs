//! The backend of batches: a ciphertext holds one element of all images, or several where the
//! program packs them. It sees ciphertexts and the evaluation key, never a secret one.

use std::borrow::Cow;

use beaa_ckks::pointwise::{self, InputBatch, Op};
use beaa_ckks::primes::most_bits;
use beaa_ckks::{
    Batch, CompressedBatch, DiagonalMatrix, EvaluationKey, Kernel, KeySwitcher, Panels, Parameters, RotationMemory,
    rescale,
};
use beaa_ir::SparseMatrix;
use beaa_ir::ckks::{Program, Step, StepOp, ValueId, ValueInfo};

use super::ServerKey;
use super::packed_linear::{PackedProgram, packed_constants};
use crate::Result;
use crate::backend::{Backend, Operand, Sequence, Term, Timed};
use crate::error::operand;

/// Ciphertexts with what the scheme itself does not keep: their scale.
#[derive(Debug)]
pub struct CkksValue<'a> {
    storage: Storage<'a>,
    scale: f64,
    /// Elements, where they are not as many as ciphertexts.
    elements: Option<usize>,
}

#[derive(Debug)]
enum Storage<'a> {
    Batch(Batch),
    /// An input in its file, unpacked where it is read.
    Compressed(Box<CompressedBatch<'a>>),
}

impl<'a> CkksValue<'a> {
    /// Makes a value of ciphertexts in memory; `scale` is what 1.0 is encoded as.
    pub fn new(batch: Batch, scale: f64) -> Self {
        Self { storage: Storage::Batch(batch), scale, elements: None }
    }

    /// Makes a value of compressed ciphertexts.
    pub fn compressed(packed: CompressedBatch<'a>, scale: f64) -> Self {
        Self { storage: Storage::Compressed(Box::new(packed)), scale, elements: None }
    }

    /// The same ciphertexts with so many elements packed in them; none where each is one.
    pub(crate) fn with_elements(self, elements: Option<usize>) -> Self {
        Self { elements, ..self }
    }

    /// How many ciphertexts there are.
    pub fn ciphertexts(&self) -> usize {
        match &self.storage {
            Storage::Batch(b) => b.len(),
            Storage::Compressed(c) => c.len(),
        }
    }

    /// The scale: what 1.0 is encoded as.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    fn limbs(&self) -> usize {
        match &self.storage {
            Storage::Batch(b) => b.limbs(),
            Storage::Compressed(c) => c.limbs(),
        }
    }

    /// The ciphertexts, unless they are compressed.
    pub(crate) fn stored(&self) -> Option<&Batch> {
        match &self.storage {
            Storage::Batch(batch) => Some(batch),
            Storage::Compressed(_) => None,
        }
    }

    fn source(&self) -> InputBatch<'_> {
        match &self.storage {
            Storage::Batch(batch) => InputBatch::Stored(batch),
            Storage::Compressed(packed) => InputBatch::Compressed(packed),
        }
    }

    /// The ciphertexts, expanded when they are compressed.
    ///
    /// # Errors
    /// When a compressed residue is not below its prime.
    pub fn batch(&self) -> Result<Cow<'_, Batch>> {
        Ok(match &self.storage {
            Storage::Batch(batch) => Cow::Borrowed(batch),
            Storage::Compressed(packed) => Cow::Owned(packed.expand()?),
        })
    }
}

/// Runs programs on ciphertexts.
#[derive(Debug)]
pub struct CkksBackend<'k> {
    parameters: &'k Parameters,
    /// None for programs that switch no keys.
    switcher: Option<KeySwitcher<'k>>,
    /// None where each ciphertext holds one element.
    packed: Option<PackedProgram<'k>>,
}

/// The weights of a term.
#[derive(Debug)]
pub enum CkksWeights {
    /// Where each ciphertext holds one element.
    Panels(Panels),
    /// Where ciphertexts hold several.
    Diagonals(DiagonalMatrix),
}

impl<'k> CkksBackend<'k> {
    /// Binds a server's key, if there is one, to the parameters of the programs that it will run.
    ///
    /// # Errors
    /// When the key belongs to other parameters.
    pub fn new(parameters: &'k Parameters, key: impl Into<Option<&'k EvaluationKey>>) -> Result<Self> {
        let switcher = key.into().map(|key| KeySwitcher::new(parameters, key)).transpose()?;
        Ok(Self { parameters, switcher, packed: None })
    }

    /// Binds a server's key, if there is one, to the one program that is run with it, and which
    /// says how its values are packed; `memory` is what earlier runs left.
    ///
    /// # Errors
    /// When the key belongs to other parameters.
    pub(super) fn for_program(
        parameters: &'k Parameters,
        program: &'k Program,
        key: Option<&'k ServerKey>,
        memory: RotationMemory,
    ) -> Result<Self> {
        let backend = Self::new(parameters, key.map(|k| &k.key))?;
        Ok(Self { packed: PackedProgram::new(parameters, program, key, memory)?, ..backend })
    }

    /// The result of a packed linear step.
    fn packed_linear(
        &self,
        packed: &PackedProgram<'k>,
        sequence: &Sequence<'_, CkksValue<'k>, CkksWeights>,
    ) -> Result<CkksValue<'k>> {
        let [Step { op: StepOp::Linear { terms, weight_scale, bias }, .. }] = sequence.steps() else {
            return Err(operand("a packed linear step among others", "a part of its own"));
        };
        let inputs: Vec<&CkksValue<'k>> = sequence.inputs().collect();
        let read = |value: ValueId| match sequence.operand(value) {
            Operand::Input(k) => k,
            Operand::Result(_) => unreachable!("a single step reads its result"),
        };
        let read: Vec<usize> = terms.iter().map(|t| read(t.input)).collect();
        let matrices = sequence.weights()[0].iter().map(|weights| match weights {
            CkksWeights::Diagonals(matrix) => matrix,
            CkksWeights::Panels(_) => unreachable!("panels of a packed step"),
        });
        let terms: Vec<(InputBatch<'_>, &DiagonalMatrix)> =
            read.iter().map(|&k| inputs[k].source()).zip(matrices).collect();
        let result = packed.multiply(self.parameters, sequence.first(), &terms)?;
        let scale = inputs[read[0]].scale * weight_scale;
        Ok(CkksValue::new(result, scale).with_elements(Some(bias.len())))
    }
}

impl CkksWeights {
    /// Those of a ciphertext for each element.
    fn panels(&self) -> &Panels {
        match self {
            Self::Panels(panels) => panels,
            Self::Diagonals(_) => unreachable!("diagonals of a step that is not packed"),
        }
    }
}

/// The weights of one term, arranged for the kernels of this processor.
pub(super) fn panels(kernel: Kernel, moduli: &[u64], weights: &SparseMatrix) -> Result<Panels> {
    let bits = most_bits(moduli);
    Ok(Panels::for_residues(kernel, bits, weights.rows(), weights.columns(), |r| weights.row(r))?)
}

impl<'k> Backend for CkksBackend<'k> {
    type Value = CkksValue<'k>;
    type Weights<'m> = CkksWeights;

    fn info(&self, value: &CkksValue<'k>) -> ValueInfo {
        let components = match &value.storage {
            Storage::Batch(b) => b.components(),
            Storage::Compressed(c) => c.components(),
        };
        let len = value.elements.unwrap_or_else(|| value.ciphertexts());
        ValueInfo { len, limbs: value.limbs(), scale: value.scale, components }
    }

    fn arrange(&self, term: Term<'_>) -> Result<CkksWeights> {
        let p = self.parameters;
        Ok(match &self.packed {
            Some(packed) => CkksWeights::Diagonals(packed_constants(p, packed.program(), &term)?),
            None => CkksWeights::Panels(panels(p.kernel(), &p.literal().moduli, term.weights)?),
        })
    }

    fn fused(&self, sequence: &Sequence<'_, CkksValue<'k>, CkksWeights>) -> Result<Timed<CkksValue<'k>>> {
        let is_linear = |s: &Step| matches!(s.op, StepOp::Linear { .. });
        if let Some(packed) = self.packed.as_ref().filter(|_| sequence.steps().iter().any(is_linear)) {
            return Ok(Timed::untimed(self.packed_linear(packed, sequence)?));
        }
        let inputs: Vec<&CkksValue<'k>> = sequence.inputs().collect();
        let mut results: Vec<Lowered> = Vec::with_capacity(sequence.steps().len());
        let mut ops: Vec<Op<'_>> = Vec::with_capacity(sequence.steps().len());
        for (step, weights) in sequence.steps().iter().zip(sequence.weights()) {
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
                    let panels = weights.iter().map(CkksWeights::panels);
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
        // Where elements are packed, nothing here changes how many they are.
        let elements = inputs[0].elements;
        let value = CkksValue::new(done.batch, scale).with_elements(elements);
        Ok(Timed { value, seconds, unpacking: done.unpack_seconds })
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
        let result = CkksValue::new(result, scale).with_elements(value.elements);
        Ok(Timed { value: result, seconds, unpacking: 0.0 })
    }

    fn drop_limbs(&self, value: &CkksValue<'k>, limbs: usize) -> Result<CkksValue<'k>> {
        let result = CkksValue::new(value.batch()?.first_limbs(limbs)?, value.scale);
        Ok(result.with_elements(value.elements))
    }
}

/// The result of a step: what it is, and where the kernels read it.
#[derive(Clone, Copy)]
struct Lowered {
    scale: f64,
    limbs: usize,
    operand: pointwise::Operand,
}
