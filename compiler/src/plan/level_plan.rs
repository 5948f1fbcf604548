//! What a plan is: the choices that were made, the operations that follow from them at their scales
//! and limbs, the primes that these take, and what that costs in time and error.

use beaa_ir::stats::{log2_product, residue_bits};
use std::fmt;
use std::sync::Arc;

use beaa_ir::ckks::{StepOp, keyed_rotations};

use crate::network::graph::{Graph, NodeId};
use crate::packing::PackedGraph;
use crate::plan::weight_bits::uniform;

/// The numbers that the planner may choose, by node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlanChoice {
    /// log2 of the input's scale.
    pub(crate) input_bits: u32,
    /// Of every affine map: bits of a signed weight.
    pub(crate) weight_bits: Vec<u32>,
    /// Of every affine map that is squared: log2 of the scale it is brought down to, where primes
    /// allow.
    pub(crate) waterline: Vec<u32>,
    /// Of every square: relinearised at once, instead of after the next affine map.
    pub(crate) relinearise_eagerly: Vec<bool>,
    /// Special primes of key switching.
    pub(crate) special: usize,
    /// What is done to the outputs so that less is sent.
    pub(crate) answer: Answer,
}

/// What is done to the outputs before they are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Answer {
    /// Three components are brought back to two.
    pub(crate) relinearise: bool,
    /// log2 of the scale that they are brought down to, where primes allow; as they are if none.
    pub(crate) waterline: Option<u32>,
}

/// One planned step.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PlannedStep {
    pub(crate) node: NodeId,
    /// The terms of a linear map are in the node's order. The weight scale of the output's is
    /// chosen when its weights are rounded.
    pub(crate) op: StepOp<(), ()>,
}

/// What a choice comes to.
#[derive(Debug, Clone)]
pub(crate) struct LevelPlan {
    pub(crate) choice: PlanChoice,
    pub(crate) degree: usize,
    pub(crate) moduli: Vec<u64>,
    pub(crate) special: Vec<u64>,
    pub(crate) steps: Vec<PlannedStep>,
    /// The value in which each node ends.
    pub(crate) values: Vec<usize>,
    /// log2 of the scale at which each node is read, before the output's own weights.
    pub(crate) log_scales: Vec<f64>,
    /// Limbs and components of the outputs.
    pub(crate) output: (usize, usize),
    /// log2 of all primes together, the special ones included.
    pub(crate) log_qp: f64,
    /// Predicted variance of an output, mean over outputs: encryption and rounding of weights.
    pub(crate) variance: f64,
    /// Predicted seconds of one core for all slots.
    pub(crate) seconds: f64,
    /// Where the elements are, if ciphertexts hold several of an image.
    pub(crate) packed: Option<Arc<PackedGraph>>,
}

impl LevelPlan {
    /// Bits of the ciphertext modulus alone.
    pub(crate) fn log_modulus(&self) -> f64 {
        self.log_qp - log2_product(&self.special)
    }

    /// Limbs of the keys that the plan switches to: of squares, and of every rotation.
    pub(crate) fn key_limbs(&self) -> Vec<usize> {
        let mut keys = vec![self.moduli.len()];
        let Some(packed) = &self.packed else { return keys };
        // Of each value.
        let mut limbs = vec![self.moduli.len()];
        let mut maps = Vec::new();
        for PlannedStep { node, op } in &self.steps {
            let before = limbs[op.input(0)];
            limbs.push(match op {
                StepOp::Rescale { .. } => before - 1,
                StepOp::DropLimbs { limbs, .. } => *limbs,
                _ => before,
            });
            if matches!(op, StepOp::Linear { .. }) {
                let most = op.inputs().map(|input| limbs[input]).max().unwrap_or(before);
                maps.push((&packed.map(*node).map, most));
            }
        }
        keys.extend(keyed_rotations(maps).into_values());
        keys
    }

    /// Whether the weights of an affine map are exact in integers of one bit.
    pub(crate) fn is_exact(&self, graph: &Graph, id: NodeId) -> bool {
        self.packed.as_ref().map_or_else(|| uniform(graph, id), |packed| packed.map(id).map.unmasked)
    }
}

/// Prime widths and one line for each step: the text that snapshots show.
impl fmt::Display for LevelPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let primes: Vec<u32> = self.moduli.iter().chain(&self.special).map(|&q| residue_bits(q)).collect();
        write!(f, "{:?}\nprimes {primes:?}", self.choice)?;
        for PlannedStep { node, op } in &self.steps {
            write!(f, "\n%{node} {} {:?}", op.name(), op.inputs().collect::<Vec<_>>())?;
            match op {
                StepOp::Linear { weight_scale, .. } => write!(f, ", weight scale {weight_scale:?}")?,
                StepOp::ScaleUp { factor, .. } => write!(f, " by {factor}")?,
                StepOp::DropLimbs { limbs, .. } => write!(f, " to {limbs}")?,
                StepOp::Square { .. } | StepOp::Relinearise { .. } | StepOp::Rescale { .. } => {}
            }
        }
        Ok(())
    }
}
