//! What a training takes, worked out from the configuration before a single weight is made:
//! parameters with gradients and optimiser, activations of a batch, and the images.

use std::collections::HashMap;

use beaa_ir::{InputSpec, Model, Shape, window_positions};
use beaa_memory::Need;

use crate::config::{LayerConfig, Outputs, TrainConfig};
use crate::data::Splits;
use crate::error::{Error, Problem, Result};

/// Copies of the parameters at the worst moment: two models, the network, its gradients, two
/// moments of the optimiser, and what a checkpoint writes.
const COPIES_OF_PARAMETERS: u64 = 8;
/// Copies of each layer's output for a batch: kept for the way back, its gradient, and what the
/// operation works on.
const COPIES_OF_ACTIVATIONS: u64 = 3;
/// Bytes of a number.
const NUMBER: u64 = 4;
const REMEDY: &str = "make the network narrower or its images smaller, or lower `teacher.batch`, \
                      `student.batch` or `student.repeat_after`";

/// Numbers of a network, counted without one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Size {
    parameters: u64,
    /// Elements of all outputs, for one image.
    elements: u64,
}

impl Size {
    fn training_bytes(self, batch: u64) -> u64 {
        let parameters = self.parameters.saturating_mul(COPIES_OF_PARAMETERS);
        let activations = self.elements.saturating_mul(batch).saturating_mul(COPIES_OF_ACTIVATIONS);
        parameters.saturating_add(activations).saturating_mul(NUMBER)
    }
}

/// Refuses a configuration whose training takes more memory than there is.
///
/// # Errors
/// [`Error::Memory`] with both numbers, and [`Error::Config`] with the first layer that does not
/// fit what is before it.
pub(crate) fn check_size(config: &TrainConfig, splits: &Splits) -> Result<()> {
    let size = size(config, &splits.input, splits.classes.len())?;
    check("training", size, config, splits)
}

/// Refuses to train with a network from a file where that takes more memory than there is.
///
/// # Errors
/// [`Error::Memory`] with both numbers.
pub(crate) fn check_model_size(model: &Model, config: &TrainConfig, splits: &Splits) -> Result<()> {
    let tensors = model.layers().iter().flat_map(|l| l.op.tensors());
    let parameters = tensors.map(|(_, t)| t.data().len() as u64).sum();
    let elements = model.shapes().iter().map(|s| s.len() as u64).sum();
    check("training with the given network", Size { parameters, elements }, config, splits)
}

fn check(operation: &str, size: Size, config: &TrainConfig, splits: &Splits) -> Result<()> {
    let literal = config.literal();
    let batch = literal.teacher.batch.max(literal.student.batch).min(splits.train.len()) as u64;
    let bytes = size.training_bytes(batch).saturating_add(logits_bytes(config, splits));
    Ok(Need::new(operation, bytes, REMEDY).check()?)
}

/// The teacher's logits that are kept for batches which come again.
fn logits_bytes(config: &TrainConfig, splits: &Splits) -> u64 {
    let student = &config.literal().student;
    let epochs = if student.keeps_logits() { student.rounds().kept() } else { 0 };
    let factors = [epochs, splits.train.len(), splits.classes.len()].map(|factor| factor as u64);
    factors.into_iter().fold(NUMBER, u64::saturating_mul)
}

/// Counts what the layers of `config` come to for images of `input`.
fn size(config: &TrainConfig, input: &InputSpec, classes: usize) -> Result<Size> {
    let (mut shape, mut size) = (input.shape(), Size { parameters: 0, elements: input.shape().len() as u64 });
    let mut shapes: HashMap<&str, Shape> = HashMap::new();
    for (i, (layer, name)) in config.literal().network.iter().zip(config.layer_names()).enumerate() {
        let misfit = |message: String| Error::Config {
            problems: vec![Problem { field: format!("network[{i}] ({name})"), message }],
        };
        let parameters;
        (shape, parameters) = after(layer, name, shape, classes).map_err(misfit)?;
        shapes.insert(name, shape);
        size.parameters = size.parameters.saturating_add(parameters);
        size.elements = size.elements.saturating_add(len(shape));
    }
    Ok(size)
}

