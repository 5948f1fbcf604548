//! What the level planner needs to know of a graph, gathered once so that trying a plan costs microseconds. Must never
//! depend on scales, primes or degrees.

use crate::balance::uniform;
use crate::bounds::Stats;
use crate::graph::{Graph, NodeId, Op};

/// A graph without its weights.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    pub(crate) nodes: Vec<NodeFacts>,
    pub(crate) output: NodeId,
}

/// One node.
#[derive(Debug, Clone)]
pub(crate) struct NodeFacts {
    pub(crate) kind: Kind,
    pub(crate) len: usize,
    /// log2 of the largest absolute value.
    pub(crate) log_bound: f64,
    /// Variance of an output (mean over outputs) for each unit of variance put into every element of this node.
    pub(crate) gain: f64,
}

/// One product of an affine map.
#[derive(Debug, Clone)]
pub(crate) struct TermFacts {
    pub(crate) input: NodeId,
    pub(crate) entries: usize,
    /// The largest absolute weight.
    pub(crate) largest: f64,
}

/// What the planner distinguishes.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Input,
    Affine {
        terms: Vec<TermFacts>,
        /// Whether a square reads it: it then has two components and its scale is brought to the waterline.
        squared: bool,
        /// All weights have the same absolute value, or there are none: exact in integers.
        uniform: bool,
        /// Variance of an output for each unit of variance in every weight.
        rounding: f64,
    },
    Square {
        input: NodeId,
    },
}

/// Gathers the facts of a balanced graph.
pub(crate) fn gather(graph: &Graph, stats: &[Stats]) -> Facts {
    let gains = gains(graph, stats);
    let mut squared = vec![false; graph.nodes.len()];
    for node in &graph.nodes {
        if let Op::Square { input } = node.op {
            squared[input] = true;
        }
    }
    let nodes = (0..graph.nodes.len()).map(|id| {
        let kind = match &graph.nodes[id].op {
            Op::Affine { terms, .. } => {
                let mut rounding = 0.0;
                for term in terms {
                    let from = &stats[term.input];
                    for (r, gain) in gains[id].iter().enumerate() {
                        rounding += gain * term.weights.row(r).map(|(c, _)| from.power(c)).sum::<f64>();
                    }
                }
                let terms = terms.iter().map(|t| TermFacts {
                    input: t.input,
                    entries: t.weights.entries(),
                    largest: t.weights.values().iter().fold(0.0, |l, w| l.max(w.abs())),
                });
                Kind::Affine {
                    terms: terms.collect(),
                    squared: squared[id],
                    uniform: uniform(graph, id),
                    rounding: if uniform(graph, id) { 0.0 } else { rounding },
                }
            }
            Op::Square { input } | Op::Quadratic { input, .. } => Kind::Square { input: *input },
            Op::Input(_) => Kind::Input,
        };
        NodeFacts {
            kind,
            len: graph.len(id),
            log_bound: stats[id].bound().max(f64::MIN_POSITIVE).log2(),
            gain: gains[id].iter().sum(),
        }
    });
    Facts { nodes: nodes.collect(), output: graph.output }
}

/// Backwards through the graph: how the variance of every element's error reaches the outputs, averaged over them. Errors
/// that meet again after different paths are taken as independent.
fn gains(graph: &Graph, stats: &[Stats]) -> Vec<Vec<f64>> {
    let mut gains: Vec<Vec<f64>> = (0..graph.nodes.len()).map(|id| vec![0.0; graph.len(id)]).collect();
    let outputs = graph.len(graph.output).max(1) as f64;
    gains[graph.output].iter_mut().for_each(|g| *g = 1.0 / outputs);
    for id in (1..graph.nodes.len()).rev() {
        let own = std::mem::take(&mut gains[id]);
        match &graph.nodes[id].op {
            Op::Affine { terms, .. } => {
                for term in terms {
                    let into = &mut gains[term.input];
                    for (r, g) in own.iter().enumerate() {
                        term.weights.row(r).for_each(|(c, w)| into[c] += w * w * g);
                    }
                }
            }
            Op::Square { input } | Op::Quadratic { input, .. } => {
                for (j, g) in own.iter().enumerate() {
                    // Linear in the variance: its square is far below, and the final prediction has it.
                    gains[*input][j] += g * 4.0 * stats[*input].power(j);
                }
            }
            Op::Input(_) => {}
        }
        gains[id] = own;
    }
    gains
}
