//! Deep networks with random weights, reproducible by seed, for tests and measurements of memory:
//! shaped like VGG-7 and ResNet-8 on 32 x 32 colour images. They are not trained and predict
//! nothing.

use beaa_ir::{
    Activation, Conv2d, InputSpec, Layer, LayerOp, Linear, Model, ModelLiteral, Polynomial, Pool2d, Provenance, Range,
    Shape, Tensor, evaluate_traced,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::images;

/// How many times smaller than the networks of the literature, in rows and columns; 1 for the real
/// size.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    /// Rows and columns of an image; a multiple of 8.
    pub(crate) image: usize,
    /// Channels of the first stage; doubled twice.
    pub(crate) channels: usize,
}

/// Six convolutions in three stages, average pooling after each, one linear layer: 9.6 million
/// products at full size.
pub(crate) fn vgg7(size: Size, seed: u64) -> Model {
    let mut net = Network::new(size, seed);
    for (stage, channels) in [size.channels, 2 * size.channels, 4 * size.channels].into_iter().enumerate() {
        for half in 0..2 {
            let name = format!("{}{}", stage + 1, ["a", "b"][half]);
            net.convolution(&format!("conv{name}"), channels, 1);
            net.activation(&format!("act{name}"));
        }
        net.pool(&format!("pool{}", stage + 1));
    }
    net.linear("fc", 10);
    net.finish("vgg7-random")
}

/// Seven convolutions of which two pairs are bridged, strides in place of pooling, one linear
/// layer.
pub(crate) fn resnet8(size: Size, seed: u64) -> Model {
    let mut net = Network::new(size, seed);
    for (stage, channels) in [size.channels, 2 * size.channels, 4 * size.channels].into_iter().enumerate() {
        let s = stage + 1;
        net.convolution(&format!("conv{s}"), channels, if stage == 0 { 1 } else { 2 });
        let skip = format!("act{s}");
        net.activation(&skip);
        if stage < 2 {
            net.convolution(&format!("block{s}a"), channels, 1);
            net.activation(&format!("act{s}a"));
            net.convolution(&format!("block{s}b"), channels, 1);
            net.push(&format!("add{s}"), LayerOp::Add { with: skip }, net.shape);
            net.activation(&format!("act{s}b"));
        }
    }
    net.linear("fc", 10);
    net.finish("resnet8-random")
}

/// A network that grows layer by layer.
pub(crate) struct Network {
    input: InputSpec,
    shape: Shape,
    layers: Vec<Layer>,
    rng: ChaCha8Rng,
}

impl Network {
    /// Colour images of this size.
    pub(crate) fn new(size: Size, seed: u64) -> Self {
        let input = InputSpec::pixels([3, size.image, size.image], vec![0.5; 3], vec![0.289; 3]);
        Self { shape: input.shape(), input, layers: Vec::new(), rng: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// The shape of the last layer's result.
    pub(crate) fn shape(&self) -> Shape {
        self.shape
    }

    /// Adds any layer.
    pub(crate) fn push(&mut self, name: &str, op: LayerOp, shape: Shape) {
        self.layers.push(Layer { name: name.into(), op });
        self.shape = shape;
    }

    fn tensor(&mut self, shape: &[usize], centre: f64, spread: f64) -> Tensor {
        let values =
            (0..shape.iter().product()).map(|_| (centre + spread * self.rng.random_range(-1.0..1.0)) as f32).collect();
        Tensor::new(shape.to_vec(), values).unwrap()
    }

    /// A convolution whose results have variance 1 on a random image: values keep their size
    /// however deep the network.
    pub(crate) fn convolution(&mut self, name: &str, out: usize, stride: usize) {
        let Shape::Map { channels, height, width } = self.shape else { return };
        let conv = Conv2d {
            weight: self.tensor(&[out, channels, 3, 3], 0.0, 1.0),
            bias: None,
            stride: [stride; 2],
            padding: [1; 2],
            dilation: [1; 2],
            groups: 1,
        };
        let shape = Shape::Map { channels: out, height: height / stride, width: width / stride };
        self.push(name, LayerOp::Conv2d(conv), shape);
        let results = self.trace(1).remove(0).pop().unwrap();
        let deviation = (results.iter().map(|v| v * v).sum::<f64>() / results.len() as f64).sqrt();
        let bias = self.tensor(&[out], 0.0, 0.2);
        if let Some(Layer { op: LayerOp::Conv2d(conv), .. }) = self.layers.last_mut() {
            let scaled = conv.weight.data().iter().map(|w| (f64::from(*w) / deviation) as f32).collect();
            conv.weight = Tensor::new(conv.weight.shape().to_vec(), scaled).unwrap();
            conv.bias = Some(bias);
        }
    }

    /// Element-wise, near `0.2 x^2 + 0.8 x`: what students learn.
    pub(crate) fn activation(&mut self, name: &str) {
        let map = match self.shape {
            Shape::Map { channels, height, width } => vec![channels, height, width],
            Shape::Flat { features } => vec![features],
        };
        let [a, b, c] = [(0.2, 0.05), (0.8, 0.1), (0.0, 0.1)].map(|(centre, spread)| self.tensor(&map, centre, spread));
        let function = Activation::Polynomial(Polynomial { a, b, c });
        self.push(name, LayerOp::Activation { function, range: None }, self.shape);
    }

    /// Averages of 2 x 2 pixels.
    pub(crate) fn pool(&mut self, name: &str) {
        let Shape::Map { channels, height, width } = self.shape else { return };
        let shape = Shape::Map { channels, height: height / 2, width: width / 2 };
        self.push(name, LayerOp::AvgPool(Pool2d { kernel: [2; 2], stride: [2; 2] }), shape);
    }

    /// All of the last layer's results, each with a weight.
    pub(crate) fn linear(&mut self, name: &str, out: usize) {
        let inputs = self.shape.len();
        if let Shape::Map { .. } = self.shape {
            self.push("flatten", LayerOp::Flatten, Shape::Flat { features: inputs });
        }
        let weight = self.tensor(&[out, inputs], 0.0, (3.0 / inputs as f64).sqrt());
        let bias = self.tensor(&[out], 0.0, 0.2);
        self.push(name, LayerOp::Linear(Linear { weight, bias: Some(bias) }), Shape::Flat { features: out });
    }

    fn model(&self, name: &str) -> Model {
        let literal = ModelLiteral {
            name: name.into(),
            input: self.input.clone(),
            classes: Vec::new(),
            threshold: None,
            layers: self.layers.clone(),
            accuracy: None,
            provenance: Provenance::default(),
        };
        Model::try_from(literal).unwrap()
    }

    /// All layers' results on a few random images.
    fn trace(&self, count: usize) -> Vec<Vec<Vec<f64>>> {
        let model = self.model("unfinished");
        images(&model, 0x2000, count).rows().map(|i| evaluate_traced(&model, i).unwrap()).collect()
    }

    /// The model, every activation with the range that a few random images show.
    pub(crate) fn finish(mut self, name: &str) -> Model {
        let traces = self.trace(3);
        for i in 1..self.layers.len() {
            if let LayerOp::Activation { range, .. } = &mut self.layers[i].op {
                let seen = traces.iter().flat_map(|t| t[i - 1].iter().copied());
                let (min, max) = seen.fold((f64::MAX, f64::MIN), |(lo, hi), v| (lo.min(v), hi.max(v)));
                *range = Some(Range { min: min as f32, max: max as f32 });
            }
        }
        self.model(name)
    }
}
