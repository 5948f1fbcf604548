//! Value bounds and rough statistics of every element, from the pixels' interval and the ranges seen in training. Bounds
//! hold for every input whose activations stay within the widened ranges; statistics are estimates for the noise model
//! and must never be used as bounds.

use crate::graph::{Graph, Interval, NodeId, Op, Term};

/// Ranges are taken to reach this many standard deviations to either side: real pre-activations reach further over a
/// whole training set, which errs on the side of a larger predicted error.
const RANGE_DEVIATIONS: f64 = 4.0;
/// Estimates that assume independent inputs are widened by this much when no range is known.
const INDEPENDENCE_SLACK: f64 = 2.0;
/// When one is known, inputs may be correlated enough to exceed that estimate by this much, and never fall below it.
const CORRELATION_LIMIT: f64 = 5.0;

/// What is known of one node's elements.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stats {
    pub(crate) interval: Vec<Interval>,
    pub(crate) mean: Vec<f64>,
    pub(crate) deviation: Vec<f64>,
}

impl Stats {
    /// The largest absolute value of element `j`.
    pub(crate) fn element_bound(&self, j: usize) -> f64 {
        self.interval.get(j).map_or(0.0, |i| i.lo.abs().max(i.hi.abs()))
    }

    /// The largest absolute value.
    pub(crate) fn bound(&self) -> f64 {
        (0..self.interval.len()).map(|j| self.element_bound(j)).fold(0.0, f64::max)
    }

    /// Estimated mean square of element `j`.
    pub(crate) fn power(&self, j: usize) -> f64 {
        self.mean[j].powi(2) + self.deviation[j].powi(2)
    }
}

/// Bounds and statistics of every node. `safety` is the factor by which ranges were widened.
pub(crate) fn analyse(graph: &Graph, safety: f64) -> Vec<Stats> {
    let mut all: Vec<Stats> = Vec::with_capacity(graph.nodes.len());
    for id in 0..graph.nodes.len() {
        all.push(analyse_node(graph, id, &all, safety));
    }
    all
}

/// Bounds and statistics of node `id`, given those of all nodes before it.
pub(crate) fn analyse_node(graph: &Graph, id: NodeId, before: &[Stats], safety: f64) -> Stats {
    let node = &graph.nodes[id];
    let mut stats = match &node.op {
        Op::Input(pixels) => of_input(pixels),
        Op::Affine { terms, bias } => of_affine(terms, bias, before),
        Op::Quadratic { input, a, b, c } => of_quadratic(&before[*input], a, b, c),
        Op::Square { input } => {
            let n = before[*input].mean.len();
            of_quadratic(&before[*input], &vec![1.0; n], &vec![0.0; n], &vec![0.0; n])
        }
    };
    refine(&mut stats, node.clip.as_deref(), safety, matches!(node.op, Op::Affine { .. }));
    stats
}

fn of_affine(terms: &[Term], bias: &[f64], before: &[Stats]) -> Stats {
    let mut interval: Vec<Interval> = bias.iter().map(|&b| Interval { lo: b, hi: b }).collect();
    let mut mean = bias.to_vec();
    let mut variance = vec![0.0; bias.len()];
    for term in terms {
        let from = &before[term.input];
        for r in 0..bias.len() {
            for (c, w) in term.weights.row(r) {
                let i = from.interval[c];
                interval[r].lo += (w * i.lo).min(w * i.hi);
                interval[r].hi += (w * i.lo).max(w * i.hi);
                mean[r] += w * from.mean[c];
                variance[r] += (w * from.deviation[c]).powi(2);
            }
        }
    }
    Stats { interval, mean, deviation: variance.into_iter().map(f64::sqrt).collect() }
}

