//! Bits of integer weights: how many there may be, the largest weight that they hold, and the maps
//! that need only one.

use crate::network::graph::{Graph, NodeId, Op};

/// Fewest bits of a signed integer weight; below, a weight is hardly more than its sign.
pub(crate) const MIN_WEIGHT_BITS: u32 = 4;
/// Most bits of a signed integer weight: with more, primes become too narrow to be worth it.
pub(crate) const MAX_WEIGHT_BITS: u32 = 18;
/// Most bits of the weights of packed maps: constants are residues, which no prime becomes narrower
/// for.
pub(crate) const MAX_CONSTANT_BITS: u32 = 26;

/// The largest integer weight of so many signed bits.
pub(crate) fn largest_weight(bits: u32) -> f64 {
    ((1_u64 << (bits.clamp(2, 31) - 1)) - 1) as f64
}

/// Whether all weights of an affine map of one term have the same absolute value (pooling, copies),
/// or there are none: such a map is exact in integers of one bit.
pub(crate) fn uniform(graph: &Graph, id: NodeId) -> bool {
    let Op::Affine { terms, .. } = &graph.nodes[id].op else { return false };
    let [term] = terms.as_slice() else { return terms.is_empty() };
    let first = term.weights.values().first().copied().unwrap_or(1.0).abs();
    term.weights.values().iter().all(|w| (w.abs() / first - 1.0).abs() < 1e-12)
}
