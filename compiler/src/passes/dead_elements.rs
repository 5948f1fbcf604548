//! Elements that nothing reads are not computed, and what is the same for every image goes into the
//! biases of what reads it. A pruned network shrinks by it: a column of zeros takes the element
//! before along, and all that only led there. Pixels and outputs stay.

use crate::network::graph::{Graph, Op, Term};
use crate::network::matrix::Matrix;

/// Drops all dead elements.
pub(crate) fn drop_dead_elements(mut graph: Graph) -> Graph {
    fold_constants(&mut graph);
    let live = live(&graph);
    if live.iter().flatten().all(|l| *l) {
        return graph;
    }
    for (id, node) in graph.nodes.iter_mut().enumerate() {
        let live_here = &live[id];
        match &mut node.op {
            Op::Input(_) => continue,
            Op::Affine { terms, bias } => {
                for term in terms {
                    term.weights = kept(&term.weights, live_here, &live[term.input]);
                }
                retain(bias, live_here);
            }
            Op::Quadratic { a, b, c, .. } => [a, b, c].into_iter().for_each(|v| retain(v, live_here)),
            Op::Square { .. } => {}
        }
        retain(&mut node.coordinates, live_here);
        if let Some(observed_range) = &mut node.observed_range {
            retain(observed_range, live_here);
        }
    }
    graph
}

/// Moves elements that depend on no pixel into the biases of the affine maps that read them.
fn fold_constants(graph: &mut Graph) {
    let mut known: Vec<Vec<Option<f64>>> = Vec::with_capacity(graph.nodes.len());
    for node in &mut graph.nodes {
        let values = match &mut node.op {
            Op::Input(pixels) => vec![None; pixels.len()],
            Op::Affine { terms, bias } => {
                for term in terms.iter_mut() {
                    let from = &known[term.input];
                    if from.iter().all(Option::is_none) {
                        continue;
                    }
                    for (r, b) in bias.iter_mut().enumerate() {
                        *b += term.weights.row(r).filter_map(|(c, w)| from[c].map(|v| w * v)).sum::<f64>();
                    }
                    let varies: Vec<f64> = from.iter().map(|v| if v.is_some() { 0.0 } else { 1.0 }).collect();
                    term.weights.scale_columns(&varies);
                }
                let constant = |r: usize| terms.iter().all(|t| t.weights.row(r).len() == 0);
                bias.iter().enumerate().map(|(r, b)| constant(r).then_some(*b)).collect()
            }
            Op::Quadratic { input, a, b, c } => {
                let at = |(j, x): (usize, &Option<f64>)| x.map(|x| (a[j] * x + b[j]) * x + c[j]);
                known[*input].iter().enumerate().map(at).collect()
            }
            Op::Square { input, .. } => known[*input].iter().map(|x| x.map(|x| x * x)).collect(),
        };
        known.push(values);
    }
}

/// Of every node, the elements that the output depends on; at least one of each.
fn live(graph: &Graph) -> Vec<Vec<bool>> {
    let mut live: Vec<Vec<bool>> = (0..graph.nodes.len()).map(|id| vec![false; graph.len(id)]).collect();
    live[0].fill(true);
    live[graph.output].fill(true);
    for (id, node) in graph.nodes.iter().enumerate().rev() {
        let mut live_here = std::mem::take(&mut live[id]);
        if !live_here.contains(&true) {
            live_here.iter_mut().take(1).for_each(|l| *l = true);
        }
        match &node.op {
            Op::Input(_) => {}
            Op::Affine { terms, .. } => {
                for Term { input, weights } in terms {
                    let rows = live_here.iter().enumerate().filter(|(_, l)| **l);
                    rows.flat_map(|(r, _)| weights.row(r)).for_each(|(c, _)| live[*input][c] = true);
                }
            }
            Op::Quadratic { input, .. } | Op::Square { input, .. } => {
                live[*input].iter_mut().zip(&live_here).for_each(|(to, live_here)| *to |= *live_here);
            }
        }
        live[id] = live_here;
    }
    // A quadratic is as long as what it reads, which something else may read more of.
    for (id, node) in graph.nodes.iter().enumerate() {
        if let Op::Quadratic { input, .. } | Op::Square { input, .. } = &node.op {
            live[id] = live[*input].clone();
        }
    }
    live
}

/// The rows and columns that are kept.
pub(crate) fn kept(weights: &Matrix, rows: &[bool], columns: &[bool]) -> Matrix {
    let mut left = 0;
    let new_index = columns.iter().map(|&live| {
        left += usize::from(live);
        left.saturating_sub(1)
    });
    let new_index: Vec<usize> = new_index.collect();
    let mut out = Matrix::with_columns(left);
    for r in (0..weights.rows()).filter(|&r| rows[r]) {
        out.push_row(weights.row(r).filter(|(c, _)| columns[*c]).map(|(c, w)| (new_index[c], w)));
    }
    out
}

/// Keeps the values that are marked.
pub(crate) fn retain<T>(values: &mut Vec<T>, live: &[bool]) {
    assert_eq!(values.len(), live.len(), "values and marks");
    let mut live = live.iter();
    values.retain(|_| live.next() == Some(&true));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::graph::{check, evaluate};
    use crate::pipeline::graph_after;
    use crate::testing::{close, images, random_model};

    fn wide(image: &[f32]) -> Vec<f64> {
        image.iter().map(|&v| f64::from(v)).collect()
    }

    /// Every third column of all maps but the first, and every fifth row, made zero.
    fn sparse(mut graph: Graph) -> Graph {
        for id in 1..graph.nodes.len() {
            let Op::Affine { terms, .. } = &mut graph.nodes[id].op else { continue };
            for term in terms {
                let columns: Vec<f64> =
                    (0..term.weights.columns()).map(|c| if term.input > 0 && c % 3 == 1 { 0.0 } else { 1.0 }).collect();
                let mut thin = Matrix::with_columns(term.weights.columns());
                for r in 0..term.weights.rows() {
                    thin.push_row(term.weights.row(r).filter(|_| r % 5 != 4).map(|(c, w)| (c, w * columns[c])));
                }
                term.weights = thin;
            }
        }
        graph
    }

    #[test]
    fn what_nothing_reads_is_gone_and_the_rest_means_the_same() {
        let mut shrunk = 0;
        for seed in 0..60 {
            let model = random_model(seed);
            let before = sparse(graph_after("fold_affine", &model));
            let after = drop_dead_elements(before.clone());
            check(&after, "drop_dead_elements").unwrap();
            assert_eq!((after.len(0), after.len(after.output)), (before.len(0), before.len(before.output)));
            let size = |g: &Graph| (1..g.nodes.len()).map(|id| g.len(id)).sum::<usize>();
            shrunk += usize::from(size(&after) < size(&before));
            for image in images(&model, seed, 2).rows() {
                let expected = evaluate(&before, &wide(image)).swap_remove(before.output);
                close(&evaluate(&after, &wide(image))[after.output], &expected, 1e-9, seed);
            }
            // What is left is read or is all there is of its node.
            assert_eq!(drop_dead_elements(after.clone()), after, "seed {seed}");
        }
        assert!(shrunk > 20, "{shrunk} of 60 networks");
    }
}
