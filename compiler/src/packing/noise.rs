//! What the noise of packed linear maps depends on: how large constants and inputs are, over all
//! slots.

use std::sync::Arc;

use beaa_ckks::noise::DiagonalMap;
use beaa_ir::images::ElementMajor;

use super::PackedGraph;
use crate::cost::ops::RotationCounts;
use crate::network::graph::NodeId;

/// What the planner knows of a packed graph.
#[derive(Debug, Clone)]
pub(crate) struct PackedSummary {
    pub(crate) graph: Arc<PackedGraph>,
    /// Of every affine map, with constants and inputs in the graph's units.
    pub(crate) maps: Vec<Option<DiagonalMap>>,
}

impl PackedSummary {
    /// Rotations of an affine map, and what its noise depends on.
    pub(crate) fn map(&self, id: NodeId) -> (RotationCounts, DiagonalMap) {
        let noise = self.maps[id].unwrap_or_else(|| unreachable!("node {id} is no packed map"));
        (self.graph.map(id).counts, noise)
    }
}

impl PackedGraph {
    /// What the noise of an affine map depends on: `weights` is the sum of their squares, `inputs`
    /// are the mean squares of the elements of each term's input.
    pub(crate) fn noise(&self, id: NodeId, weights: f64, inputs: &[f64]) -> DiagonalMap {
        let (node, chosen) = (&self.nodes[id], self.map(id));
        assert_eq!(inputs.len(), node.inputs.len(), "terms of node {id}");
        let (counts, layout) = (chosen.counts, &chosen.map.layout);
        let slots = (counts.products * self.block).max(1) as f64;
        // Without folds each position of an element has products of its own.
        let held = layout.held().iter().flatten().count() as f64;
        let times = if chosen.map.folds.is_empty() { held / layout.elements() as f64 } else { 1.0 };
        // Without masks the positions between them have the same weights.
        let times = if chosen.map.unmasked { times * layout.held().len() as f64 / held } else { times };
        let input_square = node.inputs.iter().zip(inputs).map(|(&input, square)| square * self.filled(input));
        let outputs = counts.outputs as f64;
        let unrotated = counts.decomposed.max(1) as f64;
        DiagonalMap {
            products: counts.products as f64 / outputs,
            rotated_products: counts.products as f64 / outputs * counts.babies as f64
                / (counts.babies as f64 + unrotated),
            giants: counts.giants as f64 / outputs,
            folds: counts.folds as u32,
            constant_square: weights * times / slots,
            input_square: input_square.sum::<f64>() / inputs.len().max(1) as f64,
            exact: chosen.map.unmasked,
            period: self.block,
        }
    }

    /// The share of positions that are not zero: folds leave partial sums in all of them, and maps
    /// without masks sums of what is there.
    fn filled(&self, id: NodeId) -> f64 {
        let node = &self.nodes[id];
        let map = match (&node.map, node.inputs.as_slice()) {
            (None, &[input]) => &self.nodes[input].map,
            (map, _) => map,
        };
        if map.as_ref().is_some_and(|m| !m.leaves_nothing_else()) {
            return 1.0;
        }
        node.layout.held().iter().flatten().count() as f64 / node.layout.held().len() as f64
    }
}

/// The mean square of all values.
pub(crate) fn mean_square(values: &ElementMajor<f64>) -> f64 {
    values.data().iter().map(|v| v * v).sum::<f64>() / values.data().len().max(1) as f64
}
