//! `a x^2 + b x + c = a (x + b/2a)^2 + (c - b^2/4a)`. The shift joins the bias before, `a` the
//! weights after, the constant the bias after: an activation becomes one square. Elements whose
//! vertex lies far out stay split, so that what follows reads `x^2` and `x`. After it there is no
//! quadratic, and only the input or affine maps feed squares, which [`check_squares`] checks.

use crate::error::{Result, internal};
use crate::network::bounds::{Bounds, analyse};
use crate::network::graph::{Graph, Interval, Node, NodeId, Op, Term, collect_terms};
use crate::network::matrix::Matrix;
use crate::passes::fold_affine::shifted;

/// An old node in terms of new ones: `sum of factors * node + constant`, element by element.
struct LinearView {
    parts: Vec<(NodeId, Vec<f64>)>,
    constant: Vec<f64>,
}

impl LinearView {
    fn of(node: NodeId, len: usize) -> Self {
        Self { parts: vec![(node, vec![1.0; len])], constant: vec![0.0; len] }
    }

    /// The node itself, if the view is nothing more.
    fn plain(&self) -> Option<NodeId> {
        match self.parts.as_slice() {
            [(node, factors)] if factors.iter().all(|f| *f == 1.0) && self.constant.iter().all(|c| *c == 0.0) => {
                Some(*node)
            }
            _ => None,
        }
    }
}

/// Rewrites all activations. `limit` bounds the shift, in units of the input's bound.
///
/// # Errors
/// [`Error::Internal`](crate::Error::Internal) where squares were completed before.
pub(crate) fn complete_squares(graph: &Graph, limit: f64) -> Result<Graph> {
    let bounds = analyse(graph);
    let shifts = shifts(graph, &bounds, limit);
    let mut nodes: Vec<Node> = Vec::with_capacity(graph.nodes.len());
    let mut views: Vec<LinearView> = Vec::with_capacity(graph.nodes.len());
    for (id, node) in graph.nodes.iter().enumerate() {
        let n = graph.len(id);
        let view = match &node.op {
            Op::Input(_) => {
                nodes.push(node.clone());
                LinearView::of(0, n)
            }
            Op::Affine { terms, bias } => {
                let mut bias = bias.clone();
                let mut new_terms = Vec::new();
                for term in terms {
                    let view = &views[term.input];
                    bias = shifted(&bias, &term.weights, &view.constant);
                    new_terms.extend(substitute(&term.weights, view));
                }
                let shift = shifts[id].clone().unwrap_or_else(|| vec![0.0; n]);
                bias.iter_mut().zip(&shift).for_each(|(b, s)| *b += s);
                let op = Op::Affine { terms: collect_terms(new_terms), bias };
                nodes.push(Node {
                    op,
                    observed_range: shifted_range(node.observed_range.as_deref(), &shift),
                    ..node.clone()
                });
                LinearView { constant: shift.iter().map(|s| 0.0 - s).collect(), ..LinearView::of(nodes.len() - 1, n) }
            }
            Op::Quadratic { input, a, b, c } => {
                let shift = vertex_shift(&bounds[*input], a, b, limit);
                let before = if matches!(graph.nodes[*input].op, Op::Affine { .. }) {
                    // The affine map already carries the shift.
                    views[*input].parts[0].0
                } else {
                    shifted_copy(&mut nodes, &views[*input], &graph.nodes[*input], &shift, &node.label)
                };
                let curvature = a.iter().map(|a| a.abs()).collect();
                nodes.push(Node { op: Op::Square { input: before, curvature }, observed_range: None, ..node.clone() });
                quadratic_view(nodes.len() - 1, before, [a, b, c], &shift)
            }
            Op::Square { .. } => return Err(internal("complete_squares", "a square before squares are made")),
        };
        views.push(view);
    }
    let view = &views[graph.output];
    let output = match view.plain() {
        Some(node) if !matches!(nodes[node].op, Op::Square { .. }) => node,
        _ => {
            let terms = view
                .parts
                .iter()
                .map(|(input, f)| Term { input: *input, weights: Matrix::diagonal(f.iter().copied()) });
            let op = Op::Affine { terms: terms.collect(), bias: view.constant.clone() };
            nodes.push(Node { op, observed_range: None, ..graph.nodes[graph.output].clone() });
            nodes.len() - 1
        }
    };
    Ok(Graph { nodes, output })
}

