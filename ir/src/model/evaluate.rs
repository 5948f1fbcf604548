//! What a model means: its evaluation for one image in `f64`, written for clarity. The oracle of every other
//! evaluation in the toolchain; it must never be made fast at the price of being obvious.

use std::collections::HashMap;

use super::{Activation, Conv2d, LayerOp, Linear, Model, Pool2d};
use crate::{Error, Result, Shape, Tensor};

/// The output of every layer for one image, in the order of the layers.
pub type Trace = Vec<Vec<f64>>;

/// The outputs for one normalised image, channels then rows then columns.
pub fn evaluate(model: &Model, image: &[f32]) -> Result<Vec<f64>> {
    let mut trace = evaluate_traced(model, image)?;
    Ok(trace.pop().unwrap_or_else(|| image.iter().map(|&v| f64::from(v)).collect()))
}

/// The output of every layer for one normalised image.
pub fn evaluate_traced(model: &Model, image: &[f32]) -> Result<Trace> {
    let mut shape = model.input().shape();
    if image.len() != shape.len() {
        return Err(Error::malformed(
            "evaluating a model",
            format!("an image of {} numbers", image.len()),
            format!("{}", shape.len()),
        ));
    }
    let mut trace: Trace = Vec::with_capacity(model.layers().len());
    let mut by_name: HashMap<&str, usize> = HashMap::new();
    let input: Vec<f64> = image.iter().map(|&v| f64::from(v)).collect();
    for (i, (layer, &out_shape)) in model.layers().iter().zip(model.shapes()).enumerate() {
        let x = trace.last().unwrap_or(&input);
        let y = match &layer.op {
            LayerOp::Conv2d(conv) => convolve(conv, x, shape, out_shape),
            LayerOp::Linear(linear) => multiply(linear, x),
            LayerOp::BatchNorm { gamma, beta, mean, var, eps } => {
                let plane = shape.len() / gamma.data().len().max(1);
                x.iter()
                    .enumerate()
                    .map(|(e, v)| {
                        let c = e / plane.max(1);
                        (v - at(mean, c)) / (at(var, c) + f64::from(*eps)).sqrt() * at(gamma, c) + at(beta, c)
                    })
                    .collect()
            }
            LayerOp::AvgPool(pool) => average(pool, x, shape, out_shape),
            LayerOp::Flatten => x.clone(),
            LayerOp::Add { with } => {
                let other = by_name.get(with.as_str()).and_then(|&k| trace.get(k));
                x.iter().zip(other.into_iter().flatten()).map(|(a, b)| a + b).collect()
            }
            LayerOp::Branch { from } => {
                by_name.get(from.as_str()).and_then(|&k| trace.get(k)).unwrap_or(&input).clone()
            }
            LayerOp::Activation { function, .. } => activate(function, x, shape),
        };
        by_name.insert(&layer.name, i);
        trace.push(y);
        shape = out_shape;
    }
    Ok(trace)
}

fn at(tensor: &Tensor, index: usize) -> f64 {
    tensor.data().get(index).copied().map_or(0.0, f64::from)
}

fn activate(function: &Activation, x: &[f64], shape: Shape) -> Vec<f64> {
    match function {
        Activation::Relu => x.iter().map(|v| v.max(0.0)).collect(),
        Activation::Square => x.iter().map(|v| v * v).collect(),
        Activation::Polynomial(p) => x
            .iter()
            .enumerate()
            .map(|(e, &v)| {
                let [a, b, c] = [&p.a, &p.b, &p.c].map(|t| f64::from(t.broadcast(shape, e)));
                (a * v + b) * v + c
            })
            .collect(),
    }
}

fn multiply(linear: &Linear, x: &[f64]) -> Vec<f64> {
    linear
        .weight
        .data()
        .chunks(x.len().max(1))
        .enumerate()
        .map(|(o, row)| {
            let sum: f64 = row.iter().zip(x).map(|(&w, v)| f64::from(w) * v).sum();
            sum + linear.bias.as_ref().map_or(0.0, |b| at(b, o))
        })
        .collect()
}

fn convolve(conv: &Conv2d, x: &[f64], input: Shape, output: Shape) -> Vec<f64> {
    let (Shape::Map { channels, height, width }, Shape::Map { channels: outs, height: oh, width: ow }) =
        (input, output)
    else {
        return Vec::new();
    };
    let &[_, per_group, kh, kw] = conv.weight.shape() else {
        return Vec::new();
    };
    let outs_per_group = outs / conv.groups;
    let mut y = Vec::with_capacity(output.len());
    for o in 0..outs {
        let first = o / outs_per_group * per_group;
        debug_assert!(first + per_group <= channels);
        for r in 0..oh {
            for c in 0..ow {
                let mut sum = conv.bias.as_ref().map_or(0.0, |b| at(b, o));
                for i in 0..per_group {
                    for u in 0..kh {
                        for v in 0..kw {
                            let row = r * conv.stride[0] + u * conv.dilation[0];
                            let column = c * conv.stride[1] + v * conv.dilation[1];
                            // Positions in the padding hold zeros.
                            let (Some(row), Some(column)) =
                                (row.checked_sub(conv.padding[0]), column.checked_sub(conv.padding[1]))
                            else {
                                continue;
                            };
                            if row < height && column < width {
                                let pixel =
                                    x.get(((first + i) * height + row) * width + column).copied().unwrap_or(0.0);
                                sum += at(&conv.weight, ((o * per_group + i) * kh + u) * kw + v) * pixel;
                            }
                        }
                    }
                }
                y.push(sum);
            }
        }
    }
    y
}

fn average(pool: &Pool2d, x: &[f64], input: Shape, output: Shape) -> Vec<f64> {
    let (Shape::Map { height, width, .. }, Shape::Map { channels, height: oh, width: ow }) = (input, output) else {
        return Vec::new();
    };
    let share = 1.0 / (pool.kernel[0] * pool.kernel[1]) as f64;
    let mut y = Vec::with_capacity(output.len());
    for p in 0..channels {
        for r in 0..oh {
            for c in 0..ow {
                let mut sum = 0.0;
                for u in 0..pool.kernel[0] {
                    for v in 0..pool.kernel[1] {
                        let (row, column) = (r * pool.stride[0] + u, c * pool.stride[1] + v);
                        sum += x.get((p * height + row) * width + column).copied().unwrap_or(0.0);
                    }
                }
                y.push(sum * share);
            }
        }
    }
    y
}
