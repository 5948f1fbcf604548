//! An affine map that only feeds affine maps is composed into them where that does not add
//! products: batch norm into its neighbour, pooling into a convolution, a residual into what
//! follows.

use crate::network::graph::{Graph, NodeId, Op, Term, collect_terms};
use crate::network::matrix::Matrix;

/// Composing may cost at most this many times the products it starts from, so that compile time
/// stays linear.
const MAX_COMPOSE_RATIO: usize = 128;

/// Composes until nothing more can be, and drops what the output does not depend on.
pub(crate) fn fold_affine(mut graph: Graph) -> Graph {
    for id in 1..graph.nodes.len() {
        let users = graph.users().swap_remove(id);
        if id != graph.output && !users.is_empty() {
            fold_into_users(&mut graph, id, &users);
        }
    }
    compact(graph)
}

/// Composes node `id` into all its users if the products do not grow.
fn fold_into_users(graph: &mut Graph, id: NodeId, users: &[NodeId]) {
    let Op::Affine { terms: inner, bias: inner_bias } = &graph.nodes[id].op else { return };
    let inner_entries: usize = inner.iter().map(|t| t.weights.entries()).sum();
    let mut replaced = Vec::with_capacity(users.len());
    let (mut before, mut after) = (inner_entries, 0);
    for &user in users {
        let Op::Affine { terms, bias } = &graph.nodes[user].op else { return };
        let outer =
            terms.iter().find(|t| t.input == id).unwrap_or_else(|| unreachable!("node {user} does not read {id}"));
        let work: usize = inner.iter().map(|t| outer.weights.compose_work(&t.weights)).sum();
        if work > MAX_COMPOSE_RATIO * (inner_entries + outer.weights.entries()) {
            return;
        }
        let mut merged: Vec<Term> = terms.iter().filter(|t| t.input != id).cloned().collect();
        merged.extend(inner.iter().map(|t| Term { input: t.input, weights: outer.weights.compose(&t.weights) }));
        let merged = collect_terms(merged);
        before += products(terms);
        after += products(&merged);
        replaced.push((user, merged, shifted(bias, &outer.weights, inner_bias), outer.weights.entries()));
    }
    if after > before {
        return;
    }
    let (label, folded) = (graph.nodes[id].label.clone(), graph.nodes[id].folded.clone());
    for (user, terms, bias, outer_entries) in replaced {
        let node = &mut graph.nodes[user];
        node.op = Op::Affine { terms, bias };
        node.folded.extend(folded.iter().cloned());
        // The heavier of the two gives its name; a tie goes to the earlier layer, which is the more
        // specific one.
        if inner_entries >= outer_entries {
            let lighter = std::mem::replace(&mut node.label, label.clone());
            node.folded.push(lighter);
        } else {
            node.folded.push(label.clone());
        }
    }
}

fn products(terms: &[Term]) -> usize {
    terms.iter().map(|t| t.weights.entries()).sum()
}

/// `bias + weights * inner`.
pub(crate) fn shifted(bias: &[f64], weights: &Matrix, inner: &[f64]) -> Vec<f64> {
    bias.iter().enumerate().map(|(r, b)| b + weights.row(r).map(|(c, w)| w * inner[c]).sum::<f64>()).collect()
}

/// Drops nodes that the output does not depend on and numbers the rest anew.
fn compact(graph: Graph) -> Graph {
    let mut needed = vec![false; graph.nodes.len()];
    needed[0] = true;
    needed[graph.output] = true;
    for id in (0..graph.nodes.len()).rev().filter(|&id| id <= graph.output) {
        if needed[id] {
            graph.nodes[id].op.inputs().into_iter().for_each(|i| needed[i] = true);
        }
    }
    let mut number = vec![0; graph.nodes.len()];
    let mut nodes = Vec::new();
    for (id, mut node) in graph.nodes.into_iter().enumerate() {
        if !needed[id] {
            continue;
        }
        match &mut node.op {
            Op::Affine { terms, .. } => terms.iter_mut().for_each(|t| t.input = number[t.input]),
            Op::Quadratic { input, .. } | Op::Square { input, .. } => *input = number[*input],
            Op::Input(_) => {}
        }
        number[id] = nodes.len();
        nodes.push(node);
    }
    Graph { output: number[graph.output], nodes }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::graph::{check, evaluate};
    use crate::pipeline::graph_after;
    use crate::testing::{batch_norm, close, conv, images, linear, model_with, pool, random_model, square};

    fn wide(image: &[f32]) -> Vec<f64> {
        image.iter().map(|&v| f64::from(v)).collect()
    }

    #[test]
    fn merging_preserves_meaning_and_never_adds_products() {
        for seed in 0..60 {
            let model = random_model(seed);
            let before = graph_after("import", &model);
            let after = fold_affine(before.clone());
            check(&after, "fold_affine").unwrap();
            let count = |g: &Graph| -> usize {
                g.nodes.iter().map(|n| if let Op::Affine { terms, .. } = &n.op { products(terms) } else { 0 }).sum()
            };
            assert!(count(&after) <= count(&before), "seed {seed}");
            for image in images(&model, seed, 2).rows() {
                let expected = evaluate(&before, &wide(image)).swap_remove(before.output);
                close(&evaluate(&after, &wide(image))[after.output], &expected, 1e-9, seed);
            }
        }
    }

    #[test]
    fn batch_norm_folds_on_either_side_and_pooling_into_a_convolution() {
        let model = model_with(vec![
            batch_norm("norm0", 1),
            conv("conv", 2, 1, 3, 1),
            batch_norm("norm1", 2),
            pool("pool", 2),
            square("act"),
            linear("fc", 3, 8),
        ]);
        let graph = graph_after("fold_affine", &model);
        assert_eq!(graph.nodes.iter().map(|n| n.label.as_str()).collect::<Vec<_>>(), ["input", "conv", "act", "fc"]);
        let mut folded = graph.nodes[1].folded.clone();
        folded.sort();
        assert_eq!(folded, ["norm0", "norm1", "pool"]);
    }

    #[test]
    fn pooling_stays_before_a_dense_layer_where_merging_would_add_products() {
        let model = model_with(vec![conv("conv", 2, 1, 3, 1), square("act"), pool("pool", 2), linear("fc", 10, 8)]);
        let graph = graph_after("fold_affine", &model);
        assert!(graph.nodes.iter().any(|n| n.label == "pool"), "32 + 80 products are fewer than 320");
    }
}
