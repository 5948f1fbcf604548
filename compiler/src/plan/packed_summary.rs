//! What the level planner needs to know of a packed graph: the same as of any other, and how its
//! maps are computed.

use std::sync::Arc;

use beaa_ir::images::ElementMajor;

use crate::network::graph::{Graph, Node, Op};
use crate::packing::{PackedGraph, PackedSummary, mean_square};
use crate::plan::graph_summary::{GraphSummary, NodeKind};
use crate::plan::weight_bits::{MAX_WEIGHT_BITS, MIN_WEIGHT_BITS};

/// The summary of a graph whose elements are packed; `activations` are its values for some images.
pub(crate) fn with_packing(
    summary: &GraphSummary,
    graph: &Graph,
    packed: Arc<PackedGraph>,
    activations: &[ElementMajor<f64>],
) -> GraphSummary {
    let squares: Vec<f64> = activations.iter().map(mean_square).collect();
    let map = |(id, node): (usize, &Node)| {
        let Op::Affine { terms, .. } = &node.op else { return None };
        let weights: f64 = terms.iter().flat_map(|t| t.weights.values()).map(|w| w * w).sum();
        let inputs: Vec<f64> = terms.iter().map(|t| squares[t.input]).collect();
        Some(packed.noise(id, weights, &inputs))
    };
    let maps = graph.nodes.iter().enumerate().map(map).collect();
    let mut summary = GraphSummary { packed: Some(PackedSummary { graph: packed, maps }), ..summary.clone() };
    for node in &mut summary.nodes {
        // Constants are polynomials: equal weights are as inexact as others.
        if let NodeKind::Affine { uniform: uniform @ true, rounding, .. } = &mut node.kind {
            (*uniform, *rounding) = (false, vec![0.0; (MIN_WEIGHT_BITS..=MAX_WEIGHT_BITS).count()]);
        }
    }
    summary
}
