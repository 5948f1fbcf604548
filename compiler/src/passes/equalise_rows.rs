//! Pass `balance`: every hidden element may be multiplied by any positive constant if what follows undoes it. Chosen so
//! that all rows of a layer use the bits of their weights and of the scale alike: rows with small weights are enlarged
//! until their weights or their values are as large as the layer's typical ones. After it, hidden values are bounded by about
//! 1, and the largest weight of every hidden affine map is a power of two. Weights that were
//! trained as integers keep theirs ([`crate::passes::detect_quantised`]). Must never touch the output's units.

use crate::network::bounds::{Bounds, analyse_node};
use crate::network::graph::{Graph, NodeId, Op};
use crate::passes::detect_quantised;

/// A row is enlarged or reduced by at most this much relative to the layer's typical row.
const MAX_ROW_FACTOR: f64 = 16.0;

/// Balances all hidden affine maps.
pub(crate) fn equalise_rows(graph: &mut Graph) {
    let quantised = detect_quantised::row_units(graph);
    let mut bounds: Vec<Bounds> = Vec::with_capacity(graph.nodes.len());
    for id in 0..graph.nodes.len() {
        let mut bound_here = analyse_node(graph, id, &bounds);
        if id != graph.output && matches!(graph.nodes[id].op, Op::Affine { .. }) {
            let weights = largest_weights(graph, id);
            let mut factors = match quantised.get(id).and_then(Option::as_ref) {
                Some(units) => units.clone(),
                None if uniform(graph, id) => vec![1.0; weights.len()],
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
            bound_here = analyse_node(graph, id, &bounds);
        }
        bounds.push(bound_here);
    }
}

/// Whether all weights of an affine map of one term have the same absolute value (pooling, copies), or there are none: such
/// a map is exact in integers of one bit.
pub(crate) fn uniform(graph: &Graph, id: NodeId) -> bool {
    let Op::Affine { terms, .. } = &graph.nodes[id].op else { return false };
    let [term] = terms.as_slice() else { return terms.is_empty() };
    let first = term.weights.values().first().copied().unwrap_or(1.0).abs();
    term.weights.values().iter().all(|w| (w.abs() / first - 1.0).abs() < 1e-12)
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
    use crate::network::import::import;
    use crate::passes::complete_squares::complete_squares;
    use crate::passes::fold_affine::fold_affine;
    use crate::testing::{close, images, random_model};

    #[test]
    fn balancing_preserves_meaning_and_normalises_weights() {
        for seed in 0..60 {
            let model = random_model(seed);
            let before = complete_squares(&fold_affine(import(&model, 2.0).unwrap()), 4.0).unwrap();
            let mut after = before.clone();
            equalise_rows(&mut after);
            check(&after, "balance").unwrap();
            for id in (1..after.nodes.len()).filter(|&id| id != after.output) {
                let largest = largest_weights(&after, id).into_iter().fold(0.0, f64::max);
                let off = (largest.log2() - largest.log2().round()).abs();
                assert!(largest == 0.0 || off < 1e-12, "seed {seed}, node {id}: {largest}");
                if matches!(after.nodes[id].op, Op::Affine { .. }) {
                    let bound = analyse(&after).swap_remove(id).largest();
                    assert!(largest == 0.0 || (0.7..1.5).contains(&bound), "seed {seed}, node {id}: {bound}");
                }
            }
            for image in images(&model, seed, 2) {
                let wide: Vec<f64> = image.iter().map(|&v| f64::from(v)).collect();
                let expected = evaluate(&before, &wide).swap_remove(before.output);
                close(&evaluate(&after, &wide)[after.output], &expected, 1e-7, seed);
            }
        }
    }
}
