//! Models for tests: small fixed ones by layer, and random ones by seed.

use beaa_ir::{
    Activation, Conv2d, InputSpec, Layer, LayerOp, Linear, Model, ModelLiteral, Polynomial, Pool2d, Range, Shape,
    Tensor, evaluate_traced,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub(crate) fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// Both vectors agree within `tolerance` of the larger of 1 and their magnitude.
pub(crate) fn close(found: &[f64], expected: &[f64], tolerance: f64, seed: u64) {
    assert_eq!(found.len(), expected.len(), "seed {seed}");
    let scale = expected.iter().fold(1.0_f64, |m, v| m.max(v.abs()));
    for (f, e) in found.iter().zip(expected) {
        assert!((f - e).abs() <= tolerance * scale, "seed {seed}: {f} against {e} (scale {scale})");
    }
}

/// Uniform pixels, normalised.
pub(crate) fn images(model: &Model, seed: u64, count: usize) -> Vec<Vec<f32>> {
    let mut rng = rng(seed ^ 0x1000);
    let n: usize = model.input().shape.iter().product();
    (0..count)
        .map(|_| model.input().normalise(&(0..n).map(|_| rng.random_range(0..=255_u8)).collect::<Vec<_>>()))
        .collect()
}

/// A model of these layers on 1 x 6 x 6 images with values in -1..1.
pub(crate) fn model_with(layers: Vec<Layer>) -> Model {
    let input = InputSpec { shape: [1, 6, 6], mean: vec![0.5], std: vec![0.5] };
    model(input, layers)
}

pub(crate) fn model(input: InputSpec, layers: Vec<Layer>) -> Model {
    let literal = ModelLiteral {
        name: "test".into(),
        input,
        classes: Vec::new(),
        layers,
        accuracy: None,
        training: serde_json::Value::Null,
    };
    Model::try_from(literal).unwrap()
}

/// Gives every activation the range that some random images show.
pub(crate) fn with_ranges(model: Model, seed: u64) -> Model {
    let count = model.layers().len();
    let mut ranges = vec![(f64::INFINITY, f64::NEG_INFINITY); count];
    for image in images(&model, seed ^ 0x2000, 24) {
        let trace = evaluate_traced(&model, &image).unwrap();
        let input: Vec<f64> = image.iter().map(|&v| f64::from(v)).collect();
        for (i, range) in ranges.iter_mut().enumerate() {
            let before = if i == 0 { &input } else { &trace[i - 1] };
            *range = before.iter().fold(*range, |(lo, hi), &v| (lo.min(v), hi.max(v)));
        }
    }
    let mut literal = model.into_literal();
    for (layer, (lo, hi)) in literal.layers.iter_mut().zip(ranges) {
        if let LayerOp::Activation { range, .. } = &mut layer.op {
            *range = Some(Range { min: lo as f32, max: hi as f32 });
        }
    }
    Model::try_from(literal).unwrap()
}

fn layer(name: &str, op: LayerOp) -> Layer {
    Layer { name: name.into(), op }
}

fn tensor(shape: &[usize], mut value: impl FnMut(usize) -> f64) -> Tensor {
    Tensor::new(shape.to_vec(), (0..shape.iter().product()).map(|i| value(i) as f32).collect()).unwrap()
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

/// A small random network with ranges: any of the layers in any order that makes sense, at most three activations.
pub(crate) fn random_model(seed: u64) -> Model {
    let mut rng = rng(seed);
    let channels = rng.random_range(1..=2);
    let input = InputSpec {
        shape: [channels, rng.random_range(5..=8), rng.random_range(5..=8)],
        // Pixels are uniform, so this is what normalisation would find.
        mean: (0..channels).map(|_| rng.random_range(0.45..0.55)).collect(),
        std: (0..channels).map(|_| rng.random_range(0.27..0.31)).collect(),
    };
    let image = input.shape();
    let mut builder = Builder { image, shape: image, layers: Vec::new(), shapes: Vec::new(), activations: 0, rng };
    let steps = builder.rng.random_range(1..=9);
    for _ in 0..steps {
        builder.step();
    }
    with_ranges(model(input, builder.layers), seed)
}

struct Builder {
    image: Shape,
    shape: Shape,
    layers: Vec<Layer>,
    shapes: Vec<Shape>,
    activations: usize,
    rng: ChaCha8Rng,
}

impl Builder {
    fn step(&mut self) {
        match self.rng.random_range(0..9) {
            0 | 1 => self.activation(),
            2 => self.batch_norm(),
            3 => self.residual(),
            4 => self.pool(),
            5 => self.dense(),
            6 => self.branch(),
            _ => self.convolution(),
        }
    }

    fn push(&mut self, op: LayerOp, shape: Shape) {
        let name = format!("layer{}", self.layers.len());
        self.layers.push(Layer { name, op });
        self.shapes.push(shape);
        self.shape = shape;
    }

    fn tensor(&mut self, shape: &[usize], centre: f64, spread: f64) -> Tensor {
        let rng = &mut self.rng;
        tensor(shape, |_| centre + spread * rng.random_range(-1.0..1.0))
    }

    fn activation(&mut self) {
        if self.activations == 3 {
            return;
        }
        self.activations += 1;
        let function = if self.rng.random_bool(0.3) {
            Activation::Square
        } else {
            let dims = match (self.shape, self.rng.random_range(0..3)) {
                (_, 0) => vec![],
                (Shape::Map { channels, .. }, 1) => vec![channels, 1, 1],
                (Shape::Map { channels, height, width }, _) => vec![channels, height, width],
                (Shape::Flat { features }, _) => vec![features],
            };
            let (mut a, b, c) =
                (self.tensor(&dims, 0.2, 0.15), self.tensor(&dims, 0.4, 0.3), self.tensor(&dims, 0.0, 0.5));
            if self.rng.random_bool(0.4) {
                // Some elements without a square, some with a far vertex.
                let rng = &mut self.rng;
                let old = a.data().to_vec();
                let lottery = |i: usize| match rng.random_range(0..4) {
                    0 => 0.0,
                    1 => 0.01,
                    _ => f64::from(old[i]),
                };
                a = tensor(&dims, lottery);
            }
            Activation::Polynomial(Polynomial { a, b, c })
        };
        self.push(LayerOp::Activation { function, range: None }, self.shape);
    }

    fn batch_norm(&mut self) {
        let n = match self.shape {
            Shape::Map { channels, .. } => channels,
            Shape::Flat { features } => features,
        };
        let op = LayerOp::BatchNorm {
            gamma: self.tensor(&[n], 1.0, 0.5),
            beta: self.tensor(&[n], 0.0, 0.5),
            mean: self.tensor(&[n], 0.0, 0.5),
            var: self.tensor(&[n], 1.0, 0.8),
            eps: 1e-5,
        };
        self.push(op, self.shape);
    }

    fn residual(&mut self) {
        let candidates: Vec<usize> = (0..self.layers.len()).filter(|&i| self.shapes[i] == self.shape).collect();
        if !candidates.is_empty() {
            let with = self.layers[candidates[self.rng.random_range(0..candidates.len())]].name.clone();
            self.push(LayerOp::Add { with }, self.shape);
        }
    }

    /// Two affine maps of the same earlier layer (or of the image), added.
    fn branch(&mut self) {
        let from = self.rng.random_range(0..=self.layers.len());
        let (name, shape) = match from.checked_sub(1) {
            Some(i) => (self.layers[i].name.clone(), self.shapes[i]),
            None => ("input".to_owned(), self.image),
        };
        self.batch_norm();
        let (with, joined) = (self.layers[self.layers.len() - 1].name.clone(), self.shape);
        self.push(LayerOp::Branch { from: name }, shape);
        self.batch_norm();
        if self.shape == joined {
            self.push(LayerOp::Add { with }, joined);
        }
    }

    fn pool(&mut self) {
        if let Shape::Map { channels, height, width } = self.shape
            && height >= 4
            && width >= 4
        {
            let shape = Shape::Map { channels, height: height / 2, width: width / 2 };
            self.push(LayerOp::AvgPool(Pool2d { kernel: [2; 2], stride: [2; 2] }), shape);
        }
    }

    fn dense(&mut self) {
        if matches!(self.shape, Shape::Map { .. }) && self.rng.random_bool(0.5) {
            self.push(LayerOp::Flatten, Shape::Flat { features: self.shape.len() });
        }
        let (inputs, out) = (self.shape.len(), self.rng.random_range(2..=12));
        let weight = self.tensor(&[out, inputs], 0.0, 1.7 / (inputs as f64).sqrt());
        let bias = self.rng.random_bool(0.7).then(|| self.tensor(&[out], 0.0, 0.5));
        self.push(LayerOp::Linear(Linear { weight, bias }), Shape::Flat { features: out });
    }

    fn convolution(&mut self) {
        let Shape::Map { channels, height, width } = self.shape else { return self.dense() };
        if height < 3 || width < 3 {
            return self.dense();
        }
        let groups = if channels % 2 == 0 && self.rng.random_bool(0.3) { 2 } else { 1 };
        let out = groups * self.rng.random_range(1..=2_usize);
        let stride = self.rng.random_range(1..=2_usize);
        let padding = self.rng.random_range(0..=1_usize);
        let dilation = if height > 5 && width > 5 && self.rng.random_bool(0.2) { 2 } else { 1 };
        let fan = (channels / groups * 9) as f64;
        let conv = Conv2d {
            weight: self.tensor(&[out, channels / groups, 3, 3], 0.0, 1.7 / fan.sqrt()),
            bias: self.rng.random_bool(0.7).then(|| self.tensor(&[out], 0.0, 0.5)),
            stride: [stride; 2],
            padding: [padding; 2],
            dilation: [dilation; 2],
            groups,
        };
        let size = |s: usize| (s + 2 * padding - 2 * dilation - 1) / stride + 1;
        let shape = Shape::Map { channels: out, height: size(height), width: size(width) };
        self.push(LayerOp::Conv2d(conv), shape);
    }
}

/// The CryptoNets network of the source paper's field, with random weights and element-wise quadratics: 106,625 products.
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
    with_ranges(model(InputSpec { shape: [1, 28, 28], mean: vec![0.1307], std: vec![0.3081] }, layers), seed)
}
