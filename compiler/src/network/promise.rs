//! What a program promises of images and answers: the ranges that samples show, or those of the
//! outputs' bounds where there are none.

use beaa_ir::images::ImageMajor;
use beaa_ir::promise::{ImageRanges, Interval, Promise, output_margin};
use beaa_ir::{InputSpec, Model};

use crate::Result;
use crate::network::bounds::analyse;
use crate::network::calibration::evenly_spread;
use crate::network::graph::Graph;

/// Images whose statistics are taken, at most.
const MAX_IMAGES: usize = 1 << 14;
/// Rounding of weights moves outputs a little beyond what the network's arithmetic allows.
const BOUND_MARGIN: f64 = 0.05;

/// What is promised with normalised `images` as samples and the outputs of some of them, or without
/// any.
pub(crate) fn promise(
    model: &Model,
    graph: &Graph,
    samples: Option<(&ImageMajor<f32>, &[Vec<f64>])>,
) -> Result<Option<Promise>> {
    let Some((images, outputs)) = samples else {
        let bounds = &analyse(graph)[graph.output];
        let outputs = bounds.intervals().map(|i| Interval { min: i.lo, max: i.hi }.widened(BOUND_MARGIN)).collect();
        return Ok(finite(Promise { outputs, images: None }));
    };
    let range = |output: usize| Interval::of(outputs.iter().map(|of_image| of_image[output]));
    let ranges = (0..model.outputs()).map(range).collect();
    with_samples(model.input(), ranges, outputs.len(), evenly_spread(images, MAX_IMAGES))
}

/// What is promised when so many samples have outputs in these ranges; `images` are normalised.
/// None where a sample overflows.
pub(crate) fn with_samples<'a>(
    input: &InputSpec,
    outputs: Vec<Option<Interval>>,
    samples: usize,
    images: impl IntoIterator<Item = &'a [f32]>,
) -> Result<Option<Promise>> {
    let margin = output_margin(samples);
    let outputs: Option<Vec<Interval>> = outputs.into_iter().map(|r| r.map(|r| r.widened(margin))).collect();
    let images = ImageRanges::of(input, images)?;
    Ok(outputs.filter(|_| images.is_some()).and_then(|outputs| finite(Promise { outputs, images })))
}

/// Drops a promise that is none.
fn finite(promise: Promise) -> Option<Promise> {
    promise.outputs.iter().all(|i| i.min.is_finite() && i.max.is_finite()).then_some(promise)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::sample_outputs::sample_outputs;
    use crate::pipeline::graph_after;
    use crate::testing::{images, random_model};

    #[test]
    fn samples_and_images_like_them_keep_the_promise() {
        for seed in 0..20 {
            let model = random_model(seed);
            let graph = graph_after("import", &model);
            let samples = images(&model, seed, 200);
            let outputs = sample_outputs(&graph, &samples).unwrap().outputs;
            let with = promise(&model, &graph, Some((&samples, &outputs))).unwrap().unwrap();
            let without = promise(&model, &graph, None).unwrap().unwrap();
            assert!(without.images.is_none() && without.outputs.len() == model.outputs());
            let ranges = with.images.as_ref().unwrap();
            assert_eq!((ranges.samples, ranges.channels.len()), (200, model.input().shape[0]));
            assert!(ranges.deviating(model.input(), &samples).unwrap().is_empty());
            for image in images(&model, seed, 20).rows() {
                let outputs = beaa_ir::evaluate(&model, image).unwrap();
                for ((v, a), b) in outputs.iter().zip(&with.outputs).zip(&without.outputs) {
                    let slack = 1e-5 * (1.0 + v.abs());
                    assert!(a.holds(*v, slack) && b.holds(*v, slack), "seed {seed}: {v} in {a:?} and {b:?}");
                }
            }
        }
    }
}
