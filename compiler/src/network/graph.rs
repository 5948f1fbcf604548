//! The compiler's form of a network: sparse affine maps and element-wise squares over vectors,
//! without shapes of feature maps, scales or moduli. [`check`] holds its invariants after every
//! pass.

use std::fmt;

use beaa_ir::Shape;

use crate::error::{Error, Result, internal};
use crate::network::matrix::Matrix;

/// Index of a node; inputs of a node are always smaller.
pub(crate) type NodeId = usize;

/// A closed interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Interval {
    pub(crate) lo: f64,
    pub(crate) hi: f64,
}

impl Interval {
    /// The interval of the same middle, `factor` times as wide.
    pub(crate) fn widened(self, factor: f64) -> Self {
        let (middle, half) = ((self.lo + self.hi) / 2.0, (self.hi - self.lo) / 2.0);
        Self { lo: middle - factor * half, hi: middle + factor * half }
    }
}

/// A network in topological order; node 0 is the input, and the only one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Graph {
    pub(crate) nodes: Vec<Node>,
    pub(crate) output: NodeId,
}

/// A vector of values.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    /// The model's layer that it stands for: of several merged ones, that with the most products.
    pub(crate) label: String,
    /// The layers merged into it.
    pub(crate) folded: Vec<String>,
    pub(crate) op: Op,
    /// Where each element is in its feature map; elements of a vector are channels.
    pub(crate) coordinates: Vec<Coordinate>,
    /// Per element, where its values lie according to the training set, widened by the safety
    /// factor.
    pub(crate) observed_range: Option<Vec<Interval>>,
}

/// Where an element is in a feature map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Coordinate {
    pub(crate) channel: usize,
    pub(crate) row: usize,
    pub(crate) column: usize,
}

impl Coordinate {
    /// Those of all elements of a shape, in order.
    pub(crate) fn all(shape: Shape) -> Vec<Self> {
        let (height, width) = match shape {
            Shape::Map { height, width, .. } => (height, width),
            Shape::Flat { .. } => (1, 1),
        };
        let of = |j: usize| Self { channel: j / (height * width), row: j / width % height, column: j % width };
        (0..shape.len()).map(of).collect()
    }
}

/// What a node computes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Op {
    /// The image, with the interval of each pixel.
    Input(Vec<Interval>),
    /// `sum of weights * input + bias`. An input occurs in one term only.
    Affine { terms: Vec<Term>, bias: Vec<f64> },
    /// `a x^2 + b x + c`, element by element. Gone after `complete_squares`.
    Quadratic { input: NodeId, a: Vec<f64>, b: Vec<f64>, c: Vec<f64> },
    /// `x^2`, element by element. The weights of what reads it hold the quadratic's `a`, whose
    /// absolute values are kept here.
    Square { input: NodeId, curvature: Vec<f64> },
}

/// One product of an affine map.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Term {
    pub(crate) input: NodeId,
    pub(crate) weights: Matrix,
}

impl Op {
    /// The nodes read.
    pub(crate) fn inputs(&self) -> Vec<NodeId> {
        match self {
            Self::Input(_) => Vec::new(),
            Self::Affine { terms, .. } => terms.iter().map(|t| t.input).collect(),
            Self::Quadratic { input, .. } | Self::Square { input, .. } => vec![*input],
        }
    }
}

impl Graph {
    /// Number of elements of a node.
    pub(crate) fn len(&self, id: NodeId) -> usize {
        match &self.nodes[id].op {
            Op::Input(intervals) => intervals.len(),
            Op::Affine { bias, .. } => bias.len(),
            Op::Quadratic { a, .. } => a.len(),
            Op::Square { input, .. } => self.len(*input),
        }
    }

    /// For every node, the nodes that read it.
    pub(crate) fn users(&self) -> Vec<Vec<NodeId>> {
        let mut users = vec![Vec::new(); self.nodes.len()];
        for (id, node) in self.nodes.iter().enumerate() {
            for input in node.op.inputs() {
                users[input].push(id);
            }
        }
        users
    }

    /// Multiplies element `j` of an affine node by `factors[j] > 0` and undoes it in all that
    /// follows: nothing that the network computes changes. The node must not be the output.
    pub(crate) fn rescale(&mut self, id: NodeId, factors: &[f64]) {
        let node = &mut self.nodes[id];
        let Op::Affine { terms, bias } = &mut node.op else { unreachable!("node {id} is not affine") };
        assert_eq!(bias.len(), factors.len(), "factors of node {id}");
        terms.iter_mut().for_each(|t| t.weights.scale_rows(factors));
        bias.iter_mut().zip(factors).for_each(|(b, f)| *b *= f);
        for (i, f) in node.observed_range.iter_mut().flatten().zip(factors) {
            *i = Interval { lo: i.lo * f, hi: i.hi * f };
        }
        let undo: Vec<f64> = factors.iter().map(|f| 1.0 / f).collect();
        let undo_square: Vec<f64> = undo.iter().map(|f| f * f).collect();
        let squares: Vec<NodeId> = (0..self.nodes.len())
            .filter(|&k| matches!(self.nodes[k].op, Op::Square { input, .. } if input == id))
            .collect();
        for later in self.nodes.iter_mut().skip(id + 1) {
            let Op::Affine { terms, .. } = &mut later.op else { continue };
            for term in terms {
                if term.input == id {
                    term.weights.scale_columns(&undo);
                } else if squares.contains(&term.input) {
                    term.weights.scale_columns(&undo_square);
                }
            }
        }
    }
}

