//! What a backend is: something that runs the operations of a ckks program on vectors of values.
//! `tests/conformance.rs` holds every backend to one suite.

use beaa_ir::SparseMatrix;
use beaa_ir::ckks::{Step, StepOp, ValueId, ValueInfo};
use rayon::prelude::*;

use crate::Result;
use crate::error::operand;

/// Runs operations on vectors of values, each over a whole batch of images.
pub trait Backend: Sync {
    /// A vector of values, in the backend's own form.
    type Value: Send;
    /// The weights of one linear term, in the form that the backend multiplies by.
    type Weights<'m>: Send + Sync;

    /// Length, limbs, scale and components of a value.
    fn info(&self, value: &Self::Value) -> ValueInfo;

    /// Arranges the weights of a term for [`fused`](Self::fused).
    ///
    /// # Errors
    /// When the matrix has more rows or larger weights than the backend can multiply by.
    fn arrange<'m>(&self, term: Term<'m>) -> Result<Self::Weights<'m>>;

    /// Runs pointwise steps in order and returns the last one's result; nothing in between is kept.
    ///
    /// # Errors
    /// When the inputs' lengths, limbs or components do not fit the steps.
    fn fused(&self, sequence: &Sequence<'_, Self::Value, Self::Weights<'_>>) -> Result<Timed<Self::Value>>;

    /// Relinearises three components to two if `relinearise` says so, then divides `rescales` times
    /// by the last prime present and drops it.
    ///
    /// # Errors
    /// When the value has too few limbs or other components than the operations take.
    fn key_switch(&self, value: &Self::Value, relinearise: bool, rescales: usize) -> Result<Timed<Self::Value>>;

    /// Keeps the first `limbs` limbs.
    ///
    /// # Errors
    /// When the value has fewer.
    fn drop_limbs(&self, value: &Self::Value, limbs: usize) -> Result<Self::Value>;
}

/// The weights of a term, and which one it is: where elements are packed, weights lie where the
/// packing of their step says.
#[derive(Debug, Clone, Copy)]
pub struct Term<'m> {
    /// Number of the step in the program.
    pub step: usize,
    /// Number of the term in the step.
    pub number: usize,
    /// Its weights.
    pub weights: &'m SparseMatrix,
}

/// A value, and where the time of computing it went, in seconds summed over threads.
#[derive(Debug)]
pub struct Timed<V> {
    /// The last operation's result.
    pub value: V,
    /// Seconds of each operation, in order; empty when the backend does not tell.
    pub seconds: Vec<f64>,
    /// Seconds of unpacking inputs that are read where they lie.
    pub unpacking: f64,
}

impl<V> Timed<V> {
    /// Wraps a value of a backend that does not tell where its time went.
    pub fn untimed(value: V) -> Self {
        Self { value, seconds: Vec::new(), unpacking: 0.0 }
    }
}

/// Where a step of a sequence reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operand {
    /// One of the sequence's inputs, by position.
    Input(usize),
    /// The result of an earlier step of the sequence, by position.
    Result(usize),
}

/// Pointwise steps that follow each other in a program, with all that they read. All of its
/// operands exist, and every linear step has a term.
#[derive(Debug)]
pub struct Sequence<'a, V, W> {
    first: usize,
    steps: &'a [Step],
    weights: &'a [Vec<W>],
    inputs: &'a [(ValueId, &'a V)],
}

impl<'a, V, W> Sequence<'a, V, W> {
    /// Takes `steps`, which begin with number `first` of a program; `weights` are those of each
    /// step's terms, `[step][term]`; `inputs` are the values from before, each once.
    ///
    /// # Errors
    /// When there is no step, a step is not pointwise, is linear without a term or reads a value
    /// that is neither an input nor an earlier result, weights are missing, or the last step drops
    /// limbs, which steps before it could have been spared.
    pub fn new(first: usize, steps: &'a [Step], weights: &'a [Vec<W>], inputs: &'a [(ValueId, &'a V)]) -> Result<Self> {
        let sequence = Self { first, steps, weights, inputs };
        if steps.is_empty() || matches!(steps.last(), Some(Step { op: StepOp::DropLimbs { .. }, .. })) {
            return Err(operand("a sequence that ends in no operation", "one that ends in an operation"));
        }
        if weights.len() != steps.len() {
            return Err(operand(format!("weights for {} of {} steps", weights.len(), steps.len()), "for each"));
        }
        for (position, (step, weights)) in steps.iter().zip(weights).enumerate() {
            let terms = match &step.op {
                StepOp::Linear { terms, .. } if terms.is_empty() => {
                    return Err(operand("a linear layer without terms", "at least one"));
                }
                StepOp::Linear { terms, .. } => terms.len(),
                StepOp::Square { .. } | StepOp::ScaleUp { .. } | StepOp::DropLimbs { .. } => 0,
                StepOp::Relinearise { .. } | StepOp::Rescale { .. } => {
                    return Err(operand("key switching amid pointwise steps", "a part of its own"));
                }
            };
            if weights.len() != terms {
                return Err(operand(format!("{} weights for {terms} terms", weights.len()), "one for each"));
            }
            for value in step.op.inputs() {
                let earlier = (first + 1..=first + position).contains(&value);
                if !earlier && !inputs.iter().any(|(id, _)| *id == value) {
                    return Err(operand(format!("value {value}"), "an input or an earlier result"));
                }
            }
        }
        Ok(sequence)
    }

    /// The number of the first step in the program.
    pub fn first(&self) -> usize {
        self.first
    }

    /// The steps, at least one.
    pub fn steps(&self) -> &'a [Step] {
        self.steps
    }

    /// The weights of each step's terms, `[step][term]`.
    pub fn weights(&self) -> &'a [Vec<W>] {
        self.weights
    }

    /// The values from before the sequence.
    pub fn inputs(&self) -> impl ExactSizeIterator<Item = &'a V> + '_ {
        self.inputs.iter().map(|(_, value)| *value)
    }

    /// Says where to read `value`, which a step of the sequence names.
    ///
    /// # Panics
    /// When no step names it.
    pub fn operand(&self, value: ValueId) -> Operand {
        if (self.first + 1..=self.first + self.steps.len()).contains(&value) {
            return Operand::Result(value - self.first - 1);
        }
        match self.inputs.iter().position(|(id, _)| *id == value) {
            Some(position) => Operand::Input(position),
            None => unreachable!("value {value} is no operand of the steps from {} on", self.first),
        }
    }
}

/// Arranges the weights of each step's terms, `[step][term]`, as `one` does those of a term
/// ([`Backend::arrange`]); steps in parallel. The first step is number `first` of a program.
///
/// # Errors
/// When `one` fails.
pub fn arrange<'m, W: Send>(
    first: usize,
    steps: &'m [Step],
    one: impl Fn(Term<'m>) -> Result<W> + Sync,
) -> Result<Vec<Vec<W>>> {
    let of = |(position, step): (usize, &'m Step)| match &step.op {
        StepOp::Linear { terms, .. } => {
            let terms = terms.iter().enumerate();
            terms.map(|(number, t)| one(Term { step: first + position, number, weights: &t.weights })).collect()
        }
        _ => Ok(Vec::new()),
    };
    steps.par_iter().enumerate().map(of).collect()
}
