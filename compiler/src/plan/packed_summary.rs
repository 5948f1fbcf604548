//! What the level planner needs to know of a packed graph: the same as of any other, and how its
//! maps are computed.

use std::collections::BTreeMap;
use std::sync::Arc;

use beaa_ir::images::ElementMajor;

use crate::network::graph::{Graph, Node, NodeId, Op, Term};
use crate::packing::{PackedGraph, PackedSummary, mean_square};
use crate::plan::graph_summary::{GraphSummary, NodeKind};
use crate::plan::weight_bits::{MAX_CONSTANT_BITS, MIN_WEIGHT_BITS};

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
    let mut summary =
        GraphSummary { packed: Some(PackedSummary { graph: Arc::clone(&packed), maps }), ..summary.clone() };
    let sums = partial_sums(graph, &packed, activations);
    for (id, node) in graph.nodes.iter().enumerate() {
        let (source, power) = match node.op {
            Op::Square { input, .. } => (input, 1),
            _ => (id, 0),
        };
        let here = &mut summary.nodes[id].log_bound;
        *here = here.max(sums[source][power].max(f64::MIN_POSITIVE).log2());
    }
    for (id, node) in summary.nodes.iter_mut().enumerate() {
        // Constants are polynomials: with masks, equal weights are as inexact as others.
        if let NodeKind::Affine { uniform: uniform @ true, rounding, .. } = &mut node.kind {
            (*uniform, *rounding) = (packed.map(id).map.unmasked, vec![0.0]);
        }
        // What ever more bits still lose is noise of the constants.
        if let NodeKind::Affine { rounding, .. } = &mut node.kind {
            let last = rounding[rounding.len() - 1];
            rounding.resize((MIN_WEIGHT_BITS..=MAX_CONSTANT_BITS).count(), last);
        }
    }
    summary
}

/// Images on which partial sums are looked at.
const IMAGES: usize = 8;
/// How much larger they may be for others.
const SAFETY: f64 = 2.0;

/// Of every node, the mean of the absolute values in all positions, and of their squares, for the
/// image with the largest: folds leave partial sums in positions that hold no element, maps without
/// masks sums of what is near, and a coefficient is at most the mean over slots. Zero where neither
/// is.
fn partial_sums(graph: &Graph, packed: &PackedGraph, activations: &[ElementMajor<f64>]) -> Vec<[f64; 2]> {
    let of = |(id, node): (NodeId, &Node)| match &node.op {
        Op::Affine { terms, .. } if !packed.map(id).leaves_nothing_else() => {
            let images = activations[id].images().min(IMAGES);
            let each =
                (0..images).map(|image| means_of_sums(packed, id, terms, |t, c| activations[t].element(c)[image]));
            each.fold([0.0_f64; 2], |[a, b], [c, d]| [a.max(c), b.max(d)])
        }
        _ => [0.0; 2],
    };
    let [one, two] = [SAFETY, SAFETY * SAFETY];
    graph.nodes.iter().enumerate().map(of).map(|[a, b]| [one * a, two * b]).collect()
}

/// The mean absolute value and the mean square over all positions of a map's result; `value` gives
/// an element of a node.
fn means_of_sums(packed: &PackedGraph, id: NodeId, terms: &[Term], value: impl Fn(NodeId, usize) -> f64) -> [f64; 2] {
    let map = &packed.map(id).map;
    let (block, positions) = (map.layout.block(), map.layout.held().len());
    let mut sums = vec![0.0; positions];
    for term in terms {
        let weights: Vec<Vec<(usize, f64)>> = (0..term.weights.rows()).map(|r| term.weights.row(r).collect()).collect();
        // The input's layout is of the elements that are read.
        let number: Vec<usize> = match term.input {
            0 => (0..packed.read.len()).filter(|&e| packed.read[e]).collect(),
            input => (0..packed.nodes[input].layout.elements()).collect(),
        };
        let mut position_of = vec![0_u32; term.weights.columns()];
        (0_u32..).zip(&number).for_each(|(n, &e)| position_of[e] = n);
        let columns: Vec<Vec<u32>> =
            weights.iter().map(|row| row.iter().map(|&(c, _)| position_of[c]).collect()).collect();
        let from = &packed.nodes[term.input].layout;
        let mut unmasked = BTreeMap::new();
        let found = map.locate(
            from,
            |r| &columns[r],
            |r, k, at| {
                let (column, weight) = weights[r][k];
                if map.unmasked {
                    unmasked.insert((at.output, at.offset, at.input), weight);
                } else {
                    sums[at.output as usize * block + at.position as usize] += weight * value(term.input, column);
                }
            },
        );
        found.unwrap_or_else(|e| unreachable!("a map that was chosen has a place for each weight: {e}"));
        for ((output, offset, input), weight) in unmasked {
            let held = from.of_ciphertext(input as usize);
            for (position, sum) in sums[output as usize * block..][..block].iter_mut().enumerate() {
                // What is another image's is as large.
                if let Some(element) = held[(position as i32 + offset).rem_euclid(block as i32) as usize] {
                    *sum += weight * value(term.input, number[element as usize]);
                }
            }
        }
    }
    for &fold in &map.folds {
        let moved = |p: usize| p - p % block + (p + fold as usize) % block;
        sums = (0..positions).map(|p| sums[p] + sums[moved(p)]).collect();
    }
    let mean = |of: fn(f64) -> f64| sums.iter().map(|&v| of(v)).sum::<f64>() / positions as f64;
    [mean(f64::abs), mean(|v| v * v)]
}