/// For every affine node that a quadratic reads: by how much it is shifted.
fn shifts(graph: &Graph, bounds: &[Bounds], limit: f64) -> Vec<Option<Vec<f64>>> {
    let mut shifts = vec![None; graph.nodes.len()];
    for node in &graph.nodes {
        if let Op::Quadratic { input, a, b, .. } = &node.op
            && matches!(graph.nodes[*input].op, Op::Affine { .. })
        {
            shifts[*input] = Some(vertex_shift(&bounds[*input], a, b, limit));
        }
    }
    shifts
}

/// `b / 2a` where the vertex is near enough, else 0: the element stays split (`b` remains).
fn vertex_shift(x: &Bounds, a: &[f64], b: &[f64], limit: f64) -> Vec<f64> {
    let shift = |j: usize, a: f64, b: f64| {
        let s = b / (2.0 * a);
        if a != 0.0 && s.is_finite() && s.abs() <= limit * x.element(j) { s } else { 0.0 }
    };
    a.iter().zip(b).enumerate().map(|(j, (&a, &b))| shift(j, a, b)).collect()
}

/// What follows a quadratic reads `a y^2 + (b - 2 a s) y + (c - b s + a s^2)` with `y = x + s`.
/// Either `s = b/2a` and the middle is zero, or `s = 0` and the element is split.
fn quadratic_view(square: NodeId, y: NodeId, [a, b, c]: [&[f64]; 3], shift: &[f64]) -> LinearView {
    let middle: Vec<f64> = b.iter().zip(shift).map(|(&b, &s)| if s == 0.0 { b } else { 0.0 }).collect();
    let constant = (0..a.len()).map(|j| c[j] - a[j] * shift[j] * shift[j]).collect();
    let mut parts = vec![(square, a.to_vec())];
    if middle.iter().any(|m| *m != 0.0) {
        parts.push((y, middle));
    }
    LinearView { parts, constant }
}

/// A node to square where no affine map comes before: the input itself if there is nothing to add,
/// else a diagonal map.
fn shifted_copy(nodes: &mut Vec<Node>, view: &LinearView, old: &Node, shift: &[f64], label: &str) -> NodeId {
    if let Some(node) = view.plain()
        && shift.iter().all(|s| *s == 0.0)
        && matches!(nodes[node].op, Op::Input(_))
    {
        return node;
    }
    let terms = view
        .parts
        .iter()
        .map(|(input, f)| Term { input: *input, weights: Matrix::diagonal(f.iter().copied()) })
        .collect();
    let bias = view.constant.iter().zip(shift).map(|(c, s)| c + s).collect();
    let observed_range = shifted_range(old.observed_range.as_deref(), shift);
    let coordinates = old.coordinates.clone();
    let op = Op::Affine { terms, bias };
    nodes.push(Node { label: label.into(), folded: Vec::new(), op, coordinates, observed_range });
    nodes.len() - 1
}

fn substitute(weights: &Matrix, view: &LinearView) -> Vec<Term> {
    let term = |(input, factors): &(NodeId, Vec<f64>)| {
        let mut weights = weights.clone();
        weights.scale_columns(factors);
        Term { input: *input, weights }
    };
    let mut terms: Vec<Term> = view.parts.iter().map(term).collect();
    // A map of constants still reads something.
    let first = terms.iter().position(|t| t.weights.entries() > 0).unwrap_or(0);
    let mut at = 0..;
    terms.retain(|t| at.next() == Some(first) || t.weights.entries() > 0);
    terms
}

