//! What the network says of the samples, worked out once: margins of classes and the ranges that
//! are promised both come from it.

use beaa_ir::images::ImageMajor;

use crate::Result;
use crate::network::activations::forward;
use crate::network::calibration::{evenly_spread, products, values_of};
use crate::network::graph::Graph;

/// Images that are looked at, at most.
const MAX_IMAGES: usize = 4096;
/// Images times products: some seconds, and hundreds of images of a network with tens of millions
/// of products.
const MAX_PRODUCTS: usize = 1 << 33;
/// Images looked at together.
const IMAGES_PER_CHUNK: usize = 64;

/// The outputs of images evenly spread over `images`, `[image][output]`; of one at least, if there
/// is one.
///
/// # Errors
/// As [`values_of`].
pub(crate) fn sample_outputs(graph: &Graph, images: &ImageMajor<f32>) -> Result<Vec<Vec<f64>>> {
    let count = MAX_IMAGES.min(MAX_PRODUCTS / products(graph).max(1)).max(1);
    let mut found = Vec::new();
    for chunk in evenly_spread(images, count).chunks(IMAGES_PER_CHUNK) {
        let outputs = forward(graph, values_of(images.elements(), chunk)?).swap_remove(graph.output);
        found.extend((0..chunk.len()).map(|image| outputs.rows().map(|row| row[image]).collect()));
    }
    Ok(found)
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
        let found = sample_outputs(&graph_after("import", &model), &samples).unwrap();
        assert_eq!(found.len(), samples.images());
        for (image, outputs) in samples.rows().zip(&found) {
            let expected = beaa_ir::evaluate(&model, image).unwrap();
            assert_eq!(outputs.len(), expected.len());
            assert!(outputs.iter().zip(&expected).all(|(f, e)| (f - e).abs() < 1e-6 * (1.0 + e.abs())));
        }
    }
}
