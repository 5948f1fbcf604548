//! The language between compiler and runtime: a list of homomorphic operations on vectors of
//! ciphertexts. [`ProgramLiteral`] is what is read or built, [`Program`] is what has been checked.

use std::convert::Infallible;

use serde::{Deserialize, Serialize};

use super::packing::{Layout, MapSize, PackedAccount, PackedMap, Packing};
use super::signature::Signature;
use super::value::{ValueId, ValueInfo};
use crate::SparseMatrix;

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
    /// Every choice that the compiler made, against what else could have been chosen.
    pub alternatives: Vec<Alternative>,
    /// Where each element is, when ciphertexts hold several of them.
    pub packing: Option<Packing>,
}

/// A program whose every step has been checked. Immutable.
#[derive(Debug, Clone, PartialEq)]
pub struct Program {
    literal: ProgramLiteral,
    values: Vec<ValueInfo>,
    /// With a packing.
    packed: Option<Box<PackedAccount>>,
}

impl Program {
    /// For the checker, which has found out the values.
    pub(super) fn checked(literal: ProgramLiteral, values: Vec<ValueInfo>, packed: Option<PackedAccount>) -> Self {
        assert_eq!(literal.packing.is_some(), packed.is_some(), "a packing, and an account of it");
        Self { literal, values, packed: packed.map(Box::new) }
    }

    /// What a client needs.
    pub fn signature(&self) -> &Signature {
        &self.literal.signature
    }

    /// The operations, in order.
    pub fn steps(&self) -> &[Step] {
        &self.literal.steps
    }

    /// Whether any step switches keys, as rotations do: that takes the evaluation key.
    pub fn switches_keys(&self) -> bool {
        let rotates = self.signature().packing.as_ref().is_some_and(|p| !p.rotations.is_empty());
        rotates || self.steps().iter().any(|s| s.op.switches_keys())
    }

    /// Where each element is; none when each ciphertext holds one element.
    pub fn packing(&self) -> Option<&Packing> {
        self.literal.packing.as_ref()
    }

    /// Where the elements of a value are; none when each ciphertext holds one of them.
    ///
    /// # Panics
    /// If there is no such value.
    pub fn layout(&self, value: ValueId) -> Option<&Layout> {
        let (packing, account) = (self.packing()?, self.packed.as_ref()?);
        Some(packing.layout(account.layouts[value]))
    }

    /// Ciphertexts of a value.
    ///
    /// # Panics
    /// If there is no such value.
    pub fn ciphertexts(&self, value: ValueId) -> usize {
        self.layout(value).map_or(self.values[value].len, Layout::ciphertexts)
    }

    /// How a linear step is computed by rotations, and with what; none when it is not packed, or
    /// not linear.
    ///
    /// # Panics
    /// If there is no such step.
    pub fn packed_map(&self, step: usize) -> Option<(&PackedMap, MapSize)> {
        let StepOp::Linear { .. } = self.steps()[step].op else { return None };
        let (packing, account) = (self.packing()?, self.packed.as_ref()?);
        let map = account.layouts[step + 1]?;
        Some((&packing.maps[map], account.sizes[map]))
    }

    /// Which value is the result.
    pub fn output(&self) -> ValueId {
        self.literal.output
    }

    /// Elements, limbs, scale and components of every value; one entry more than there are steps.
    pub fn values(&self) -> &[ValueInfo] {
        &self.values
    }

    /// What the compiler says of each layer.
    pub fn notes(&self) -> &[LayerNote] {
        &self.literal.notes
    }

    /// Every choice that the compiler made, against what else could have been chosen.
    pub fn alternatives(&self) -> &[Alternative] {
        &self.literal.alternatives
    }

    /// The unchecked form.
    pub fn as_literal(&self) -> &ProgramLiteral {
        &self.literal
    }

    /// The unchecked form, to be changed and checked again.
    pub fn into_literal(self) -> ProgramLiteral {
        self.literal
    }
}

/// One operation, and the model layer it belongs to.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Name of the model's layer.
    pub layer: String,
    /// What is done.
    pub op: StepOp,
}

