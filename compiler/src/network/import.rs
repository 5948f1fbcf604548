//! A model's layers become affine maps and quadratics over elements, in time linear in the number
//! of products. Layers that cannot be compiled are listed all at once.

use std::collections::HashMap;

use beaa_ir::{Activation, Conv2d, Layer, LayerOp, Linear, Model, Pool2d, Range, Shape, Tensor};

use crate::error::UnsupportedLayer;
use crate::network::graph::{Coordinate, Graph, Interval, Node, NodeId, Op, Term, collect_terms};
use crate::network::matrix::Matrix;
use crate::{Error, Result};

/// The network as a graph. `safety` widens the ranges seen in training.
///
/// # Errors
/// [`Error::Unsupported`] with every layer that cannot be evaluated under encryption.
pub(crate) fn import(model: &Model, safety: f64) -> Result<Graph> {
    let unsupported: Vec<UnsupportedLayer> = model.layers().iter().filter_map(unsupported).collect();
    if !unsupported.is_empty() {
        return Err(Error::Unsupported { model: model.name().into(), layers: unsupported });
    }
    Ok(import_with_any_activation(model, safety))
}

/// The network as a graph with a square in the place of every ReLU: for those who look the function
/// up by the layer's name.
pub(crate) fn import_with_any_activation(model: &Model, safety: f64) -> Graph {
    let input = Node {
        label: "input".into(),
        folded: Vec::new(),
        op: Op::Input(allowed(model)),
        coordinates: Coordinate::all(model.input().shape()),
        observed_range: None,
    };
    let mut graph = Graph { nodes: vec![input], output: 0 };
    // The model's check has made sure that every name exists.
    let mut by_name: HashMap<&str, NodeId> = HashMap::from([("input", 0)]);
    let mut shape = model.input().shape();
    for (layer, &out_shape) in model.layers().iter().zip(model.shapes()) {
        let x = graph.output;
        if let LayerOp::Activation { range: Some(range), .. } = &layer.op {
            graph.nodes[x].observed_range = Some(vec![widen(*range, safety); shape.len()]);
        }
        if let LayerOp::Branch { from } = &layer.op {
            graph.output = by_name[from.as_str()];
        } else if let Some(op) = lower(&layer.op, x, shape, out_shape, &by_name) {
            let (label, coordinates) = (layer.name.clone(), Coordinate::all(out_shape));
            graph.nodes.push(Node { label, folded: Vec::new(), op, coordinates, observed_range: None });
            graph.output = graph.nodes.len() - 1;
        }
        by_name.insert(&layer.name, graph.output);
        shape = out_shape;
    }
    graph
}

fn unsupported(layer: &Layer) -> Option<UnsupportedLayer> {
    match &layer.op {
        LayerOp::Activation { function: Activation::Relu, .. } => Some(UnsupportedLayer {
            layer: layer.name.clone(),
            found: "activation relu".into(),
            remedy: "train a student with `polynomial` or `square` in its place",
        }),
        _ => None,
    }
}

/// The operation of a layer on node `x`, or nothing for a layer that only renames.
fn lower(op: &LayerOp, x: NodeId, shape: Shape, out: Shape, by_name: &HashMap<&str, NodeId>) -> Option<Op> {
    let affine = |weights, bias| Some(Op::Affine { terms: vec![Term { input: x, weights }], bias });
    match op {
        LayerOp::Conv2d(conv) => affine(convolution(conv, shape, out), per_channel(conv.bias.as_ref(), out)),
        LayerOp::Linear(linear) => affine(dense(linear, shape.len()), per_channel(linear.bias.as_ref(), out)),
        LayerOp::BatchNorm { gamma, beta, mean, var, eps } => {
            let plane = shape.len() / gamma.data().len().max(1);
            let factor = |c: usize| at(gamma, c) / (at(var, c) + f64::from(*eps)).sqrt();
            let channel = |j: usize| j / plane.max(1);
            affine(
                Matrix::diagonal((0..shape.len()).map(|j| factor(channel(j)))),
                (0..shape.len()).map(channel).map(|c| at(beta, c) - factor(c) * at(mean, c)).collect(),
            )
        }
        LayerOp::AvgPool(pool) => affine(average(pool, shape, out), vec![0.0; out.len()]),
        LayerOp::Flatten | LayerOp::Branch { .. } => None,
        LayerOp::Add { with } => {
            let one = |input| Term { input, weights: Matrix::diagonal(vec![1.0; out.len()]) };
            let other = by_name[with.as_str()];
            Some(Op::Affine { terms: collect_terms(vec![one(x), one(other)]), bias: vec![0.0; out.len()] })
        }
        LayerOp::Activation { function, .. } => {
            let n = shape.len();
            let (a, b, c) = match function {
                Activation::Polynomial(p) => {
                    let spread = |t: &Tensor| (0..n).map(|j| f64::from(t.broadcast(shape, j))).collect::<Vec<_>>();
                    (spread(&p.a), spread(&p.b), spread(&p.c))
                }
                Activation::Square | Activation::Relu => (vec![1.0; n], vec![0.0; n], vec![0.0; n]),
            };
            if a.iter().all(|v| *v == 0.0) {
                affine(Matrix::diagonal(b), c)
            } else {
                Some(Op::Quadratic { input: x, a, b, c })
            }
        }
    }
}

