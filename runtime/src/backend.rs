//! What runs a program's operations. One trait, held to one conformance suite; adding a backend is one file here. An
//! implementation must never report another scale, level or length than the program's own account.

use beaa_ir::SparseMatrix;
use beaa_ir::ckks::ValueInfo;

use crate::Result;

/// Where an operation of a fused sequence reads.
pub use beaa_ckks::pointwise::Operand;

/// One operation of a fused sequence: those that are pointwise in slots.
#[derive(Debug, Clone)]
pub enum FusedOp<'a> {
    /// Sum of integer-matrix products plus biases.
    Linear {
        /// What is multiplied by what.
        terms: Vec<(Operand, &'a SparseMatrix)>,
        /// What a weight of 1.0 is.
        weight_scale: f64,
        /// Integers at the result's scale.
        bias: &'a [i128],
    },
    /// Element-wise square.
    Square(Operand),
    /// Exact multiplication by an integer, the scale with it.
    ScaleUp(Operand, u64),
    /// Keeps the first so many limbs. Never the last operation of a sequence: those after it have no more limbs.
    DropLimbs(Operand, usize),
}

/// What a fused sequence came to, and where the time went, summed over threads.
#[derive(Debug)]
pub struct Fused<V> {
    /// The last operation's result.
    pub value: V,
    /// Seconds of each operation, in order; empty when the backend does not tell.
    pub seconds: Vec<f64>,
    /// Seconds of unpacking inputs that are read where they lie.
    pub unpacking: f64,
}

/// Runs operations on vectors of values, each over a whole batch of images.
pub trait Backend: Sync {
    /// A vector of values, in the backend's own form.
    type Value: Send;

    /// Length, limbs, scale and components of a value.
    fn info(&self, value: &Self::Value) -> ValueInfo;

    /// Runs pointwise operations in order and returns the last one's result; nothing in between is kept.
    fn fused(&self, inputs: &[&Self::Value], ops: &[FusedOp<'_>]) -> Result<Fused<Self::Value>>;

    /// Three components back to two.
    fn relinearise(&self, value: &Self::Value) -> Result<Self::Value> {
        Ok(self.switch(value, true, 0)?.value)
    }

    /// Divides by the last prime present and drops it.
    fn rescale(&self, value: &Self::Value) -> Result<Self::Value> {
        Ok(self.switch(value, false, 1)?.value)
    }

    /// Relinearises, if asked to, and rescales so many times; the seconds are those of each.
    fn switch(&self, value: &Self::Value, relinearise: bool, rescales: usize) -> Result<Fused<Self::Value>>;

    /// Keeps the first `limbs` limbs.
    fn drop_limbs(&self, value: &Self::Value, limbs: usize) -> Result<Self::Value>;
}
