//! The untrained teacher: layers of the configuration with seeded He weights. Burn's global
//! generator is not used, or models would depend on what else runs.

use std::collections::HashMap;

use beaa_ir::{
    Activation, Conv2d, InputSpec, Layer, LayerOp, Linear, Model, ModelLiteral, Pool2d, Provenance, Shape, Tensor,
    output_shape,
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
/// [`Error::Config`] with the first layer that does not fit what is before it, or a last layer that
/// does not fit the classes.
pub(crate) fn untrained_teacher(config: &TrainConfig, input: InputSpec, classes: &[String]) -> Result<Model> {
    if classes.len() < 2 {
        let message = format!("the data set has {} class ({}); expected 2 at least", classes.len(), classes.join(", "));
        return Err(problem("data.source".to_owned(), message));
    }
    let literal = config.literal();
    let mut rng = stream(literal.seed, Purpose::Weights, 0, 0);
    let mut shape = input.shape();
    let mut shapes: HashMap<&str, Shape> = HashMap::new();
    let mut layers: Vec<Layer> = Vec::with_capacity(literal.network.len());
    for (i, (layer, name)) in literal.network.iter().zip(config.layer_names()).enumerate() {
        let misfit = |message: String| problem(format!("network[{i}] ({name})"), message);
        let op = build(layer, shape, classes.len(), &mut rng).map_err(misfit)?;
        let layer = Layer { name: name.clone(), op };
        shape =
            output_shape(&layer, shape, |earlier| shapes.get(earlier).copied()).map_err(|e| misfit(e.to_string()))?;
        shapes.insert(name, shape);
        layers.push(layer);
    }
    if shape != (Shape::Flat { features: classes.len() }) {
        let message = format!(
            "the last layer gives {shape}; expected {} outputs, one per class{}: end with \
             {{\"linear\": {{\"out\": \"classes\"}}}}",
            classes.len(),
            if shape.len() == 1 { " (a single score is imported, not trained)" } else { "" }
        );
        return Err(problem("network".to_owned(), message));
    }
    let (name, provenance) = (format!("{}-teacher", literal.name), Provenance::default());
    Ok(ModelLiteral { name, input, classes: classes.to_vec(), threshold: None, layers, accuracy: None, provenance }
        .try_into()?)
}

fn problem(field: String, message: String) -> Error {
    Error::Config { problems: vec![Problem { field, message }] }
}

/// One layer for inputs of shape `input`, or why there is none.
fn build(layer: &LayerConfig, input: Shape, classes: usize, rng: &mut ChaCha8Rng) -> Result<LayerOp, String> {
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
            let per_group = channels / c.groups;
            LayerOp::Conv2d(Conv2d {
                weight: he(vec![c.out, per_group, kh, kw], per_group * kh * kw, rng)?,
                bias: c.bias.then(|| constant(c.out, 0.0)).transpose()?,
                stride: c.stride.get(),
                padding: c.padding.get(),
                dilation: c.dilation.get(),
                groups: c.groups,
            })
        }
        LayerConfig::Linear(l) => {
            let out = match l.out {
                Outputs::Number(n) => n,
                Outputs::Classes => classes,
            };
            let weight = he(vec![out, input.len()], input.len(), rng)?;
            LayerOp::Linear(Linear { weight, bias: l.bias.then(|| constant(out, 0.0)).transpose()? })
        }
        LayerConfig::BatchNorm(b) => LayerOp::BatchNorm {
            gamma: constant(channels, 1.0)?,
            beta: constant(channels, 0.0)?,
            mean: constant(channels, 0.0)?,
            var: constant(channels, 1.0)?,
            eps: b.epsilon,
        },
        LayerConfig::AvgPool(a) => {
            LayerOp::AvgPool(Pool2d { kernel: a.kernel.get(), stride: a.stride.unwrap_or(a.kernel).get() })
        }
        LayerConfig::Flatten => LayerOp::Flatten,
        LayerConfig::Activation => LayerOp::Activation { function: Activation::Relu, range: None },
        LayerConfig::Add(a) => LayerOp::Add { with: a.with.clone() },
    })
}

/// Weights uniform in `±sqrt(6 / fan_in)`.
fn he(shape: Vec<usize>, fan_in: usize, rng: &mut ChaCha8Rng) -> Result<Tensor, String> {
    let count = shape.iter().product::<usize>();
    let bound = (6.0 / fan_in.max(1) as f64).sqrt() as f32;
    let data = (0..count).map(|_| rng.random_range(-bound..=bound)).collect();
    Tensor::new(shape, data).map_err(|e| e.to_string())
}

fn constant(count: usize, value: f32) -> Result<Tensor, String> {
    Tensor::new(vec![count], vec![value; count]).map_err(|e| e.to_string())
}
