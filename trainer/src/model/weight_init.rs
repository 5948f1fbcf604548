//! The untrained teacher: layers of the configuration with seeded He weights. Must never draw from Burn's global generator,
//! or models would depend on what else runs.

use beaa_ir::{
    Activation, Conv2d, InputSpec, Layer, LayerOp, Linear, Model, ModelLiteral, Pool2d, Provenance, Shape, Tensor,
};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::config::{LayerConfig, Outputs, TrainConfig};
use crate::error::{Error, Problem, Result};
use crate::random::{Purpose, stream};

/// Builds the teacher for images of `input` and one output per class.
///
/// Weights are uniform in `±sqrt(6 / fan_in)` (He et al., 2015, for ReLU), biases zero.
///
/// # Errors
/// Everything in the layer list that does not fit the images.
pub(crate) fn untrained_teacher(config: &TrainConfig, input: InputSpec, classes: &[String]) -> Result<Model> {
    let literal = config.literal();
    let mut rng = stream(literal.seed, Purpose::Weights, 0, 0);
    let mut shape = input.shape();
    let mut layers: Vec<Layer> = Vec::with_capacity(literal.network.len());
    let mut problems = Vec::new();
    for (i, (layer, name)) in literal.network.iter().zip(config.layer_names()).enumerate() {
        let op = match build(layer, shape, classes.len(), &mut rng) {
            Ok(op) => op?,
            Err(message) => {
                problems.push(Problem { field: format!("network[{i}] ({name})"), message });
                break;
            }
        };
        shape = match output(&op, shape) {
            Ok(shape) => shape,
            Err(message) => {
                problems.push(Problem { field: format!("network[{i}] ({name})"), message });
                break;
            }
        };
        layers.push(Layer { name: name.clone(), op });
    }
    if problems.is_empty() && shape != (Shape::Flat { features: classes.len() }) {
        problems.push(Problem {
            field: "network".to_owned(),
            message: format!(
                "the last layer gives {shape}; expected {} outputs, one per class: end with {{\"linear\": {{\"out\": \"classes\"}}}}",
                classes.len()
            ),
        });
    }
    if !problems.is_empty() {
        return Err(Error::Config { problems });
    }
    let provenance = Provenance::default();
    let name = format!("{}-teacher", literal.name);
    Ok(ModelLiteral { name, input, classes: classes.to_vec(), layers, accuracy: None, provenance }.try_into()?)
}

/// Outer error: the layer does not fit; inner: the model language refused a tensor.
type Built = std::result::Result<Result<LayerOp>, String>;

fn build(layer: &LayerConfig, input: Shape, classes: usize, rng: &mut ChaCha8Rng) -> Built {
    let channels = match input {
        Shape::Map { channels, .. } => channels,
        Shape::Flat { features } => features,
    };
    Ok(match layer {
        LayerConfig::Conv2d(c) => {
            if matches!(input, Shape::Flat { .. }) {
                return Err("a convolution after flatten; expected a feature map".to_owned());
            }
            if !channels.is_multiple_of(c.groups) {
                return Err(format!("{} groups on {channels} channels; expected a divisor", c.groups));
            }
            let [kh, kw] = c.kernel.get();
            let shape = vec![c.out, channels / c.groups, kh, kw];
            he(shape, channels / c.groups * kh * kw, rng).and_then(|weight| {
                Ok(LayerOp::Conv2d(Conv2d {
                    weight,
                    bias: c.bias.then(|| constant(c.out, 0.0)).transpose()?,
                    stride: c.stride.get(),
                    padding: c.padding.get(),
                    dilation: c.dilation.get(),
                    groups: c.groups,
                }))
            })
        }
        LayerConfig::Linear(l) => {
            let out = match l.out {
                Outputs::Number(n) => n,
                Outputs::Classes => classes,
            };
            he(vec![out, input.len()], input.len(), rng).and_then(|weight| {
                Ok(LayerOp::Linear(Linear { weight, bias: l.bias.then(|| constant(out, 0.0)).transpose()? }))
            })
        }
        LayerConfig::BatchNorm(b) => (|| {
            Ok(LayerOp::BatchNorm {
                gamma: constant(channels, 1.0)?,
                beta: constant(channels, 0.0)?,
                mean: constant(channels, 0.0)?,
                var: constant(channels, 1.0)?,
                eps: b.epsilon,
            })
        })(),
        LayerConfig::AvgPool(a) => {
            if matches!(input, Shape::Flat { .. }) {
                return Err("a pooling after flatten; expected a feature map".to_owned());
            }
            Ok(LayerOp::AvgPool(Pool2d { kernel: a.kernel.get(), stride: a.stride.unwrap_or(a.kernel).get() }))
        }
        LayerConfig::Flatten => Ok(LayerOp::Flatten),
        LayerConfig::Activation => Ok(LayerOp::Activation { function: Activation::Relu, range: None }),
        LayerConfig::Add(a) => Ok(LayerOp::Add { with: a.with.clone() }),
    })
}

/// The shape after a layer, as far as weights of later layers need it; the model language checks the rest.
fn output(op: &LayerOp, input: Shape) -> std::result::Result<Shape, String> {
    let window = |size: usize, kernel: usize, stride: usize, padding: usize, dilation: usize| {
        let extent = (kernel - 1) * dilation + 1;
        (size + 2 * padding).checked_sub(extent).map(|rest| rest / stride + 1).ok_or_else(|| {
            format!("a window of {extent} on an input of {size} with padding {padding}; expected one that fits")
        })
    };
    Ok(match (op, input) {
        (LayerOp::Conv2d(c), Shape::Map { height, width, .. }) => {
            let (out, kh, kw) = match c.weight.shape() {
                &[out, _, kh, kw] => (out, kh, kw),
                _ => return Err("a weight that is not four-dimensional".to_owned()),
            };
            Shape::Map {
                channels: out,
                height: window(height, kh, c.stride[0], c.padding[0], c.dilation[0])?,
                width: window(width, kw, c.stride[1], c.padding[1], c.dilation[1])?,
            }
        }
        (LayerOp::Linear(l), _) => Shape::Flat { features: l.weight.shape().first().copied().unwrap_or(0) },
        (LayerOp::AvgPool(p), Shape::Map { channels, height, width }) => Shape::Map {
            channels,
            height: window(height, p.kernel[0], p.stride[0], 0, 1)?,
            width: window(width, p.kernel[1], p.stride[1], 0, 1)?,
        },
        (LayerOp::Flatten, shape) => Shape::Flat { features: shape.len() },
        (_, shape) => shape,
    })
}

fn he(shape: Vec<usize>, fan_in: usize, rng: &mut ChaCha8Rng) -> Result<Tensor> {
    let count = shape.iter().product::<usize>();
    let bound = (6.0 / fan_in.max(1) as f64).sqrt() as f32;
    let data = (0..count).map(|_| rng.random_range(-bound..=bound)).collect();
    Ok(Tensor::new(shape, data)?)
}

fn constant(count: usize, value: f32) -> Result<Tensor> {
    Ok(Tensor::new(vec![count], vec![value; count])?)
}
