//! A model as stages: what has weights, with everything element-wise behind it folded into one
//! quadratic per element.

use beaa_ir::{Activation, LayerOp, Model, Shape, Tensor};

use crate::Result;
use crate::error::setting;

/// The name of the image among the layers.
const INPUT: &str = "input";
/// What errors say was being done.
const PLANNING: &str = "planning a network in plain f32";

/// One pass over a block.
pub(super) struct Stage {
    pub(super) op: StageOp,
    /// Which value it reads: 0 is the input, `i + 1` the result of stage `i`.
    pub(super) input: usize,
    /// Elements of the result.
    pub(super) len: usize,
    /// `(a x + b) x + c` of every element, right behind.
    pub(super) after: Option<Vec<[f32; 3]>>,
}

pub(super) enum StageOp {
    /// `[out][in]`.
    Dense(Vec<f32>),
    Conv(Conv),
    Pool(Pool),
    /// The sum with another value.
    Add(usize),
    /// Nothing but what comes after.
    Copy,
}

pub(super) struct Conv {
    /// `[out][in of the group][kernel row][kernel column]`.
    pub(super) weights: Vec<f32>,
    pub(super) input: [usize; 3],
    pub(super) output: [usize; 3],
    pub(super) kernel: [usize; 2],
    pub(super) stride: [usize; 2],
    pub(super) padding: [usize; 2],
    pub(super) dilation: [usize; 2],
    pub(super) groups: usize,
}

pub(super) struct Pool {
    pub(super) input: [usize; 3],
    pub(super) output: [usize; 3],
    pub(super) kernel: [usize; 2],
    pub(super) stride: [usize; 2],
}

/// Coefficients of a quadratic that changes nothing.
const IDENTITY: [f32; 3] = [0.0, 1.0, 0.0];

impl Conv {
    pub(super) fn taps(&self) -> usize {
        self.input[0] / self.groups * self.kernel[0] * self.kernel[1]
    }
}

impl Stage {
    pub(super) fn products(&self) -> usize {
        match &self.op {
            StageOp::Dense(weights) => weights.len(),
            StageOp::Conv(c) => c.weights.len() * c.output[1] * c.output[2],
            _ => 0,
        }
    }

    /// Numbers per image that a convolution gathers for one row of its output.
    pub(super) fn gathered(&self) -> usize {
        match &self.op {
            StageOp::Conv(c) => c.taps() * c.output[2],
            _ => 0,
        }
    }

    /// Puts element-wise quadratics behind, and says whether it did: two squares do not fold into
    /// one.
    fn then(&mut self, next: impl Fn(usize) -> [f32; 3]) -> bool {
        let before = |e: usize| self.after.as_ref().map_or(IDENTITY, |after| after[e]);
        let folded = (0..self.len).map(|e| {
            let ([a, b, c], [s, t, u]) = (before(e), next(e));
            match (a == 0.0, s == 0.0) {
                (true, _) => Some([s * b * b, 2.0 * s * b * c + t * b, (s * c + t) * c + u]),
                (false, true) => Some([t * a, t * b, t * c + u]),
                (false, false) => None,
            }
        });
        match folded.collect::<Option<Vec<_>>>() {
            Some(folded) => {
                self.after = Some(folded);
                true
            }
            None => false,
        }
    }
}

