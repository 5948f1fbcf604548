//! What the network says of the samples, worked out once: margins of classes and the ranges that
//! are promised both come from it.

use beaa_ir::images::ImageMajor;
use rayon::prelude::*;

use crate::Result;
use crate::network::activations::forward;
use crate::network::calibration::{evenly_spread, products, values_of};
use crate::network::graph::Graph;

/// Samples that are looked at, at most.
const MAX_IMAGES: usize = 4096;
/// Images times products: some seconds, and hundreds of images of a network with tens of millions
/// of products.
const MAX_PRODUCTS: usize = 1 << 33;
/// Images looked at together.
pub(crate) const IMAGES_PER_CHUNK: usize = 64;

/// Some of the samples, and what the network says of them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SampleOutputs<'a> {
    pub(crate) images: Vec<&'a [f32]>,
    /// `[image][output]`.
    pub(crate) outputs: Vec<Vec<f64>>,
}

/// How many images take so many products, one at least.
pub(crate) fn most_images(graph: &Graph, most_products: usize) -> usize {
    (most_products / products(graph).max(1)).max(1)
}

/// The outputs of images evenly spread over the samples; of one at least, if there is one.
///
/// # Errors
/// As [`outputs_of`].
pub(crate) fn sample_outputs<'a>(graph: &Graph, samples: &'a ImageMajor<f32>) -> Result<SampleOutputs<'a>> {
    let images = evenly_spread(samples, MAX_IMAGES.min(most_images(graph, MAX_PRODUCTS)));
    let outputs = outputs_of(graph, samples.elements(), &images)?;
    Ok(SampleOutputs { images, outputs })
}

/// The outputs of images of `len` numbers each, `[image][output]`.
///
/// # Errors
/// As [`values_of`].
pub(crate) fn outputs_of(graph: &Graph, len: usize, images: &[&[f32]]) -> Result<Vec<Vec<f64>>> {
    let of_chunk = |chunk: &[&[f32]]| -> Result<Vec<Vec<f64>>> {
        let outputs = forward(graph, values_of(len, chunk)?).swap_remove(graph.output);
        Ok((0..chunk.len()).map(|image| outputs.rows().map(|row| row[image]).collect()).collect())
    };
    let found: Vec<_> = images.par_chunks(IMAGES_PER_CHUNK).map(of_chunk).collect::<Result<_>>()?;
    Ok(found.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::graph_after;
    use crate::testing::{images, random_model};

    #[test]
    fn outputs_are_those_of_the_model_image_by_image() {
        let model = random_model(3);
        // More than are looked at together.
        let samples = images(&model, 3, IMAGES_PER_CHUNK + 3);
        let SampleOutputs { images, outputs } = sample_outputs(&graph_after("import", &model), &samples).unwrap();
        assert_eq!((images.len(), outputs.len()), (samples.images(), samples.images()));
        for (image, outputs) in images.into_iter().zip(&outputs) {
            let expected = beaa_ir::evaluate(&model, image).unwrap();
            assert_eq!(outputs.len(), expected.len());
            assert!(outputs.iter().zip(&expected).all(|(f, e)| (f - e).abs() < 1e-6 * (1.0 + e.abs())));
        }
    }
}