/// Terms with the same input become one.
pub(crate) fn collect_terms(terms: Vec<Term>) -> Vec<Term> {
    let mut out: Vec<Term> = Vec::with_capacity(terms.len());
    for term in terms {
        match out.iter_mut().find(|t| t.input == term.input) {
            Some(same) => same.weights = same.weights.sum(&term.weights),
            None => out.push(term),
        }
    }
    out
}

/// One line for each node, numbers to four digits, so that the last bits of a processor's logarithm
/// do not matter.
impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let norm = |v: &[f64]| v.iter().map(|x| x.abs()).sum::<f64>();
        for (id, node) in self.nodes.iter().enumerate() {
            write!(f, "%{id} {} x {}: ", self.len(id), node.label)?;
            match &node.op {
                Op::Input(_) => write!(f, "input")?,
                Op::Affine { terms, bias } => {
                    for Term { input, weights: w } in terms {
                        let (rows, columns, entries) = (w.rows(), w.columns(), w.entries());
                        write!(f, "{rows}x{columns} entries {entries} norm {:.4e} * %{input} + ", norm(w.values()))?;
                    }
                    write!(f, "bias of norm {:.4e}", norm(bias))?;
                }
                Op::Quadratic { input, a, b, c } => {
                    let [a, b, c] = [a, b, c].map(|v| norm(v));
                    write!(f, "a %{input}^2 + b %{input} + c of norms {a:.4e}, {b:.4e}, {c:.4e}")?;
                }
                Op::Square { input, .. } => write!(f, "%{input}^2")?,
            }
            if let Some(range) = node.observed_range.as_ref().and_then(|r| r.first()) {
                write!(f, "; first element within {:.4e} .. {:.4e}", range.lo, range.hi)?;
            }
            if !node.folded.is_empty() {
                write!(f, "; with {}", node.folded.join(", "))?;
            }
            writeln!(f, "{}", if id == self.output { "  <- output" } else { "" })?;
        }
        Ok(())
    }
}

/// Refuses a graph that a pass has broken, and one whose numbers have left double precision, which
/// is the network's fault.
///
/// # Errors
/// [`Error::Internal`] or [`Error::Overflow`] with the node and what is wrong with it.
pub(crate) fn check(graph: &Graph, pass: &'static str) -> Result<()> {
    let fail = |id: NodeId, what: &str| Err(internal(pass, format!("node {id} (`{}`): {what}", graph.nodes[id].label)));
    let overflow = |id: NodeId, found: &str| {
        let layer = graph.nodes[id].label.clone();
        Err(Error::Overflow { operation: format!("rewriting the network (pass `{pass}`)"), found: found.into(), layer })
    };
    if graph.output >= graph.nodes.len() {
        return Err(internal(pass, format!("output {} of {} nodes", graph.output, graph.nodes.len())));
    }
    for (id, node) in graph.nodes.iter().enumerate() {
        if node.op.inputs().iter().any(|&i| i >= id) {
            return fail(id, "reads a later node");
        }
        match &node.op {
            Op::Input(_) if id == 0 => {}
            Op::Input(_) => return fail(id, "is a second input"),
            _ if id == 0 => return fail(id, "is first but not the input"),
            Op::Affine { terms, bias } => {
                for (k, term) in terms.iter().enumerate() {
                    if term.weights.rows() != bias.len() || term.weights.columns() != graph.len(term.input) {
                        return fail(id, "has weights of the wrong size");
                    }
                    if let Some(disorder) = term.weights.disorder() {
                        return fail(id, disorder);
                    }
                    if !term.weights.is_normal() {
                        return overflow(id, "a weight that is zero or not finite");
                    }
                    if terms.iter().take(k).any(|t| t.input == term.input) {
                        return fail(id, "reads an input twice");
                    }
                }
                if bias.iter().any(|b| !b.is_finite()) {
                    return overflow(id, "a bias that is not finite");
                }
            }
            Op::Quadratic { input, a, b, c } => {
                let n = graph.len(*input);
                if a.len() != n || b.len() != n || c.len() != n {
                    return fail(id, "has coefficients of the wrong length");
                }
                if [a, b, c].into_iter().flatten().any(|v| !v.is_finite()) {
                    return overflow(id, "a coefficient that is not finite");
                }
            }
            Op::Square { input, curvature } => {
                if curvature.len() != graph.len(*input) {
                    return fail(id, "has curvatures of the wrong length");
                }
            }
        }
        if node.coordinates.len() != graph.len(id) {
            return fail(id, "has coordinates of the wrong length");
        }
        if node.observed_range.as_ref().is_some_and(|c| c.len() != graph.len(id)) {
            return fail(id, "has a range of the wrong length");
        }
    }
    Ok(())
}

/// The values of every node for one input: what the passes must preserve.
#[cfg(test)]
pub(crate) fn evaluate(graph: &Graph, image: &[f64]) -> Vec<Vec<f64>> {
    let mut values: Vec<Vec<f64>> = Vec::new();
    for node in &graph.nodes {
        let value = match &node.op {
            Op::Input(_) => image.to_vec(),
            Op::Affine { terms, bias } => {
                let mut sum = bias.clone();
                for term in terms {
                    for (s, v) in sum.iter_mut().zip(term.weights.apply(&values[term.input])) {
                        *s += v;
                    }
                }
                sum
            }
            Op::Quadratic { input, a, b, c } => {
                values[*input].iter().enumerate().map(|(j, x)| (a[j] * x + b[j]) * x + c[j]).collect()
            }
            Op::Square { input, .. } => values[*input].iter().map(|x| x * x).collect(),
        };
        values.push(value);
    }
    values
}
