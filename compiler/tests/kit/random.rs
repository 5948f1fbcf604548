//! Random models for tests, by seed: every layer of the model format in any order that makes sense,
//! small enough that a thousand of them take a minute.

use beaa_ir::images::ImageMajor;
use beaa_ir::{
    Activation, Conv2d, InputSpec, Layer, LayerOp, Linear, Model, ModelLiteral, Polynomial, Pool2d, Provenance, Range,
    Shape, Tensor, evaluate_traced,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub(crate) fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// Uniform pixels, normalised.
pub(crate) fn images(model: &Model, seed: u64, count: usize) -> ImageMajor<f32> {
    let mut rng = rng(seed ^ 0x1000);
    let n = model.input().shape().len();
    let mut image = || model.input().normalise(&(0..n).map(|_| rng.random_range(0..=255_u8)).collect::<Vec<_>>());
    ImageMajor::from_rows(n, (0..count).map(|_| image())).unwrap()
}

pub(crate) fn model(input: InputSpec, layers: Vec<Layer>) -> Model {
    let literal = ModelLiteral {
        name: "test".into(),
        input,
        classes: Vec::new(),
        threshold: None,
        layers,
        accuracy: None,
        provenance: Provenance::default(),
    };
    Model::try_from(literal).unwrap()
}

/// Gives every activation the range that some random images show.
pub(crate) fn with_ranges(model: Model, seed: u64) -> Model {
    let count = model.layers().len();
    let mut ranges = vec![(f64::INFINITY, f64::NEG_INFINITY); count];
    for image in images(&model, seed ^ 0x2000, 100).rows() {
        let trace = evaluate_traced(&model, image).unwrap();
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

pub(crate) fn tensor(shape: &[usize], mut value: impl FnMut(usize) -> f64) -> Tensor {
    Tensor::new(shape.to_vec(), (0..shape.iter().product()).map(|i| value(i) as f32).collect()).unwrap()
}

/// A small random network with ranges: any of the layers in any order that makes sense, at most
/// three activations.
pub(crate) fn random_model(seed: u64) -> Model {
    let mut rng = rng(seed);
    let channels = rng.random_range(1..=3);
    let shape = [channels, rng.random_range(3..=7), rng.random_range(3..=7)];
    // Pixels are uniform, so this is what normalisation would find.
    let mean = (0..channels).map(|_| rng.random_range(0.45..0.55)).collect();
    let std = (0..channels).map(|_| rng.random_range(0.27..0.31)).collect();
    let input = InputSpec::pixels(shape, mean, std);
    let mut builder = Builder { shape: input.shape(), layers: Vec::new(), shapes: Vec::new(), activations: 0, rng };
    let steps = builder.rng.random_range(1..=9);
    for _ in 0..steps {
        builder.step();
    }
    with_ranges(model(input, builder.layers), seed)
}

struct Builder {
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

    /// Windows that tile the map, that overlap, or that cover all of it.
    fn pool(&mut self) {
        let Shape::Map { channels, height, width } = self.shape else { return };
        if height < 3 || width < 3 {
            return;
        }
        let (kernel, stride) = match self.rng.random_range(0..4) {
            0 => ([height, width], [1, 1]),
            1 => ([2, 3], [1, 2]),
            _ => ([2, 2], [2, 2]),
        };
        let size = |s: usize, axis: usize| (s - kernel[axis]) / stride[axis] + 1;
        let shape = Shape::Map { channels, height: size(height, 0), width: size(width, 1) };
        self.push(LayerOp::AvgPool(Pool2d { kernel, stride }), shape);
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

    /// Kernels, strides, paddings and dilations that may differ between rows and columns; whole,
    /// grouped and depthwise.
    fn convolution(&mut self) {
        let Shape::Map { channels, height, width } = self.shape else { return self.dense() };
        let groups = match self.rng.random_range(0..4) {
            0 => channels,
            1 if channels % 2 == 0 => 2,
            _ => 1,
        };
        let out = groups * self.rng.random_range(1..=2_usize);
        let rng = &mut self.rng;
        let mut axis = |size: usize| {
            let kernel = [1, 2, 3, 3, 3][rng.random_range(0..5)];
            let padding = rng.random_range(0..=1_usize);
            let dilation = if rng.random_bool(0.2) { 2 } else { 1 };
            // What does not fit falls back to what always does.
            let fits = (kernel - 1) * dilation < size + 2 * padding;
            let [kernel, padding, dilation] = if fits { [kernel, padding, dilation] } else { [1, 0, 1] };
            let stride = rng.random_range(1..=2_usize);
            ([kernel, stride, padding, dilation], (size + 2 * padding - (kernel - 1) * dilation - 1) / stride + 1)
        };
        let (rows, columns) = (axis(height), axis(width));
        let both = |k: usize| [rows.0[k], columns.0[k]];
        let [kh, kw] = both(0);
        let fan = (channels / groups * kh * kw) as f64;
        let conv = Conv2d {
            weight: self.tensor(&[out, channels / groups, kh, kw], 0.0, 1.7 / fan.sqrt()),
            bias: self.rng.random_bool(0.7).then(|| self.tensor(&[out], 0.0, 0.5)),
            stride: both(1),
            padding: both(2),
            dilation: both(3),
            groups,
        };
        self.push(LayerOp::Conv2d(conv), Shape::Map { channels: out, height: rows.1, width: columns.1 });
    }
}
