//! A model as stages: what has weights, with everything element-wise behind it folded into one quadratic per element.
//! Must never change what the network computes by more than rounding.

use beaa_ir::{Activation, LayerOp, Model, Shape, Tensor};

use crate::Result;
use crate::error::setting;

/// One pass over a block.
pub(super) struct Stage {
    pub(super) op: Op,
    /// Which value it reads: 0 is the input, `i + 1` the result of stage `i`.
    pub(super) input: usize,
    /// Elements of the result.
    pub(super) len: usize,
    /// `(a x + b) x + c` of every element, right behind.
    pub(super) after: Option<Vec<[f32; 3]>>,
}

pub(super) enum Op {
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

impl Conv {
    pub(super) fn taps(&self) -> usize {
        self.input[0] / self.groups * self.kernel[0] * self.kernel[1]
    }
}

impl Stage {
    pub(super) fn products(&self) -> usize {
        match &self.op {
            Op::Dense(weights) => weights.len(),
            Op::Conv(c) => c.weights.len() * c.output[1] * c.output[2],
            _ => 0,
        }
    }

    /// Numbers per image that a convolution gathers for one row of its output.
    pub(super) fn gathered(&self) -> usize {
        match &self.op {
            Op::Conv(c) => c.taps() * c.output[2],
            _ => 0,
        }
    }

    /// Puts an element-wise quadratic behind; `false` if there is one already, as two do not fold into one.
    fn then(&mut self, next: impl Fn(usize) -> [f32; 3]) -> bool {
        let before = |e: usize| self.after.as_ref().and_then(|a| a.get(e)).copied().unwrap_or([0.0, 1.0, 0.0]);
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

pub(super) fn stages(model: &Model) -> Result<Vec<Stage>> {
    let mut stages: Vec<Stage> = Vec::new();
    // The stage whose result each layer is (0 for the input), and how often a value is read.
    let mut value_of: Vec<usize> = Vec::new();
    let position = |name: &str| model.layers().iter().position(|l| l.name == name);
    let kept: Vec<usize> = model
        .layers()
        .iter()
        .enumerate()
        .flat_map(|(i, l)| match &l.op {
            LayerOp::Add { with } => [position(with), None],
            // A branch is the same value as the layer it starts from.
            LayerOp::Branch { from } => [position(from), Some(i)],
            _ => [None, None],
        })
        .flatten()
        .collect();
    let mut shape = model.input().shape();
    for (i, (layer, &output)) in model.layers().iter().zip(model.shapes()).enumerate() {
        let at = value_of.last().copied().unwrap_or(0);
        // What a residual reads later must stay as it is.
        let free = at > 0 && !i.checked_sub(1).is_some_and(|before| kept.contains(&before));
        let mut push = |op: Op, after: Option<Vec<[f32; 3]>>| {
            stages.push(Stage { op, input: at, len: output.len(), after });
            stages.len()
        };
        let value = match &layer.op {
            LayerOp::Flatten => at,
            LayerOp::Linear(l) => push(Op::Dense(l.weight.data().to_vec()), biases(l.bias.as_ref(), output)),
            LayerOp::Conv2d(c) => {
                let (input, output_map) = (map(shape)?, map(output)?);
                let kernel = [c.weight.shape().get(2), c.weight.shape().get(3)].map(|d| d.copied().unwrap_or(1));
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
                push(Op::Conv(op), biases(c.bias.as_ref(), output))
            }
            LayerOp::AvgPool(p) => {
                let op = Pool { input: map(shape)?, output: map(output)?, kernel: p.kernel, stride: p.stride };
                push(Op::Pool(op), None)
            }
            LayerOp::Add { with } => {
                let other = position(with).and_then(|p| value_of.get(p)).copied().unwrap_or(0);
                push(Op::Add(other), None)
            }
            LayerOp::Branch { from } => position(from).and_then(|p| value_of.get(p)).copied().unwrap_or(0),
            LayerOp::BatchNorm { .. } | LayerOp::Activation { .. } => {
                let next = element_wise(&layer.op, output)?;
                let next = |e: usize| next.get(e).copied().unwrap_or([0.0, 1.0, 0.0]);
                let folded = free && at.checked_sub(1).and_then(|s| stages.get_mut(s)).is_some_and(|s| s.then(next));
                if folded {
                    at
                } else {
                    stages.push(Stage {
                        op: Op::Copy,
                        input: at,
                        len: output.len(),
                        after: Some((0..output.len()).map(next).collect()),
                    });
                    stages.len()
                }
            }
        };
        value_of.push(value);
        shape = output;
    }
    Ok(stages)
}

fn map(shape: Shape) -> Result<[usize; 3]> {
    match shape {
        Shape::Map { channels, height, width } => Ok([channels, height, width]),
        Shape::Flat { .. } => Err(setting("planning a network in plain f32", shape, "a feature map")),
    }
}

fn biases(bias: Option<&Tensor>, output: Shape) -> Option<Vec<[f32; 3]>> {
    let bias = bias?.data();
    let plane = output.len() / bias.len().max(1);
    Some((0..output.len()).map(|e| [0.0, 1.0, bias.get(e / plane.max(1)).copied().unwrap_or(0.0)]).collect())
}

fn element_wise(op: &LayerOp, shape: Shape) -> Result<Vec<[f32; 3]>> {
    let all = 0..shape.len();
    Ok(match op {
        LayerOp::BatchNorm { gamma, beta, mean, var, eps } => {
            let plane = (shape.len() / gamma.data().len().max(1)).max(1);
            let at = |t: &Tensor, e: usize| t.data().get(e / plane).copied().unwrap_or(0.0);
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
        other => return Err(setting("planning a network in plain f32", other.kind(), "a quadratic or a square")),
    })
}
