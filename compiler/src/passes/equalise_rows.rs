//! Every hidden element may be multiplied by any positive constant if what follows undoes it
//! (cross-layer equalisation). Chosen so that all rows of a layer use the bits of their weights and
//! of the scale alike: rows with small weights are enlarged until their weights or their values are
//! as large as the layer's typical ones. After it, hidden values are bounded by about 1, and the
//! largest weight of every hidden affine map is a power of two. Weights that were trained as
//! integers stay integers ([`detect_quantised`](crate::passes::detect_quantised)). The outputs'
//! units stay.

use std::collections::BTreeMap;

use beaa_ir::WeightGrid;

use crate::network::bounds::{Bounds, analyse_node};
use crate::network::graph::{Graph, NodeId, Op};
use crate::passes::detect_quantised::row_units;
use crate::plan::weight_bits::uniform;

/// A row is enlarged or reduced by at most this much relative to the layer's typical row.
const MAX_ROW_FACTOR: f64 = 16.0;

/// Equalises the rows of all hidden affine maps. `grids` are those that layers were trained on, by
/// name.
pub(crate) fn equalise_rows(mut graph: Graph, grids: &BTreeMap<String, WeightGrid>) -> Graph {
    let quantised = row_units(&graph, grids);
    let mut bounds: Vec<Bounds> = Vec::with_capacity(graph.nodes.len());
    for (id, units) in quantised.into_iter().enumerate() {
        let mut bound_here = analyse_node(&graph, id, &bounds);
        if id != graph.output && matches!(graph.nodes[id].op, Op::Affine { .. }) {
            let weights = largest_weights(&graph, id);
            let mut factors = match units {
                Some(units) => units,
                None if uniform(&graph, id) => vec![1.0; weights.len()],
                None => row_factors(&weights, &bound_here),
            };
            let largest = weights.iter().zip(&factors).map(|(w, f)| w * f).fold(0.0, f64::max);
            let bound = factors.iter().enumerate().map(|(j, f)| f * bound_here.element(j)).fold(0.0, f64::max);
            if largest > 0.0 {
                // Values of at most 1 would have a largest weight of largest / bound.
                let target = (largest / bound.max(f64::MIN_POSITIVE)).log2().round().exp2();
                factors.iter_mut().for_each(|f| *f *= target / largest);
            }
            graph.rescale(id, &factors);
            bound_here = analyse_node(&graph, id, &bounds);
        }
        bounds.push(bound_here);
    }
    graph
}

fn largest_weights(graph: &Graph, id: NodeId) -> Vec<f64> {
    let mut largest = vec![0.0_f64; graph.len(id)];
    if let Op::Affine { terms, .. } = &graph.nodes[id].op {
        for term in terms {
            for (r, l) in largest.iter_mut().enumerate() {
                *l = term.weights.row(r).map(|(_, w)| w.abs()).fold(*l, f64::max);
            }
        }
    }
    largest
}

fn row_factors(weights: &[f64], bounds: &Bounds) -> Vec<f64> {
    let largest: Vec<f64> = (0..weights.len()).map(|j| bounds.element(j)).collect();
    let (typical_weight, typical_bound) = (median(weights), median(&largest));
    weights
        .iter()
        .zip(&largest)
        .map(|(w, b)| 1.0 / (w / typical_weight).max(b / typical_bound).clamp(1.0 / MAX_ROW_FACTOR, MAX_ROW_FACTOR))
        .collect()
}

/// The median of the positive ones; 1 if there are none.
fn median(values: &[f64]) -> f64 {
    let mut positive: Vec<f64> = values.iter().copied().filter(|v| *v > 0.0 && v.is_finite()).collect();
    positive.sort_unstable_by(f64::total_cmp);
    positive.get(positive.len() / 2).copied().unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::bounds::analyse;
    use crate::network::graph::{check, evaluate};
    use crate::pipeline::graph_after;
    use crate::testing::{close, images, random_model};

    #[test]
    fn equalising_preserves_meaning_and_normalises_weights() {
        for seed in 0..60 {
            let model = random_model(seed);
            let before = graph_after("complete_squares", &model);
            let after = equalise_rows(before.clone(), &BTreeMap::new());
            check(&after, "equalise_rows").unwrap();
            for id in (1..after.nodes.len()).filter(|&id| id != after.output) {
                let largest = largest_weights(&after, id).into_iter().fold(0.0, f64::max);
                let off = (largest.log2() - largest.log2().round()).abs();
                assert!(largest == 0.0 || off < 1e-12, "seed {seed}, node {id}: {largest}");
                if matches!(after.nodes[id].op, Op::Affine { .. }) {
                    let bound = analyse(&after).swap_remove(id).largest();
                    assert!(largest == 0.0 || (0.7..1.5).contains(&bound), "seed {seed}, node {id}: {bound}");
                }
            }
            for image in images(&model, seed, 2).rows() {
                let wide: Vec<f64> = image.iter().map(|&v| f64::from(v)).collect();
                let expected = evaluate(&before, &wide).swap_remove(before.output);
                close(&evaluate(&after, &wide)[after.output], &expected, 1e-7, seed);
            }
        }
    }
}
