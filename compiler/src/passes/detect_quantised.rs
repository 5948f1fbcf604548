//! Weights that were trained as integers of a few bits (quantisation-aware training), and the units
//! of rows in which they are integers again; `equalise_rows` gives rows these units.
//!
//! A quadratic `a x² + b x + c` is one square of `sqrt|a| (x + b/2a)`. Training rounds rows times
//! `sqrt|a|`, which are what a program multiplies by if every element has just that unit: the
//! columns that read it are then `±w`, free of `a`.
//!
//! A model that names the grids of its layers is believed. Files of version 1 could not, nor can
//! networks from elsewhere: only for models without any grid are integers looked for among the
//! numbers.

use std::collections::BTreeMap;

use beaa_ir::WeightGrid;

use crate::network::graph::{Graph, NodeId, Op};
use crate::plan::weight_bits::largest_weight;

/// Bits that weights are looked for in.
const SEARCHED_BITS: std::ops::RangeInclusive<u32> = 2..=8;
/// Numbers so near to an integer count as one: trained weights are `f32`, and have been through
/// normalisations.
const INTEGER_TOLERANCE: f64 = 0.01;
/// The share of the weights that must be: columns of elements that stay split are not.
const MIN_INTEGER_SHARE: f64 = 0.95;
/// Fewer weights say nothing.
const MIN_WEIGHTS: usize = 16;

/// For every node, the factors that its rows must get, if it or what reads its squares holds
/// trained integers.
pub(crate) fn row_units(graph: &Graph, grids: &BTreeMap<String, WeightGrid>) -> Vec<Option<Vec<f64>>> {
    let roots: Vec<Option<Vec<f64>>> = (0..graph.nodes.len()).map(|id| roots(graph, id)).collect();
    let quantised = |id: NodeId| {
        if grids.is_empty() { looks_quantised(graph, id, &roots) } else { has_grid(graph, id, grids) }
    };
    let mut wanted = vec![false; graph.nodes.len()];
    for id in (0..graph.nodes.len()).filter(|&id| quantised(id)) {
        for read in graph.nodes[id].op.inputs() {
            if let Op::Square { input, .. } = graph.nodes[read].op {
                wanted[input] = true;
            }
        }
        wanted[id] = true;
    }
    roots.into_iter().zip(wanted).map(|(r, wanted)| r.filter(|_| wanted)).collect()
}

/// Whether a node stands for a layer that was trained on a grid, alone or with others folded into
/// it.
fn has_grid(graph: &Graph, id: NodeId, grids: &BTreeMap<String, WeightGrid>) -> bool {
    let node = &graph.nodes[id];
    matches!(node.op, Op::Affine { .. })
        && std::iter::once(&node.label).chain(&node.folded).any(|layer| grids.contains_key(layer))
}

/// `sqrt|a|` of the quadratics that read an affine node; where `a` is zero, the mean of the others.
fn roots(graph: &Graph, id: NodeId) -> Option<Vec<f64>> {
    let squares = graph.nodes.iter().filter_map(|n| match &n.op {
        Op::Square { input, curvature } if *input == id => Some(curvature),
        _ => None,
    });
    let [curvature] = squares.collect::<Vec<_>>()[..] else { return None };
    let positive = curvature.iter().filter(|a| **a > 0.0);
    let mean = positive.clone().map(|a| a.sqrt()).sum::<f64>() / positive.count().max(1) as f64;
    (mean > 0.0).then(|| curvature.iter().map(|a| if *a > 0.0 { a.sqrt() } else { mean }).collect())
}

/// Whether a node's weights look like integers in the units of `roots`.
fn looks_quantised(graph: &Graph, id: NodeId, roots: &[Option<Vec<f64>>]) -> bool {
    let Op::Affine { terms, .. } = &graph.nodes[id].op else { return false };
    let mut weights = Vec::new();
    for term in terms {
        // What reads the elements themselves belongs to split ones.
        let columns = match &graph.nodes[term.input].op {
            Op::Square { input, .. } => match &roots[*input] {
                Some(columns) => Some(columns),
                None => return false,
            },
            Op::Input(_) => None,
            _ => continue,
        };
        for r in 0..term.weights.rows() {
            let row = roots[id].as_ref().map_or(1.0, |f| f[r]);
            weights.extend(term.weights.row(r).map(|(c, w)| w * row / columns.map_or(1.0, |f| f[c] * f[c])));
        }
    }
    let largest = weights.iter().fold(0.0_f64, |l, w| l.max(w.abs()));
    let integers = |bits: u32| {
        let unit = largest / largest_weight(bits);
        let near = weights.iter().filter(|w| (*w / unit - (*w / unit).round()).abs() < INTEGER_TOLERANCE).count();
        near as f64 >= MIN_INTEGER_SHARE * weights.len() as f64
    };
    weights.len() >= MIN_WEIGHTS && largest > 0.0 && SEARCHED_BITS.into_iter().any(integers)
}