/// Normalised images have mean 0 and deviation 1, by the meaning of normalisation; raw pixels have less.
fn of_input(pixels: &[Interval]) -> Stats {
    Stats {
        interval: pixels.to_vec(),
        mean: pixels.iter().map(|i| 0.0_f64.clamp(i.lo, i.hi)).collect(),
        deviation: pixels.iter().map(|i| ((i.hi - i.lo) / 2.0).min(1.0)).collect(),
    }
}

/// `a x^2 + b x + c` of a nearly normal `x`.
fn of_quadratic(x: &Stats, a: &[f64], b: &[f64], c: &[f64]) -> Stats {
    let mut out = Stats { interval: Vec::new(), mean: Vec::new(), deviation: Vec::new() };
    for (j, ((&a, &b), &c)) in a.iter().zip(b).zip(c).enumerate() {
        let (i, m, s) = (x.interval[j], x.mean[j], x.deviation[j]);
        let value = |x: f64| (a * x + b) * x + c;
        let (mut lo, mut hi) = (value(i.lo).min(value(i.hi)), value(i.lo).max(value(i.hi)));
        if a != 0.0 && (i.lo..=i.hi).contains(&(-b / (2.0 * a))) {
            let vertex = c - b * b / (4.0 * a);
            (lo, hi) = (lo.min(vertex), hi.max(vertex));
        }
        out.interval.push(Interval { lo, hi });
        out.mean.push(value(m) + a * s * s);
        out.deviation.push((((2.0 * a * m + b) * s).powi(2) + 2.0 * (a * s * s).powi(2)).sqrt());
    }
    out
}

/// Narrows by the range seen in training, and keeps the estimates inside the interval.
fn refine(stats: &mut Stats, clip: Option<&[Interval]>, safety: f64, estimated: bool) {
    for j in 0..stats.mean.len() {
        let seen = clip.and_then(|c| c.get(j));
        let deviation = &mut stats.deviation[j];
        if let Some(range) = seen {
            let narrowed = Interval { lo: stats.interval[j].lo.max(range.lo), hi: stats.interval[j].hi.min(range.hi) };
            // A range that contradicts the arithmetic is wrong; the arithmetic is not.
            if narrowed.lo <= narrowed.hi {
                stats.interval[j] = narrowed;
            }
            if estimated {
                let from_range = (range.hi - range.lo) / safety / (2.0 * RANGE_DEVIATIONS);
                *deviation = from_range.clamp(*deviation, CORRELATION_LIMIT * *deviation);
            }
        } else if estimated {
            *deviation *= INDEPENDENCE_SLACK;
        }
        let i = stats.interval[j];
        stats.mean[j] = stats.mean[j].clamp(i.lo, i.hi);
        stats.deviation[j] = stats.deviation[j].min((i.hi - i.lo) / 2.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::evaluate;
    use crate::import::import;
    use crate::testing::{images, random_model};

    #[test]
    fn no_value_leaves_its_interval() {
        for seed in 0..60 {
            let model = random_model(seed);
            let graph = import(&model, 2.0).unwrap();
            let stats = analyse(&graph, 2.0);
            for image in images(&model, seed, 4) {
                let wide: Vec<f64> = image.iter().map(|&v| f64::from(v)).collect();
                for (values, s) in evaluate(&graph, &wide).iter().zip(&stats) {
                    for (v, i) in values.iter().zip(&s.interval) {
                        let slack = 1e-6 * (1.0 + i.lo.abs() + i.hi.abs());
                        assert!(*v >= i.lo - slack && *v <= i.hi + slack, "seed {seed}: {v} outside {i:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_quadratic_s_interval_includes_its_vertex() {
        let x = Stats { interval: vec![Interval { lo: -1.0, hi: 3.0 }], mean: vec![1.0], deviation: vec![0.5] };
        let y = of_quadratic(&x, &[2.0], &[-4.0], &[5.0]);
        assert_eq!(y.interval, [Interval { lo: 3.0, hi: 11.0 }]);
        assert!((y.mean[0] - 3.5).abs() < 1e-12, "vertex value 3 plus 2 * 0.25");
    }
}
