//! What the level planner needs to know of a graph, gathered once so that trying a plan costs
//! microseconds; independent of scales, primes and degrees.

use std::fmt;

use beaa_ir::images::ElementMajor;

use crate::network::activations::{add_product, centred, sensitivities};
use crate::network::bounds::Bounds;
use crate::network::graph::{Graph, NodeId, Op, Term};
use crate::packing::PackedSummary;
use crate::plan::weight_bits::{MAX_CONSTANT_BITS, MAX_WEIGHT_BITS, MIN_WEIGHT_BITS, largest_weight, uniform};

/// Bits at which the rounding of weights is tried out where trying all would take long: there are
/// then so many weights that what rounding does at others follows by its step.
const REFERENCE_BITS: u32 = 8;
/// Products times images up to which all bits are tried.
const MAX_EXHAUSTIVE_PRODUCTS: usize = 1 << 22;

/// A graph without its weights.
#[derive(Debug, Clone)]
pub(crate) struct GraphSummary {
    pub(crate) nodes: Vec<NodeSummary>,
    pub(crate) output: NodeId,
    /// Where the elements are, if ciphertexts hold several of an image.
    pub(crate) packed: Option<PackedSummary>,
}

impl GraphSummary {
    /// Ciphertexts of a node.
    pub(crate) fn ciphertexts(&self, id: NodeId) -> usize {
        self.packed.as_ref().map_or(self.nodes[id].len, |p| p.graph.nodes[id].layout.ciphertexts())
    }

    /// The most bits that a weight may have.
    pub(crate) fn most_weight_bits(&self) -> u32 {
        if self.packed.is_some() { MAX_CONSTANT_BITS } else { MAX_WEIGHT_BITS }
    }
}

/// One node.
#[derive(Debug, Clone)]
pub(crate) struct NodeSummary {
    pub(crate) kind: NodeKind,
    pub(crate) len: usize,
    /// log2 of the largest absolute value.
    pub(crate) log_bound: f64,
    /// Mean square of an output (mean over outputs) for each unit of variance put into every
    /// element of this node.
    pub(crate) gain: f64,
}

/// One product of an affine map.
#[derive(Debug, Clone)]
pub(crate) struct TermSummary {
    pub(crate) input: NodeId,
    pub(crate) entries: usize,
    /// The largest absolute weight.
    pub(crate) largest: f64,
}

/// What the planner distinguishes.
#[derive(Debug, Clone)]
pub(crate) enum NodeKind {
    Input,
    Affine {
        terms: Vec<TermSummary>,
        /// Whether a square reads it: it then has two components and its scale is brought to the
        /// waterline.
        squared: bool,
        /// All weights have the same absolute value, or there are none: exact in integers.
        uniform: bool,
        /// What rounding to so many bits, from the fewest on, does to an output, mean square.
        rounding: Vec<f64>,
    },
    Square {
        input: NodeId,
    },
}

/// One line for each node; every fourth rounding error.
impl fmt::Display for GraphSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (id, node) in self.nodes.iter().enumerate() {
            write!(f, "%{id} {} x bound 2^{:.2}, gain {:.2e}: ", node.len, node.log_bound, node.gain)?;
            match &node.kind {
                NodeKind::Input => writeln!(f, "input")?,
                NodeKind::Square { input } => writeln!(f, "%{input}^2")?,
                NodeKind::Affine { terms, squared, uniform, rounding } => {
                    let entries: Vec<String> =
                        terms.iter().map(|t| format!("{} * %{} up to {:.3e}", t.entries, t.input, t.largest)).collect();
                    let rounding: Vec<String> = rounding.iter().step_by(4).map(|r| format!("{r:.1e}")).collect();
                    let kind = [(squared, "squared"), (uniform, "uniform")].map(|(yes, w)| if *yes { w } else { "" });
                    writeln!(f, "{} {} rounding {}", entries.join(" + "), kind.join(" "), rounding.join(" "))?;
                }
            }
        }
        Ok(())
    }
}