/// What every element of an allowed input can be.
fn allowed(model: &Model) -> Vec<Interval> {
    let spec = model.input();
    let plane = spec.shape[1] * spec.shape[2];
    let channels = spec.allowed_values().into_iter().zip(spec.mean.iter().zip(&spec.std));
    channels
        .flat_map(|(allowed, (&m, &s))| {
            let value = |v: f32| (f64::from(v) - f64::from(m)) / f64::from(s);
            // Clients normalise in single precision.
            let interval = Interval { lo: value(allowed.min), hi: value(allowed.max) };
            std::iter::repeat_n(interval.widened(1.0 + 1e-6), plane)
        })
        .collect()
}

fn widen(range: Range, safety: f64) -> Interval {
    Interval { lo: f64::from(range.min), hi: f64::from(range.max) }.widened(safety)
}

fn at(tensor: &Tensor, index: usize) -> f64 {
    f64::from(tensor.data()[index])
}

/// One number per channel (per feature of a vector), repeated over the plane.
fn per_channel(bias: Option<&Tensor>, out: Shape) -> Vec<f64> {
    let plane = match out {
        Shape::Map { height, width, .. } => height * width,
        Shape::Flat { .. } => 1,
    };
    (0..out.len()).map(|j| bias.map_or(0.0, |b| at(b, j / plane.max(1)))).collect()
}

fn dense(linear: &Linear, inputs: usize) -> Matrix {
    let mut m = Matrix::with_columns(inputs);
    for row in linear.weight.data().chunks(inputs.max(1)) {
        m.push_row(row.iter().map(|&w| f64::from(w)).enumerate());
    }
    m
}

fn convolution(conv: &Conv2d, input: Shape, output: Shape) -> Matrix {
    let mut m = Matrix::with_columns(input.len());
    let (Shape::Map { height, width, .. }, Shape::Map { channels: outs, height: oh, width: ow }) = (input, output)
    else {
        unreachable!("a checked model convolves a vector");
    };
    let &[_, per_group, kh, kw] = conv.weight.shape() else {
        unreachable!("checked weights of a convolution have shape {:?}", conv.weight.shape());
    };
    let outs_per_group = (outs / conv.groups.max(1)).max(1);
    for o in 0..outs {
        let first = o / outs_per_group * per_group;
        for r in 0..oh {
            for c in 0..ow {
                // Window positions outside the input are in the padding and hold zeros.
                let position = |start: usize, k: usize, axis: usize, size: usize| {
                    (start * conv.stride[axis] + k * conv.dilation[axis])
                        .checked_sub(conv.padding[axis])
                        .filter(|p| *p < size)
                };
                m.push_row((0..per_group).flat_map(|i| {
                    (0..kh).filter_map(move |u| position(r, u, 0, height).map(|row| (u, row))).flat_map(
                        move |(u, row)| {
                            (0..kw).filter_map(move |v| {
                                let column = position(c, v, 1, width)?;
                                let weight = at(&conv.weight, ((o * per_group + i) * kh + u) * kw + v);
                                Some((((first + i) * height + row) * width + column, weight))
                            })
                        },
                    )
                }));
            }
        }
    }
    m
}

fn average(pool: &Pool2d, input: Shape, output: Shape) -> Matrix {
    let mut m = Matrix::with_columns(input.len());
    let (Shape::Map { height, width, .. }, Shape::Map { channels, height: oh, width: ow }) = (input, output) else {
        unreachable!("a checked model pools a vector");
    };
    let share = 1.0 / (pool.kernel[0] * pool.kernel[1]) as f64;
    for p in 0..channels {
        for r in 0..oh {
            for c in 0..ow {
                m.push_row((0..pool.kernel[0]).flat_map(|u| {
                    let row = (p * height + r * pool.stride[0] + u) * width + c * pool.stride[1];
                    (0..pool.kernel[1]).map(move |v| (row + v, share))
                }));
            }
        }
    }
    m
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::graph::{check, evaluate};
    use crate::testing::{close, images, model_with, random_model};

    #[test]
    fn the_graph_means_what_the_model_means() {
        for seed in 0..40 {
            let model = random_model(seed);
            let graph = import(&model, 2.0).unwrap();
            check(&graph, "import").unwrap();
            for image in images(&model, seed, 2).rows() {
                let wide: Vec<f64> = image.iter().map(|&v| f64::from(v)).collect();
                let expected = beaa_ir::evaluate(&model, image).unwrap();
                close(&evaluate(&graph, &wide)[graph.output], &expected, 1e-9, seed);
            }
        }
    }

    #[test]
    fn unsupported_layers_are_listed_all_at_once() {
        let relu = |name: &str| Layer {
            name: name.into(),
            op: LayerOp::Activation { function: Activation::Relu, range: None },
        };
        let square =
            Layer { name: "fine".into(), op: LayerOp::Activation { function: Activation::Square, range: None } };
        let error = import(&model_with(vec![relu("first"), square, relu("second")]), 2.0).unwrap_err();
        let Error::Unsupported { layers, .. } = &error else { panic!("{error}") };
        assert_eq!(layers.iter().map(|l| l.layer.as_str()).collect::<Vec<_>>(), ["first", "second"]);
        let message = error.to_string();
        assert!(
            message.contains("`first` (activation relu): train a student") && message.contains("`second`"),
            "{message}"
        );
    }
}