fn shifted_range(observed_range: Option<&[Interval]>, shift: &[f64]) -> Option<Vec<Interval>> {
    observed_range.map(|c| c.iter().zip(shift).map(|(i, s)| Interval { lo: i.lo + s, hi: i.hi + s }).collect())
}

/// Refuses a graph in which an activation is left, or a square that could not be emitted.
///
/// # Errors
/// [`Error::Internal`](crate::Error::Internal) with the activation or square.
pub(crate) fn check_squares(graph: &Graph) -> Result<()> {
    for node in &graph.nodes {
        match &node.op {
            Op::Quadratic { .. } => {
                return Err(internal("complete_squares", format!("`{}` is still a quadratic", node.label)));
            }
            Op::Square { input, .. } if !matches!(graph.nodes[*input].op, Op::Affine { .. } | Op::Input(_)) => {
                return Err(internal("complete_squares", format!("`{}` squares a square", node.label)));
            }
            _ => {}
        }
    }
    if matches!(graph.nodes[graph.output].op, Op::Square { .. }) {
        return Err(internal("complete_squares", "the output is a square, nothing carries its coefficients"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::graph::{check, evaluate};
    use crate::pipeline::graph_after;
    use crate::testing::{close, images, linear, model_with, polynomial, random_model, square};

    fn run(graph: &Graph, image: &[f32]) -> Vec<f64> {
        let wide: Vec<f64> = image.iter().map(|&v| f64::from(v)).collect();
        evaluate(graph, &wide).swap_remove(graph.output)
    }

    #[test]
    fn vertex_split_and_mixed_forms_preserve_meaning() {
        for seed in 0..60 {
            let model = random_model(seed);
            let before = graph_after("fold_affine", &model);
            for limit in [0.0, 0.5, 1e9] {
                let after = complete_squares(&before, limit).unwrap();
                check(&after, "complete_squares").unwrap();
                check_squares(&after).unwrap();
                for image in images(&model, seed, 2).rows() {
                    close(&run(&after, image), &run(&before, image), 1e-7, seed);
                }
            }
        }
    }

    #[test]
    fn far_vertices_are_split_and_near_ones_are_not() {
        // Input in -1..1: the vertices b/2a are 0.5, 50 and (a = 0) infinitely far.
        let act = polynomial("act", &[36], |j| [[1.0, 1.0, 0.0], [0.01, 1.0, 2.0], [0.0, 3.0, 1.0]][j % 3]);
        let layers =
            vec![beaa_ir::Layer { name: "flat".into(), op: beaa_ir::LayerOp::Flatten }, act, linear("fc", 2, 36)];
        let graph = graph_after("complete_squares", &model_with(layers));
        let Op::Affine { terms, .. } = &graph.nodes[graph.output].op else { panic!() };
        assert_eq!(terms.len(), 2);
        let columns = |t: &Term| t.weights.row(0).map(|(c, _)| c % 3).collect::<std::collections::BTreeSet<_>>();
        let (on_square, on_x): (Vec<&Term>, Vec<&Term>) =
            terms.iter().partition(|t| matches!(graph.nodes[t.input].op, Op::Square { .. }));
        assert_eq!(columns(on_square[0]).into_iter().collect::<Vec<_>>(), [0, 1]);
        assert_eq!(columns(on_x[0]).into_iter().collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn a_trailing_activation_gets_a_diagonal_map_and_a_leading_square_needs_none() {
        let graph = graph_after("complete_squares", &model_with(vec![square("act")]));
        check_squares(&graph).unwrap();
        let kinds: Vec<bool> = graph.nodes.iter().map(|n| matches!(n.op, Op::Affine { .. })).collect();
        assert_eq!(kinds, [false, false, true], "input, square, and the map that carries the coefficients");
    }
}