/// Gathers what the planner needs of a graph with equal rows. `activations` are its values for some
/// images; rounding errors are taken `rounding_margin` times.
pub(crate) fn summarise(
    graph: &Graph,
    bounds: &[Bounds],
    activations: &[ElementMajor<f64>],
    rounding_margin: f64,
) -> GraphSummary {
    let slopes = sensitivities(graph, activations, 1);
    let outputs = graph.len(graph.output).max(1) as f64;
    let mut squared = vec![false; graph.nodes.len()];
    for node in &graph.nodes {
        if let Op::Square { input, .. } = node.op {
            squared[input] = true;
        }
    }
    let nodes = (0..graph.nodes.len()).map(|id| {
        let kind = match &graph.nodes[id].op {
            Op::Affine { terms, .. } => {
                let exact = uniform(graph, id);
                let summary = terms.iter().map(|t| TermSummary {
                    input: t.input,
                    entries: t.weights.entries(),
                    largest: t.weights.values().iter().fold(0.0, |l, w| l.max(w.abs())),
                });
                NodeKind::Affine {
                    terms: summary.collect(),
                    squared: squared[id],
                    uniform: exact,
                    rounding: if exact {
                        Vec::new()
                    } else {
                        rounding(terms, activations, &slopes[id], outputs / (rounding_margin * rounding_margin))
                    },
                }
            }
            Op::Square { input, .. } | Op::Quadratic { input, .. } => NodeKind::Square { input: *input },
            Op::Input(_) => NodeKind::Input,
        };
        let images = slopes[id].images().max(1) as f64;
        NodeSummary {
            kind,
            len: graph.len(id),
            log_bound: bounds[id].largest().max(f64::MIN_POSITIVE).log2(),
            gain: slopes[id].data().iter().map(|v| v * v).sum::<f64>() / (images * outputs),
        }
    });
    GraphSummary { nodes: nodes.collect(), output: graph.output, packed: None }
}

/// What rounding all weights to so many bits does to the signed sum of the outputs, mean square
/// over them. Tried out rather than derived: equal weights (a convolution's) have equal errors,
/// which meet inputs that go together, and a few weights may be lucky.
fn rounding(terms: &[Term], activations: &[ElementMajor<f64>], slopes: &ElementMajor<f64>, outputs: f64) -> Vec<f64> {
    let largest = terms.iter().flat_map(|t| t.weights.values()).fold(0.0_f64, |l, w| l.max(w.abs()));
    let products: usize = terms.iter().map(|t| t.weights.entries()).sum();
    let images = slopes.images();
    let inputs: Vec<ElementMajor<f64>> = terms.iter().map(|t| centred(&activations[t.input])).collect();
    let step = |bits: u32| largest / largest_weight(bits);
    let mean_square = |bits: u32| {
        let step = step(bits);
        let mut errors = ElementMajor::filled(slopes.elements(), images, 0.0);
        for (term, input) in terms.iter().zip(&inputs) {
            add_product(&mut errors, |r| term.weights.row(r).map(|(c, w)| (c, (w / step).round() * step - w)), input);
        }
        let mut sums = vec![0.0; images];
        for (slopes, errors) in slopes.rows().zip(errors.rows()) {
            sums.iter_mut().zip(slopes).zip(errors).for_each(|((sum, v), e)| *sum += v * e);
        }
        sums.iter().map(|s| s * s).sum::<f64>() / (images as f64 * outputs)
    };
    let bits = MIN_WEIGHT_BITS..=MAX_WEIGHT_BITS;
    if largest == 0.0 || images == 0 {
        return bits.map(|_| 0.0).collect();
    }
    if products * images <= MAX_EXHAUSTIVE_PRODUCTS {
        return bits.map(mean_square).collect();
    }
    let reference = mean_square(REFERENCE_BITS);
    bits.map(|b| reference * (step(b) / step(REFERENCE_BITS)).powi(2)).collect()
}