/// The shape after a layer and its parameters, or why it does not fit.
fn after(layer: &LayerConfig, name: &str, input: Shape, classes: usize) -> Result<(Shape, u64), String> {
    let product = |factors: &[usize]| factors.iter().fold(1_u64, |n, &f| n.saturating_mul(f as u64));
    let map = |channels, rows: [usize; 2]| Shape::Map { channels, height: rows[0], width: rows[1] };
    let windows = |[height, width]: [usize; 2], kernel: [usize; 2], stride: [usize; 2], more: [[usize; 2]; 2]| {
        let [padding, dilation] = more;
        let one = |axis: usize, size| {
            let at = |pair: [usize; 2]| pair[axis];
            window_positions(name, size, at(kernel), at(stride), at(padding), at(dilation)).map_err(|e| e.to_string())
        };
        Ok::<_, String>([one(0, height)?, one(1, width)?])
    };
    Ok(match (layer, input) {
        (LayerConfig::Conv2d(c), Shape::Map { channels, height, width }) => {
            let (kernel, more) = (c.kernel.get(), [c.padding.get(), c.dilation.get()]);
            let rows = windows([height, width], kernel, c.stride.get(), more)?;
            let weights = product(&[c.out, channels / c.groups.max(1), kernel[0], kernel[1]]);
            (map(c.out, rows), weights.saturating_add(c.out as u64))
        }
        (LayerConfig::Linear(l), _) => {
            let out = match l.out {
                Outputs::Number(n) => n,
                Outputs::Classes => classes,
            };
            let weights = len(input).saturating_mul(out as u64);
            (Shape::Flat { features: out }, weights.saturating_add(out as u64))
        }
        (LayerConfig::AvgPool(a), Shape::Map { channels, height, width }) => {
            let kernel = a.kernel.get();
            let rows = windows([height, width], kernel, a.stride.unwrap_or(a.kernel).get(), [[0, 0], [1, 1]])?;
            (map(channels, rows), 0)
        }
        (LayerConfig::BatchNorm(_), Shape::Map { channels, .. }) => (input, (channels as u64).saturating_mul(4)),
        (LayerConfig::BatchNorm(_), Shape::Flat { features }) => (input, (features as u64).saturating_mul(4)),
        (LayerConfig::Flatten, _) => {
            let features = usize::try_from(len(input)).map_err(|_| format!("an output of {input}"))?;
            (Shape::Flat { features }, 0)
        }
        // A coefficient for each element at most, three times.
        (LayerConfig::Activation, _) => (input, len(input).saturating_mul(3)),
        // What contradicts itself takes nothing here; the network is checked when it is built.
        (LayerConfig::Add(_) | LayerConfig::Conv2d(_) | LayerConfig::AvgPool(_), _) => (input, 0),
    })
}

/// Elements of a shape that nobody has checked.
fn len(shape: Shape) -> u64 {
    match shape {
        Shape::Map { channels, height, width } => {
            (channels as u64).saturating_mul(height as u64).saturating_mul(width as u64)
        }
        Shape::Flat { features } => features as u64,
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::model::weight_init::untrained_teacher;

    fn config(network: &str) -> TrainConfig {
        TrainConfig::from_json(&format!(r#"{{"network": {network}}}"#)).unwrap()
    }

    fn input(side: usize) -> InputSpec {
        InputSpec::pixels([1, side, side], vec![0.5], vec![0.5])
    }

    #[test]
    fn counts_are_those_of_the_network() {
        let config = config(
            r#"[{"conv2d": {"out": 6, "kernel": 5, "stride": 2, "padding": 1, "groups": 1}}, {"batch_norm": {}},
                "activation", {"avg_pool": {"kernel": 2}}, "flatten", {"linear": {"out": 9}}, "activation",
                {"linear": {"out": "classes"}}]"#,
        );
        let classes = ["a".to_owned(), "b".to_owned()];
        let model = untrained_teacher(&config, input(28), &classes).unwrap();
        let counted = size(&config, &input(28), classes.len()).unwrap();
        let tensors = model.layers().iter().flat_map(|l| l.op.tensors());
        let coefficients = 3 * (6 * 13 * 13 + 9);
        assert_eq!(counted.parameters, tensors.map(|(_, t)| t.data().len() as u64).sum::<u64>() + coefficients);
        assert_eq!(counted.elements, 28 * 28 + model.shapes().iter().map(|s| s.len() as u64).sum::<u64>());
    }

    #[test]
    fn absurd_layers_are_counted_and_not_made() {
        let linear = |out: u64| format!(r#"["flatten", {{"linear": {{"out": {out}}}}}, "activation"]"#);
        for out in [4_000_000_000, 1 << 32, 1 << 62, u64::MAX] {
            let counted = size(&config(&linear(out)), &input(28), 2).unwrap();
            assert!(counted.training_bytes(20) > 1 << 42, "{out}: {counted:?}");
        }
        for out in [1_u64 << 40, 1 << 62, u64::MAX] {
            let network =
                format!(r#"[{{"conv2d": {{"out": {out}, "kernel": 3}}}}, {{"batch_norm": {{}}}}, "activation"]"#);
            let counted = size(&config(&network), &input(28), 2).unwrap();
            assert!(counted.training_bytes(20) > 1 << 42, "{out}: {counted:?}");
        }
        for kernel in [99_u64, 8192, 1 << 28, 1 << 40] {
            let network = format!(r#"[{{"conv2d": {{"out": 2, "kernel": {kernel}}}}}, "activation"]"#);
            let error = size(&config(&network), &input(28), 2).unwrap_err().to_string();
            assert!(error.contains("network[0] (conv1)") && error.contains("fits into the padded input"), "{error}");
        }
    }
}