#[cfg(test)]
mod tests {
    use beaa_ir::{Layer, LayerOp, Linear, Tensor};

    use super::*;
    use crate::passes::complete_squares::complete_squares;
    use crate::passes::equalise_rows::equalise_rows;
    use crate::pipeline::graph_after;
    use crate::testing::{model_with, polynomial};

    fn linear(name: &str, rows: usize, columns: usize, weight: impl Fn(usize, usize) -> f32) -> Layer {
        let weight = (0..rows * columns).map(|i| weight(i / columns, i % columns)).collect();
        let weight = Tensor::new(vec![rows, columns], weight).unwrap();
        Layer { name: name.into(), op: LayerOp::Linear(Linear { weight, bias: None }) }
    }

    /// Two layers whose weights times the roots of what follows are integers of four bits, times
    /// 0.3.
    fn graph(off: f32) -> Graph {
        let curvature = |j: usize| (0.1 + 0.03 * (j % 7) as f32) * if j.is_multiple_of(2) { 1.0 } else { -1.0 };
        let integer = |r: usize, c: usize| ((r * 31 + c * 17) % 15) as f32 - 7.0;
        let first = linear("first", 12, 36, move |r, c| {
            (integer(r, c) + off * (c % 3) as f32) * 0.3 / curvature(r).abs().sqrt()
        });
        let layers = vec![
            Layer { name: "flat".into(), op: LayerOp::Flatten },
            first,
            polynomial("act", &[12], move |j| [f64::from(curvature(j)), 0.2, 0.0]),
            linear("second", 3, 12, integer),
        ];
        complete_squares(&graph_after("fold_affine", &model_with(layers)), 1e9).unwrap()
    }

    #[test]
    fn trained_integers_are_integers_again_after_equalising() {
        let graph = equalise_rows(graph(0.0), &BTreeMap::new());
        for (id, node) in graph.nodes.iter().enumerate() {
            let Op::Affine { terms, .. } = &node.op else { continue };
            let values: Vec<f64> = terms.iter().flat_map(|t| t.weights.values()).copied().collect();
            let unit = values.iter().fold(0.0_f64, |l, w| l.max(w.abs())) / 7.0;
            assert!(values.iter().all(|w| (w / unit - (w / unit).round()).abs() < 1e-4), "node {id}: {values:?}");
        }
    }

    #[test]
    fn other_weights_are_told_apart() {
        let (on, off) = (graph(0.0), graph(0.3));
        let first = (0..on.nodes.len()).find(|&id| matches!(on.nodes[id].op, Op::Affine { .. })).unwrap();
        let trained_in = |graph: &Graph| {
            let roots: Vec<_> = (0..graph.nodes.len()).map(|id| roots(graph, id)).collect();
            [first, graph.output].map(|id| looks_quantised(graph, id, &roots))
        };
        assert_eq!(trained_in(&on), [true, true]);
        assert_eq!(trained_in(&off), [false, true], "the last layer is as it was");
        assert!(row_units(&off, &BTreeMap::new())[first].is_some(), "and wants the units before it");
    }

    #[test]
    fn a_model_that_names_its_grids_is_believed() {
        let (on, off) = (graph(0.0), graph(0.3));
        let grid = WeightGrid { bits: 4, unit: 0.3 };
        let grids = |layers: &[&str]| layers.iter().map(|l| ((*l).to_owned(), grid)).collect::<BTreeMap<_, _>>();
        assert_eq!(row_units(&off, &grids(&["first", "second"])), row_units(&on, &BTreeMap::new()));
        assert!(row_units(&on, &grids(&["elsewhere"])).iter().all(Option::is_none));
    }
}
