//! What compiling a network takes, worked out from its layers before any of it is lowered.

use beaa_ir::{Conv2d, LayerOp, Model, Shape};
use beaa_memory::Need;

use crate::error::{Error, Result};
use crate::network::calibration::simulated_images;

/// Elements of a network over all its layers: each becomes a ciphertext of a hundred kilobytes, on
/// which an operation takes a millisecond.
const MOST_ELEMENTS: u64 = 1 << 22;
/// Outputs of a network: how each of them depends on what is before it is worked out one by one.
const MOST_OUTPUTS: usize = 1 << 16;
/// Layers of a network: some passes look at every layer for each of them.
const MOST_LAYERS: usize = 1 << 12;
/// Bytes that a weight takes while it is lowered: in the graph, in what it is composed to, in the
/// program, and in the file.
const BYTES_OF_WEIGHT: u64 = 48;
/// Bytes that an element takes for each simulated image: its value, and its error.
const BYTES_OF_VALUE: u64 = 16;
/// Bytes that an element takes whatever is simulated: bounds, coefficients, biases.
const BYTES_OF_ELEMENT: u64 = 256;
const REMEDY: &str = "use smaller images, fewer channels or a larger stride in the first layers";

/// Numbers of a network as the compiler holds it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct NetworkSize {
    /// Elements of the image and of every layer.
    pub(crate) elements: u64,
    /// Weights that are not zero, each as often as it is used: what a linear map of its own for
    /// every element holds.
    pub(crate) products: u64,
}

impl NetworkSize {
    /// Counts the elements and products of `model`; at the border of padded maps a few too many.
    pub(crate) fn of(model: &Model) -> Self {
        let mut input = model.input().shape();
        let mut size = Self { elements: input.len() as u64, products: 0 };
        for (layer, &output) in model.layers().iter().zip(model.shapes()) {
            size.elements = size.elements.saturating_add(output.len() as u64);
            size.products = size.products.saturating_add(products(&layer.op, input, output));
            input = output;
        }
        size
    }

    /// Bytes that lowering the network takes at its worst moment.
    fn bytes(self) -> u64 {
        let images = simulated_images(self.products, self.elements) as u64;
        let each = BYTES_OF_ELEMENT + BYTES_OF_VALUE * images;
        self.products.saturating_mul(BYTES_OF_WEIGHT).saturating_add(self.elements.saturating_mul(each))
    }
}

/// Refuses a model that could only be compiled in more memory than there is, or whose program would
/// never end.
///
/// # Errors
/// [`Error::Size`] or [`Error::TooLarge`], with what was found and what is allowed.
pub(crate) fn check_size(model: &Model) -> Result<()> {
    let size = NetworkSize::of(model);
    let refuse = |found: String, expected: String, remedy| {
        Err(Error::Size { model: model.name().to_owned(), found, expected, remedy })
    };
    if model.layers().len() > MOST_LAYERS {
        let found = format!("{} layers", model.layers().len());
        return refuse(found, format!("at most {MOST_LAYERS}"), "join layers that belong together");
    }
    if model.outputs() > MOST_OUTPUTS {
        let found = format!("{} outputs", model.outputs());
        return refuse(found, format!("at most {MOST_OUTPUTS}"), "end in a layer with one output for each class");
    }
    if size.elements > MOST_ELEMENTS {
        let found = format!("{} elements over all layers, each of them a ciphertext", size.elements);
        return refuse(found, format!("at most {MOST_ELEMENTS}"), REMEDY);
    }
    Ok(Need::new(format!("compiling `{}`", model.name()), size.bytes(), REMEDY).check()?)
}

/// Refuses a model whose sums on so many calibration images take more memory than there is, as
/// [`check_size`] does.
///
/// # Errors
/// As [`check_size`].
pub(crate) fn check_samples_size(model: &Model, images: usize) -> Result<()> {
    check_size(model)?;
    let size = NetworkSize::of(model);
    let sums = size.elements.saturating_mul(images as u64).saturating_mul(BYTES_OF_VALUE);
    let bytes = size.bytes().saturating_add(sums);
    Ok(Need::new(format!("compiling `{}`", model.name()), bytes, "give fewer --samples, or smaller images").check()?)
}

fn products(op: &LayerOp, input: Shape, output: Shape) -> u64 {
    let window = |kernel: [usize; 2]| {
        let (rows, columns) = match input {
            Shape::Map { height, width, .. } => (kernel[0].min(height), kernel[1].min(width)),
            Shape::Flat { .. } => (1, 1),
        };
        rows as u64 * columns as u64
    };
    let each: u64 = match op {
        LayerOp::Conv2d(Conv2d { weight, .. }) => {
            let &[_, per_group, rows, columns] = weight.shape() else {
                unreachable!("checked weights of a convolution have shape {:?}", weight.shape())
            };
            per_group as u64 * window([rows, columns])
        }
        LayerOp::Linear(_) => input.len() as u64,
        LayerOp::AvgPool(pool) => window(pool.kernel),
        LayerOp::BatchNorm { .. } => 1,
        LayerOp::Add { .. } => 2,
        LayerOp::Flatten | LayerOp::Branch { .. } | LayerOp::Activation { .. } => 0,
    };
    each.saturating_mul(output.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::graph::Graph;
    use crate::network::import::import;
    use crate::testing::random_model;

    fn entries(graph: &Graph) -> u64 {
        crate::network::calibration::products(graph) as u64
    }

    #[test]
    fn products_are_at_least_those_of_the_graph() {
        for seed in 0..40 {
            let model = random_model(seed);
            let (counted, graph) = (NetworkSize::of(&model), import(&model, 2.0).unwrap());
            assert!(counted.products >= entries(&graph), "seed {seed}: {counted:?}, {} entries", entries(&graph));
            // Padding and weights that are zero are all that is counted beyond.
            assert!(counted.products <= 8 * entries(&graph) + 64, "seed {seed}: {counted:?}, {}", entries(&graph));
        }
    }
}
