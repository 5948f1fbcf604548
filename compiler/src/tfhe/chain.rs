//! A model as a chain for the `tfhe` backend: linear map, function of each element, linear map, and
//! so on to the outputs.

use beaa_ir::{Activation, LayerOp, Model};

use crate::error::UnsupportedLayer;
use crate::network::graph::{Graph, NodeId, Op};
use crate::network::import::import_with_any_activation;
use crate::network::matrix::Matrix;
use crate::{Error, Result};

/// `weights * x + bias`, and the model's layer that it stands for.
pub(crate) struct Affine {
    pub(crate) layer: String,
    pub(crate) weights: Matrix,
    pub(crate) bias: Vec<f64>,
}

/// What is looked up.
pub(crate) enum Function {
    Relu,
    /// `a x^2 + b x + c`, coefficients per element.
    Quadratic {
        a: Vec<f64>,
        b: Vec<f64>,
        c: Vec<f64>,
    },
}

impl Function {
    /// The value of element `j`.
    pub(crate) fn at(&self, j: usize, x: f64) -> f64 {
        match self {
            Self::Relu => x.max(0.0),
            Self::Quadratic { a, b, c } => (a[j] * x + b[j]) * x + c[j],
        }
    }
}

/// Linear maps with a function between each two.
pub(crate) struct Chain {
    pub(crate) maps: Vec<Affine>,
    pub(crate) functions: Vec<Function>,
}

/// Takes a model apart. Adjacent linear maps become one.
///
/// # Errors
/// [`Error::Unsupported`] for a sum of two branches.
pub(crate) fn chain(model: &Model) -> Result<Chain> {
    let graph = import_with_any_activation(model, 1.0);
    let mut maps: Vec<Affine> = Vec::new();
    let mut functions = Vec::new();
    for id in path(model, &graph)? {
        let node = &graph.nodes[id];
        match &node.op {
            Op::Affine { terms, bias } => {
                // The path has one input for each node, and terms of one input are one.
                let term = &terms[0];
                let next = Affine { layer: node.label.clone(), weights: term.weights.clone(), bias: bias.clone() };
                match maps.pop() {
                    Some(before) if maps.len() == functions.len() => maps.push(join(before, next)),
                    Some(before) => maps.extend([before, next]),
                    None => maps.push(next),
                }
            }
            Op::Quadratic { a, b, c, .. } => {
                if maps.len() == functions.len() {
                    maps.push(identity(a.len()));
                }
                functions.push(if relu(model, &node.label) {
                    Function::Relu
                } else {
                    Function::Quadratic { a: a.clone(), b: b.clone(), c: c.clone() }
                });
            }
            Op::Input(_) => {}
            Op::Square { .. } => unreachable!("`{}` is a square before squares are made", node.label),
        }
    }
    if maps.len() == functions.len() {
        maps.push(identity(model.outputs()));
    }
    Ok(Chain { maps, functions })
}

/// The nodes from the input to the output, each with one input, the one before it.
fn path(model: &Model, graph: &Graph) -> Result<Vec<NodeId>> {
    let mut path = vec![graph.output];
    let mut id = graph.output;
    while id != 0 {
        let inputs = graph.nodes[id].op.inputs();
        let &[input] = inputs.as_slice() else {
            let layer = UnsupportedLayer {
                layer: graph.nodes[id].label.clone(),
                found: format!("a sum of {} earlier layers", inputs.len()),
                remedy: "the tfhe backend runs chains of layers only; compile for ckks, or train a network without \
                         shortcuts",
            };
            return Err(Error::Unsupported { model: model.name().into(), layers: vec![layer] });
        };
        path.push(input);
        id = input;
    }
    path.reverse();
    Ok(path)
}

fn relu(model: &Model, label: &str) -> bool {
    let is = |op: &LayerOp| matches!(op, LayerOp::Activation { function: Activation::Relu, .. });
    model.layers().iter().any(|l| l.name == label && is(&l.op))
}

fn identity(n: usize) -> Affine {
    Affine { layer: "identity".into(), weights: Matrix::diagonal(vec![1.0; n]), bias: vec![0.0; n] }
}

fn join(inner: Affine, outer: Affine) -> Affine {
    let mut bias = outer.bias;
    for (r, b) in bias.iter_mut().enumerate() {
        *b += outer.weights.row(r).map(|(c, w)| w * inner.bias[c]).sum::<f64>();
    }
    let layer = if inner.weights.entries() >= outer.weights.entries() { inner.layer } else { outer.layer };
    Affine { layer, weights: outer.weights.compose(&inner.weights), bias }
}