/// Plans the stages of a model; refuses ReLU.
pub(super) fn stages(model: &Model) -> Result<Vec<Stage>> {
    let mut stages: Vec<Stage> = Vec::new();
    // For each layer so far, which value its result is: 0 for the input, `i + 1` for the result of
    // stage `i`.
    let mut value_of: Vec<usize> = Vec::new();
    let position = |name: &str| model.layers().iter().position(|l| l.name == name);
    let read_again = read_again(model);
    let mut shape = model.input().shape();
    for (i, (layer, &output)) in model.layers().iter().zip(model.shapes()).enumerate() {
        let at = value_of.last().copied().unwrap_or(0);
        // What a shortcut reads later must stay as it is.
        let free = at > 0 && !read_again.contains(&(i - 1));
        let mut push = |op: StageOp, after: Option<Vec<[f32; 3]>>| {
            stages.push(Stage { op, input: at, len: output.len(), after });
            stages.len()
        };
        let value = match &layer.op {
            LayerOp::Flatten => at,
            LayerOp::Linear(l) => push(StageOp::Dense(l.weight.data().to_vec()), biases(l.bias.as_ref(), output)),
            LayerOp::Conv2d(c) => {
                let (input, output_map) = (map(shape)?, map(output)?);
                let &[_, _, rows, columns] = c.weight.shape() else {
                    return Err(setting(PLANNING, format!("weights of shape {:?}", c.weight.shape()), "four extents"));
                };
                let kernel = [rows, columns];
                let op = Conv {
                    weights: c.weight.data().to_vec(),
                    input,
                    output: output_map,
                    kernel,
                    stride: c.stride,
                    padding: c.padding,
                    dilation: c.dilation,
                    groups: c.groups,
                };
                push(StageOp::Conv(op), biases(c.bias.as_ref(), output))
            }
            LayerOp::AvgPool(p) => {
                let op = Pool { input: map(shape)?, output: map(output)?, kernel: p.kernel, stride: p.stride };
                push(StageOp::Pool(op), None)
            }
            LayerOp::Add { with } => {
                let other = value_named(with, position(with), &value_of)?;
                push(StageOp::Add(other), None)
            }
            LayerOp::Branch { from } if from == INPUT => 0,
            LayerOp::Branch { from } => value_named(from, position(from), &value_of)?,
            // Element-wise, or refused by name.
            _ => {
                let next = element_wise(&layer.op, output)?;
                if free && stages[at - 1].then(|e| next[e]) {
                    at
                } else {
                    stages.push(Stage { op: StageOp::Copy, input: at, len: output.len(), after: Some(next) });
                    stages.len()
                }
            }
        };
        value_of.push(value);
        shape = output;
    }
    Ok(stages)
}

/// The layers whose results are read by another layer than the next one.
fn read_again(model: &Model) -> Vec<usize> {
    let position = |name: &str| model.layers().iter().position(|l| l.name == name);
    let layers = model.layers().iter().enumerate();
    let read = layers.flat_map(|(i, l)| match &l.op {
        LayerOp::Add { with } => [position(with), None],
        // A branch is the same value as the layer it starts from.
        LayerOp::Branch { from } => [position(from), Some(i)],
        _ => [None, None],
    });
    read.flatten().collect()
}

/// The value of an earlier layer.
fn value_named(name: &str, position: Option<usize>, value_of: &[usize]) -> Result<usize> {
    let value = position.and_then(|p| value_of.get(p)).copied();
    value.ok_or_else(|| setting(PLANNING, format!("a shortcut from {name}"), "an earlier layer"))
}

fn map(shape: Shape) -> Result<[usize; 3]> {
    match shape {
        Shape::Map { channels, height, width } => Ok([channels, height, width]),
        Shape::Flat { .. } => Err(setting(PLANNING, shape, "a feature map")),
    }
}

/// How many elements share one of `count` numbers.
fn elements_per(count: usize, shape: Shape) -> usize {
    assert!(count > 0 && shape.len().is_multiple_of(count), "{count} numbers for {} elements", shape.len());
    shape.len() / count
}

fn biases(bias: Option<&Tensor>, output: Shape) -> Option<Vec<[f32; 3]>> {
    let bias = bias?.data();
    let plane = elements_per(bias.len(), output);
    Some((0..output.len()).map(|e| [0.0, 1.0, bias[e / plane]]).collect())
}

fn element_wise(op: &LayerOp, shape: Shape) -> Result<Vec<[f32; 3]>> {
    let all = 0..shape.len();
    Ok(match op {
        LayerOp::BatchNorm { gamma, beta, mean, var, eps } => {
            let plane = elements_per(gamma.data().len(), shape);
            let at = |t: &Tensor, e: usize| t.data()[e / plane];
            all.map(|e| {
                let scale = at(gamma, e) / (at(var, e) + eps).sqrt();
                [0.0, scale, at(beta, e) - scale * at(mean, e)]
            })
            .collect()
        }
        LayerOp::Activation { function: Activation::Square, .. } => all.map(|_| [1.0, 0.0, 0.0]).collect(),
        LayerOp::Activation { function: Activation::Polynomial(p), .. } => {
            all.map(|e| [&p.a, &p.b, &p.c].map(|t| t.broadcast(shape, e))).collect()
        }
        other => return Err(setting(PLANNING, other.kind(), "a quadratic or a square")),
    })
}
