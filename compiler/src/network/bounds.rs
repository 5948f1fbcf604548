//! Value bounds of every element, from the pixels' interval and the ranges seen in training. They
//! hold for every input whose activations stay within the widened ranges; no estimate enters.

use beaa_ir::images::ElementMajor;

use crate::network::graph::{Graph, Interval, NodeId, Op, Term};

/// The intervals of one node's elements.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bounds(Vec<Interval>);

impl Bounds {
    /// The largest absolute value of element `j`.
    pub(crate) fn element(&self, j: usize) -> f64 {
        let (lo, hi) = (self.0[j].lo.abs(), self.0[j].hi.abs());
        if lo.is_nan() || lo > hi { lo } else { hi }
    }

    /// Whether no value is larger than `limit`, nor unknown.
    pub(crate) fn within(&self, limit: f64) -> bool {
        // Not so for what is no number.
        self.0.iter().all(|i| i.lo.abs() <= limit && i.hi.abs() <= limit)
    }

    /// The interval of each element.
    pub(crate) fn intervals(&self) -> impl Iterator<Item = Interval> {
        self.0.iter().copied()
    }

    /// The largest absolute value.
    pub(crate) fn largest(&self) -> f64 {
        let larger = |a: f64, b: f64| if b.is_nan() || b > a { b } else { a };
        (0..self.0.len()).map(|j| self.element(j)).fold(0.0, larger)
    }
}

/// Bounds of every node.
pub(crate) fn analyse(graph: &Graph) -> Vec<Bounds> {
    let mut all: Vec<Bounds> = Vec::with_capacity(graph.nodes.len());
    for id in 0..graph.nodes.len() {
        all.push(analyse_node(graph, id, &all));
    }
    all
}

/// Whether the ranges seen in training narrow some bound: without that, bounds hold for every image
/// that the input allows.
pub(crate) fn ranges_narrow(graph: &Graph, bounds: &[Bounds]) -> bool {
    if graph.nodes.iter().all(|n| n.observed_range.is_none()) {
        return false;
    }
    let mut free: Vec<Bounds> = Vec::with_capacity(graph.nodes.len());
    for id in 0..graph.nodes.len() {
        free.push(Bounds(arithmetic(graph, id, &free)));
    }
    let narrower = |free: f64, known: f64| free.is_nan() || free > known * (1.0 + 1e-9);
    free.iter().zip(bounds).any(|(free, known)| (0..free.0.len()).any(|j| narrower(free.element(j), known.element(j))))
}

/// Bounds of node `id`, given those of all nodes before it.
pub(crate) fn analyse_node(graph: &Graph, id: NodeId, before: &[Bounds]) -> Bounds {
    let mut intervals = arithmetic(graph, id, before);
    for (interval, range) in intervals.iter_mut().zip(graph.nodes[id].observed_range.iter().flatten()) {
        let narrowed = Interval { lo: interval.lo.max(range.lo), hi: interval.hi.min(range.hi) };
        // A range that contradicts the arithmetic is wrong; the arithmetic is not.
        if narrowed.lo <= narrowed.hi {
            *interval = narrowed;
        }
    }
    Bounds(intervals)
}

/// What the arithmetic alone says of node `id`.
fn arithmetic(graph: &Graph, id: NodeId, before: &[Bounds]) -> Vec<Interval> {
    match &graph.nodes[id].op {
        Op::Input(pixels) => pixels.clone(),
        Op::Affine { terms, bias } => of_affine(terms, bias, before),
        Op::Quadratic { input, a, b, c } => {
            let x = &before[*input].0;
            x.iter().enumerate().map(|(j, &i)| of_quadratic(i, a[j], b[j], c[j])).collect()
        }
        Op::Square { input, .. } => before[*input].0.iter().map(|&i| of_quadratic(i, 1.0, 0.0, 0.0)).collect(),
    }
}

/// The share of images of which some value leaves its bounds: what a run would answer for them is
/// worth nothing if the modulus has no room to spare.
pub(crate) fn out_of_range_share(bounds: &[Bounds], activations: &[ElementMajor<f64>]) -> f64 {
    let outside = out_of_range(bounds, activations);
    outside.iter().filter(|o| **o).count() as f64 / outside.len().max(1) as f64
}

/// Of every image, whether some value leaves its bounds.
pub(crate) fn out_of_range(bounds: &[Bounds], activations: &[ElementMajor<f64>]) -> Vec<bool> {
    let mut outside = vec![false; activations[0].images()];
    for (bounds, values) in bounds.iter().zip(activations) {
        for (j, row) in values.rows().enumerate() {
            // Ranges are stored in single precision.
            let limit = bounds.element(j) * (1.0 + 1e-6) + 1e-9;
            outside.iter_mut().zip(row).for_each(|(o, v)| *o |= v.is_nan() || v.abs() > limit);
        }
    }
    outside
}

fn of_affine(terms: &[Term], bias: &[f64], before: &[Bounds]) -> Vec<Interval> {
    let mut intervals: Vec<Interval> = bias.iter().map(|&b| Interval { lo: b, hi: b }).collect();
    for term in terms {
        let from = &before[term.input].0;
        for (r, interval) in intervals.iter_mut().enumerate() {
            for (c, w) in term.weights.row(r) {
                let (x, y) = (w * from[c].lo, w * from[c].hi);
                interval.lo += x.min(y);
                interval.hi += x.max(y);
            }
        }
    }
    intervals
}

fn of_quadratic(x: Interval, a: f64, b: f64, c: f64) -> Interval {
    let value = |x: f64| (a * x + b) * x + c;
    let (p, q) = (value(x.lo), value(x.hi));
    let (mut lo, mut hi) = (p.min(q), p.max(q));
    if a != 0.0 && (x.lo..=x.hi).contains(&(-b / (2.0 * a))) {
        let vertex = c - b * b / (4.0 * a);
        (lo, hi) = (lo.min(vertex), hi.max(vertex));
    }
    Interval { lo, hi }
}

#[cfg(test)]
mod tests {
    use beaa_ir::images::ImageMajor;

    use super::*;
    use crate::network::graph::evaluate;
    use crate::pipeline::graph_after;
    use crate::testing::{images, random_model};

    #[test]
    fn no_value_leaves_its_interval() {
        for seed in 0..60 {
            let model = random_model(seed);
            let graph = graph_after("import", &model);
            let bounds = analyse(&graph);
            for image in images(&model, seed, 4).rows() {
                let wide: Vec<f64> = image.iter().map(|&v| f64::from(v)).collect();
                for (values, b) in evaluate(&graph, &wide).iter().zip(&bounds) {
                    for (v, i) in values.iter().zip(&b.0) {
                        let slack = 1e-6 * (1.0 + i.lo.abs() + i.hi.abs());
                        assert!(*v >= i.lo - slack && *v <= i.hi + slack, "seed {seed}: {v} outside {i:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn images_that_leave_the_bounds_are_counted() {
        let within = Interval { lo: -1.0, hi: 2.0 };
        let bounds = [Bounds(vec![within; 2])];
        let images = ImageMajor::from_rows(2, [[0.0, 1.0], [2.5, 0.0], [-1.5, 2.0], [0.0, -3.0]]).unwrap();
        assert_eq!(out_of_range_share(&bounds, &[images.to_element_major()]), 0.5);
    }

    #[test]
    fn a_quadratic_s_interval_includes_its_vertex() {
        let y = of_quadratic(Interval { lo: -1.0, hi: 3.0 }, 2.0, -4.0, 5.0);
        assert_eq!(y, Interval { lo: 3.0, hi: 11.0 });
    }
}
