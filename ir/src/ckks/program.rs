//! The language between compiler and runtime: a list of homomorphic operations on vectors of ciphertexts, and the
//! signature from which a client encrypts without the model. Must never hold a program that does not check:
//! [`ProgramLiteral`] is what is read or built, [`Program`] is what [`infer`](crate::infer) has walked through.

use serde::{Deserialize, Serialize};

use super::check::{self, ValueInfo};
use crate::{Error, InputSpec, Result, SparseMatrix};

/// A value of the program: 0 is the encrypted input, `i + 1` the result of step `i`.
pub type ValueId = usize;

/// A program as read or built, not yet checked.
#[derive(Debug, Clone, PartialEq)]
pub struct ProgramLiteral {
    /// What a client needs.
    pub signature: Signature,
    /// The operations, in order.
    pub steps: Vec<Step>,
    /// Which value is the result.
    pub output: ValueId,
    /// What the compiler says of each layer.
    pub notes: Vec<LayerNote>,
}

/// A program whose every step has been checked. Immutable.
#[derive(Debug, Clone, PartialEq)]
pub struct Program {
    literal: ProgramLiteral,
    values: Vec<ValueInfo>,
}

impl TryFrom<ProgramLiteral> for Program {
    type Error = Error;

    fn try_from(literal: ProgramLiteral) -> Result<Self> {
        let values = check::infer(&literal)?;
        Ok(Self { literal, values })
    }
}

impl Program {
    /// What a client needs.
    pub fn signature(&self) -> &Signature {
        &self.literal.signature
    }

    /// The operations, in order.
    pub fn steps(&self) -> &[Step] {
        &self.literal.steps
    }

    /// Which value is the result.
    pub fn output(&self) -> ValueId {
        self.literal.output
    }

    /// Length, limbs, scale and components of every value; one entry more than there are steps.
    pub fn values(&self) -> &[ValueInfo] {
        &self.values
    }

    /// What the compiler says of each layer.
    pub fn notes(&self) -> &[LayerNote] {
        &self.literal.notes
    }

    /// The unchecked form.
    pub fn as_literal(&self) -> &ProgramLiteral {
        &self.literal
    }
}

/// All that a client needs to encrypt images and to understand the answer; holds nothing of the model's weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// Name of the model.
    pub model: String,
    /// Image shape and normalisation. Ciphertext `i` of the input holds element `i` (channel, row, column order) of all images.
    pub input: InputSpec,
    /// Names of the outputs; may be empty.
    pub classes: Vec<String>,
    /// Number of outputs, one ciphertext each.
    pub outputs: usize,
    /// The scheme's parameters.
    pub parameters: ParameterSet,
    /// Limbs of a fresh ciphertext: the first so many of the moduli.
    pub input_limbs: usize,
    /// What a value of 1.0 is encoded as.
    pub input_scale: f64,
    /// Limbs of a result.
    pub output_limbs: usize,
    /// What an output of 1.0 is encoded as.
    pub output_scale: f64,
    /// 2, or 3 when the client decrypts with the square of the key as well.
    pub output_components: usize,
}

/// Parameters of the conjugate-invariant scheme, as in a file. The scheme's own checked type refuses insecure ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParameterSet {
    /// Ring degree N = number of real slots = largest batch; a power of two.
    pub degree: usize,
    /// Primes of the ciphertext modulus; rescaling drops the last one present.
    pub moduli: Vec<u64>,
    /// Primes used only inside key switching; empty for gadget decomposition without a special modulus.
    pub special: Vec<u64>,
    /// Promised security in bits: 128, 192 or 256.
    pub security: u32,
}

/// One operation, and the model layer it belongs to.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Name of the model's layer.
    pub layer: String,
    /// What is done.
    pub op: StepOp,
}

/// An operation on vectors of ciphertexts.
#[derive(Debug, Clone, PartialEq)]
pub enum StepOp {
    /// `sum over terms of weights * input`, plus `bias`. All inputs have the same scale and limbs; the result has their
    /// scale times `weight_scale`. Bias integers are at the result's scale.
    Linear {
        /// What is summed; at least one.
        terms: Vec<LinearTerm>,
        /// What a weight of 1.0 is as an integer.
        weight_scale: f64,
        /// One per output.
        bias: Vec<i128>,
    },
    /// Multiplies by an exact integer, the scale with it: no value changes, only its encoding.
    ScaleUp {
        /// What is scaled.
        input: ValueId,
        /// By what; positive.
        factor: u64,
    },
    /// Element-wise square; two components in, three out.
    Square {
        /// What is squared.
        input: ValueId,
    },
    /// Three components back to two.
    Relinearise {
        /// What is relinearised.
        input: ValueId,
    },
    /// Divides by the last prime and drops it.
    Rescale {
        /// What is rescaled.
        input: ValueId,
    },
    /// Drops limbs without dividing: the value and its scale stay.
    DropLimbs {
        /// What is shortened.
        input: ValueId,
        /// How many limbs stay.
        limbs: usize,
    },
}

/// One product of a [`StepOp::Linear`].
#[derive(Debug, Clone, PartialEq)]
pub struct LinearTerm {
    /// What is multiplied.
    pub input: ValueId,
    /// Outputs x inputs.
    pub weights: SparseMatrix,
}

impl StepOp {
    /// The name in text dumps and messages.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Linear { .. } => "linear",
            Self::ScaleUp { .. } => "scale_up",
            Self::Square { .. } => "square",
            Self::Relinearise { .. } => "relinearise",
            Self::Rescale { .. } => "rescale",
            Self::DropLimbs { .. } => "drop_limbs",
        }
    }

    /// The values it reads.
    pub fn inputs(&self) -> Vec<ValueId> {
        match self {
            Self::Linear { terms, .. } => terms.iter().map(|t| t.input).collect(),
            Self::ScaleUp { input, .. }
            | Self::Square { input }
            | Self::Relinearise { input }
            | Self::Rescale { input }
            | Self::DropLimbs { input, .. } => vec![*input],
        }
    }
}

/// What the compiler says of one layer of the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerNote {
    /// Name of the model's layer.
    pub layer: String,
    /// The value that this layer ends in.
    pub value: ValueId,
    /// The largest absolute value expected, in real units.
    pub bound: f64,
    /// Predicted error of the encrypted value against the same program in exact arithmetic, real units: root mean square
    /// over elements and images.
    pub error: f64,
    /// Likewise what rounding of weights adds, against the model; files of older compilers do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rounding: Option<f64>,
    /// How the choice for this layer was made, for `inspect`.
    pub remark: String,
    /// On the note of the input: every choice that the compiler made, against what else could have been chosen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<Alternative>,
}

/// A choice of the compiler, and what another in its place would have led to, all else being equal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alternative {
    /// The layer that it is about; `program` for the whole.
    pub layer: String,
    /// What was chosen.
    pub chosen: String,
    /// What was not.
    pub instead: String,
    /// Why it was not.
    pub verdict: String,
    /// What it would have led to, where it is possible at all.
    pub outcome: Option<AlternativeCost>,
}

/// What a choice leads to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlternativeCost {
    /// Predicted seconds of one core, for all slots.
    pub seconds: f64,
    /// Limbs of a fresh ciphertext.
    pub limbs: usize,
    /// log2 of all primes together.
    pub log_qp: f64,
    /// Predicted error of the outputs.
    pub error: f64,
}
