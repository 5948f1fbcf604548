//! Models for tests: small fixed ones by layer, random ones, and deep ones of realistic shape. The
//! crate's unit tests use it, too.

use beaa_ir::{Activation, Conv2d, InputSpec, Layer, LayerOp, Linear, Model, Polynomial, Pool2d};
use rand::RngExt;

pub(crate) mod networks;
mod random;

#[allow(unused_imports, reason = "shared")]
pub(crate) use random::{images, model, random_model, rng, tensor, with_ranges};

/// Both vectors agree within `tolerance` of the larger of 1 and their magnitude.
pub(crate) fn close(found: &[f64], expected: &[f64], tolerance: f64, seed: u64) {
    assert_eq!(found.len(), expected.len(), "seed {seed}");
    let scale = expected.iter().fold(1.0_f64, |m, v| m.max(v.abs()));
    for (f, e) in found.iter().zip(expected) {
        assert!((f - e).abs() <= tolerance * scale, "seed {seed}: {f} against {e} (scale {scale})");
    }
}

/// A model of these layers on 1 x 6 x 6 images with values in -1..1.
pub(crate) fn model_with(layers: Vec<Layer>) -> Model {
    let input = InputSpec::pixels([1, 6, 6], vec![0.5], vec![0.5]);
    model(input, layers)
}

fn layer(name: &str, op: LayerOp) -> Layer {
    Layer { name: name.into(), op }
}

/// A fixed pattern of values within -1..1, no two neighbours alike.
fn pattern(i: usize) -> f64 {
    (i as f64 * 2.399_963).sin()
}

pub(crate) fn conv(name: &str, out: usize, inputs: usize, kernel: usize, stride: usize) -> Layer {
    let fan = (inputs * kernel * kernel) as f64;
    let conv = Conv2d {
        weight: tensor(&[out, inputs, kernel, kernel], |i| pattern(i + 1) / fan.sqrt()),
        bias: Some(tensor(&[out], |i| pattern(i + 3) / 4.0)),
        stride: [stride; 2],
        padding: [0; 2],
        dilation: [1; 2],
        groups: 1,
    };
    layer(name, LayerOp::Conv2d(conv))
}

pub(crate) fn linear(name: &str, out: usize, inputs: usize) -> Layer {
    let weight = tensor(&[out, inputs], |i| pattern(i + 5) / (inputs as f64).sqrt());
    layer(name, LayerOp::Linear(Linear { weight, bias: Some(tensor(&[out], pattern)) }))
}

pub(crate) fn batch_norm(name: &str, channels: usize) -> Layer {
    let op = LayerOp::BatchNorm {
        gamma: tensor(&[channels], |i| 1.0 + pattern(i) / 2.0),
        beta: tensor(&[channels], pattern),
        mean: tensor(&[channels], |i| pattern(i + 7) / 2.0),
        var: tensor(&[channels], |i| 1.5 + pattern(i)),
        eps: 1e-5,
    };
    layer(name, op)
}

pub(crate) fn pool(name: &str, size: usize) -> Layer {
    layer(name, LayerOp::AvgPool(Pool2d { kernel: [size; 2], stride: [size; 2] }))
}

pub(crate) fn square(name: &str) -> Layer {
    layer(name, LayerOp::Activation { function: Activation::Square, range: None })
}

/// A polynomial whose `[a, b, c]` at flat position `j` of the coefficients' shape are given.
pub(crate) fn polynomial(name: &str, shape: &[usize], coefficients: impl Fn(usize) -> [f64; 3]) -> Layer {
    let [a, b, c] = [0, 1, 2].map(|k| tensor(shape, |j| coefficients(j)[k]));
    layer(name, LayerOp::Activation { function: Activation::Polynomial(Polynomial { a, b, c }), range: None })
}

/// The CryptoNets network of the source paper's field, with random weights and element-wise
/// quadratics: 106,625 products.
pub(crate) fn cryptonets(seed: u64) -> Model {
    let mut rng = rng(seed);
    let mut uniform =
        |shape: &[usize], spread: f64, centre: f64| tensor(shape, |_| centre + spread * rng.random_range(-1.0..1.0));
    let conv = Conv2d {
        weight: uniform(&[5, 1, 5, 5], 0.35, 0.0),
        bias: Some(uniform(&[5], 0.1, 0.0)),
        stride: [2; 2],
        padding: [1; 2],
        dilation: [1; 2],
        groups: 1,
    };
    let first = Polynomial {
        a: uniform(&[5, 13, 13], 0.05, 0.15),
        b: uniform(&[5, 13, 13], 0.1, 0.5),
        c: uniform(&[5, 13, 13], 0.1, 0.2),
    };
    let dense = Linear { weight: uniform(&[100, 845], 0.06, 0.0), bias: Some(uniform(&[100], 0.1, 0.0)) };
    let second =
        Polynomial { a: uniform(&[100], 0.05, 0.15), b: uniform(&[100], 0.1, 0.5), c: uniform(&[100], 0.1, 0.2) };
    let last = Linear { weight: uniform(&[10, 100], 0.17, 0.0), bias: Some(uniform(&[10], 0.1, 0.0)) };
    let activation = |p| LayerOp::Activation { function: Activation::Polynomial(p), range: None };
    let layers = vec![
        layer("conv", LayerOp::Conv2d(conv)),
        layer("act1", activation(first)),
        layer("flatten", LayerOp::Flatten),
        layer("fc1", LayerOp::Linear(dense)),
        layer("act2", activation(second)),
        layer("fc2", LayerOp::Linear(last)),
    ];
    with_ranges(model(InputSpec::pixels([1, 28, 28], vec![0.1307], vec![0.3081]), layers), seed)
}