/// An operation on vectors of ciphertexts: the one list of the six that there are. Programs hold
/// weights and biases (`W` and `B`); shapes and plans hold none, `StepOp<(), ()>`; files hold their
/// sizes here and the numbers apart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[serde(bound(
    serialize = "LinearTerm<W>: Serialize, B: Serialize",
    deserialize = "LinearTerm<W>: Deserialize<'de>, B: Deserialize<'de>"
))]
pub enum StepOp<W = SparseMatrix, B = Vec<i128>> {
    /// `sum over terms of weights * input`, plus `bias`. All inputs have the same scale and limbs;
    /// the result has their scale times `weight_scale`. Bias integers are at the result's scale.
    Linear {
        /// What is summed; at least one.
        terms: Vec<LinearTerm<W>>,
        /// What a weight of 1.0 is as an integer.
        weight_scale: f64,
        /// One per output.
        #[serde(rename = "outputs")]
        bias: B,
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
pub struct LinearTerm<W = SparseMatrix> {
    /// What is multiplied.
    pub input: ValueId,
    /// Outputs x inputs.
    pub weights: W,
}

impl<W, B> StepOp<W, B> {
    /// Whether it switches keys, which takes the evaluation key.
    pub fn switches_keys(&self) -> bool {
        matches!(self, Self::Relinearise { .. })
    }

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

    /// The values it reads, those of a linear map in the order of its terms.
    pub fn inputs(&self) -> impl Iterator<Item = ValueId> {
        let (terms, single): (&[LinearTerm<W>], _) = match self {
            Self::Linear { terms, .. } => (terms, None),
            Self::ScaleUp { input, .. }
            | Self::Square { input }
            | Self::Relinearise { input }
            | Self::Rescale { input }
            | Self::DropLimbs { input, .. } => (&[], Some(*input)),
        };
        terms.iter().map(|t| t.input).chain(single)
    }

    /// The value that one term of a linear map reads; any other operation has one value, which
    /// counts as term 0.
    ///
    /// # Panics
    /// If there is no such term.
    pub fn input(&self, term: usize) -> ValueId {
        match self {
            Self::Linear { terms, .. } => terms[term].input,
            Self::ScaleUp { input, .. }
            | Self::Square { input }
            | Self::Relinearise { input }
            | Self::Rescale { input }
            | Self::DropLimbs { input, .. } => {
                assert_eq!(term, 0, "terms of {}", self.name());
                *input
            }
        }
    }

    /// Whether it works on each slot of each limb by itself, and so can be part of a fused
    /// sequence. Dropping limbs can be so only before others, which then do not read these limbs.
    pub fn is_pointwise(&self) -> bool {
        !self.is_switching()
    }

    /// Whether it goes from values to coefficients and back, ciphertext by ciphertext.
    pub fn is_switching(&self) -> bool {
        matches!(self, Self::Relinearise { .. } | Self::Rescale { .. })
    }

    /// The same operation with other weights: a linear map becomes what `linear` makes of its
    /// terms, weight scale and biases; the other operations hold no weights.
    ///
    /// # Errors
    /// Those of `linear`.
    pub fn try_map<W2, B2, E>(
        &self,
        linear: impl FnOnce(&[LinearTerm<W>], f64, &B) -> Result<StepOp<W2, B2>, E>,
    ) -> Result<StepOp<W2, B2>, E> {
        Ok(match self {
            Self::Linear { terms, weight_scale, bias } => linear(terms, *weight_scale, bias)?,
            Self::ScaleUp { input, factor } => StepOp::ScaleUp { input: *input, factor: *factor },
            Self::Square { input } => StepOp::Square { input: *input },
            Self::Relinearise { input } => StepOp::Relinearise { input: *input },
            Self::Rescale { input } => StepOp::Rescale { input: *input },
            Self::DropLimbs { input, limbs } => StepOp::DropLimbs { input: *input, limbs: *limbs },
        })
    }

    /// The same operation with other weights, where nothing can go wrong; see [`Self::try_map`].
    pub fn map<W2, B2>(&self, linear: impl FnOnce(&[LinearTerm<W>], f64, &B) -> StepOp<W2, B2>) -> StepOp<W2, B2> {
        match self.try_map(|terms, weight_scale, bias| Ok::<_, Infallible>(linear(terms, weight_scale, bias))) {
            Ok(op) => op,
            Err(never) => match never {},
        }
    }

    /// The same operation without weights and biases.
    pub fn shape(&self) -> StepOp<(), ()> {
        self.map(|terms, weight_scale, _| StepOp::Linear {
            terms: terms.iter().map(|t| LinearTerm { input: t.input, weights: () }).collect(),
            weight_scale,
            bias: (),
        })
    }
}

impl StepOp {
    /// Weights over all terms, which is the number of products; 0 for what is no linear map.
    pub fn entries(&self) -> usize {
        match self {
            Self::Linear { terms, .. } => terms.iter().map(|t| t.weights.entries()).sum(),
            _ => 0,
        }
    }
}

impl StepOp<(), ()> {
    /// The same operation on other values: a linear map with one term for each of them, any other
    /// on the first.
    pub fn reading(&self, inputs: &[ValueId]) -> Self {
        let mut op = self.clone();
        match &mut op {
            Self::Linear { terms, .. } => {
                *terms = inputs.iter().map(|&input| LinearTerm { input, weights: () }).collect();
            }
            Self::ScaleUp { input, .. }
            | Self::Square { input }
            | Self::Relinearise { input }
            | Self::Rescale { input }
            | Self::DropLimbs { input, .. } => *input = inputs[0],
        }
        op
    }
}

/// What the compiler says of one layer of the model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerNote {
    /// Name of the model's layer.
    pub layer: String,
    /// The value that this layer ends in.
    pub value: ValueId,
    /// The largest absolute value expected, in real units.
    pub bound: f64,
    /// Predicted error of the encrypted value against the same program in exact arithmetic, real
    /// units: root mean square over elements and images.
    pub error: f64,
    /// Predicted error against the model that rounding of weights adds, likewise; older compilers
    /// do not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rounding: Option<f64>,
    /// How the choice for this layer was made, for `inspect`.
    pub remark: String,
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
    /// Predicted seconds of one core, for all slots of the batches that were planned for.
    pub seconds: f64,
    /// Limbs of a fresh ciphertext.
    pub limbs: usize,
    /// log2 of all primes together.
    pub log_qp: f64,
    /// Predicted error of the outputs.
    pub error: f64,
}
