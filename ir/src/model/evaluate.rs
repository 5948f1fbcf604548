//! What a model means: its evaluation for one image in `f64`, written for clarity and not for
//! speed. The oracle of every other evaluation in the toolchain.

use std::collections::HashMap;

use super::shapes::INPUT;
use super::{Activation, Conv2d, LayerOp, Linear, Model, Pool2d};
use crate::{Result, Shape, Tensor};

/// The output of every layer for one image, `[layer][element]`, in the order of the layers.
pub type Trace = Vec<Vec<f64>>;

/// Computes the outputs for one normalised image, given as `[channel][row][column]`.
///
/// # Errors
/// [`Error::ImageSize`](crate::Error::ImageSize) if the image has another number of elements than
/// the model's input.
pub fn evaluate(model: &Model, image: &[f32]) -> Result<Vec<f64>> {
    let mut trace = evaluate_traced(model, image)?;
    Ok(trace.pop().unwrap_or_else(|| image.iter().map(|&v| f64::from(v)).collect()))
}

/// Computes the output of every layer for one normalised image, given as `[channel][row][column]`.
///
/// # Errors
/// [`Error::ImageSize`](crate::Error::ImageSize) if the image has another number of elements than
/// the model's input.
pub fn evaluate_traced(model: &Model, image: &[f32]) -> Result<Trace> {
    let mut shape = model.input().shape();
    model.input().check_size("evaluating a model", image.len())?;
    let mut trace: Trace = Vec::with_capacity(model.layers().len());
    let mut by_name: HashMap<&str, usize> = HashMap::new();
    let input: Vec<f64> = image.iter().map(|&v| f64::from(v)).collect();
    for (i, (layer, &out_shape)) in model.layers().iter().zip(model.shapes()).enumerate() {
        let x = trace.last().unwrap_or(&input);
        let y = match &layer.op {
            LayerOp::Conv2d(conv) => convolve(conv, x, shape, out_shape),
            LayerOp::Linear(linear) => multiply(linear, x),
            LayerOp::BatchNorm { gamma, beta, mean, var, eps } => {
                let plane = shape.len() / gamma.data().len();
                x.iter()
                    .enumerate()
                    .map(|(e, v)| {
                        let c = e / plane;
                        (v - at(mean, c)) / (at(var, c) + f64::from(*eps)).sqrt() * at(gamma, c) + at(beta, c)
                    })
                    .collect()
            }
            LayerOp::AvgPool(pool) => average(pool, x, shape, out_shape),
            LayerOp::Flatten => x.clone(),
            LayerOp::Add { with } => {
                let other = &trace[by_name[with.as_str()]];
                x.iter().zip(other).map(|(a, b)| a + b).collect()
            }
            LayerOp::Branch { from } if from == INPUT => input.clone(),
            LayerOp::Branch { from } => trace[by_name[from.as_str()]].clone(),
            LayerOp::Activation { function, .. } => activate(function, x, shape),
        };
        by_name.insert(&layer.name, i);
        trace.push(y);
        shape = out_shape;
    }
    Ok(trace)
}

fn at(tensor: &Tensor, index: usize) -> f64 {
    f64::from(tensor.data()[index])
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
    let ([channels, height, width], [outs, out_height, out_width]) = (map(input), map(output));
    let &[_, per_group, kernel_height, kernel_width] = conv.weight.shape() else {
        unreachable!("a checked convolution has weights of shape {:?}", conv.weight.shape());
    };
    let outs_per_group = outs / conv.groups;
    // A position in the padding holds zero.
    let pixel = |channel: usize, row: usize, column: usize| {
        let (row, column) = (row.checked_sub(conv.padding[0])?, column.checked_sub(conv.padding[1])?);
        (row < height && column < width).then(|| x[(channel * height + row) * width + column])
    };
    let mut y = Vec::with_capacity(output.len());
    for o in 0..outs {
        let first = o / outs_per_group * per_group;
        assert!(first + per_group <= channels, "channels up to {} of {channels}", first + per_group);
        for r in 0..out_height {
            for c in 0..out_width {
                let mut sum = conv.bias.as_ref().map_or(0.0, |b| at(b, o));
                for i in 0..per_group {
                    for u in 0..kernel_height {
                        for v in 0..kernel_width {
                            let row = r * conv.stride[0] + u * conv.dilation[0];
                            let column = c * conv.stride[1] + v * conv.dilation[1];
                            if let Some(pixel) = pixel(first + i, row, column) {
                                let weight = ((o * per_group + i) * kernel_height + u) * kernel_width + v;
                                sum += at(&conv.weight, weight) * pixel;
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
    let ([_, height, width], [channels, out_height, out_width]) = (map(input), map(output));
    let share = 1.0 / (pool.kernel[0] * pool.kernel[1]) as f64;
    let mut y = Vec::with_capacity(output.len());
    for p in 0..channels {
        for r in 0..out_height {
            for c in 0..out_width {
                let mut sum = 0.0;
                for u in 0..pool.kernel[0] {
                    for v in 0..pool.kernel[1] {
                        let (row, column) = (r * pool.stride[0] + u, c * pool.stride[1] + v);
                        sum += x[(p * height + row) * width + column];
                    }
                }
                y.push(sum * share);
            }
        }
    }
    y
}

/// Channels, rows and columns, where the check of the model has seen to it that there are any.
fn map(shape: Shape) -> [usize; 3] {
    match shape {
        Shape::Map { channels, height, width } => [channels, height, width],
        Shape::Flat { features } => unreachable!("a vector of {features} where a checked model has a feature map"),
    }
}
