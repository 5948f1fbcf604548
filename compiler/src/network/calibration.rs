//! The images on which magnitudes, errors and margins are estimated: the caller's where there are
//! any, otherwise smooth random pictures that are centred and spread as normalised images are.
//! Reports say which it was.

use beaa_ir::Model;
use beaa_ir::images::{ElementMajor, ImageMajor};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::network::graph::{Graph, Interval, Node, Op};
use crate::{Error, Result};

/// Images times products that one walk may take: keeps compile time linear, and within a second for
/// ten million products.
const MAX_SIMULATED_PRODUCTS: usize = 1 << 28;
/// Most images that errors are simulated on: more say little new.
const MAX_SIMULATED_IMAGES: usize = 256;
/// Fewest images that errors are simulated on, however large the network.
const MIN_SIMULATED_IMAGES: usize = 16;
/// Sizes of the boxes that made-up pictures are smoothed with, as a fraction of their longer side,
/// and the deviation of each such part; squares of all deviations add up to 1.
const SMOOTHING: [(f64, f32); 3] = [(0.05, 0.35), (0.15, 0.5), (0.4, 0.5)];
/// Deviation of a made-up picture's mean.
const BRIGHTNESS_DEVIATION: f32 = 0.61;

/// What rounding does to made-up images is taken for so much more: real ones have other means,
/// which biases then miss.
const MADE_UP_ROUNDING_MARGIN: f64 = 2.0;

/// The factor on predicted rounding errors: more where images are made up.
pub(crate) fn rounding_margin(images: Option<&ImageMajor<f32>>) -> f64 {
    if images.is_none() { MADE_UP_ROUNDING_MARGIN } else { 1.0 }
}

/// How many images errors are simulated on.
pub(crate) fn image_count(graph: &Graph) -> usize {
    (MAX_SIMULATED_PRODUCTS / products(graph).max(1)).clamp(MIN_SIMULATED_IMAGES, MAX_SIMULATED_IMAGES)
}

/// Entries of all weights.
pub(crate) fn products(graph: &Graph) -> usize {
    let of = |n: &Node| match &n.op {
        Op::Affine { terms, .. } => terms.iter().map(|t| t.weights.entries()).sum(),
        _ => 0,
    };
    graph.nodes.iter().map(of).sum()
}

/// Up to `count` of the images, evenly spread over them, or as many made-up ones.
///
/// # Errors
/// As [`values_of`].
pub(crate) fn calibration_images(
    model: &Model,
    images: Option<&ImageMajor<f32>>,
    count: usize,
) -> Result<ElementMajor<f64>> {
    match images {
        Some(images) => values_of(images.elements(), &evenly_spread(images, count)),
        None => Ok(pictures(model, count)?.map(|&v| f64::from(v)).to_element_major()),
    }
}

/// Refuses an empty set of images, and images of another size than `len` numbers.
///
/// # Errors
/// [`Error::Option`] with what was found.
pub(crate) fn check_samples<T>(images: &ImageMajor<T>, len: usize) -> Result<()> {
    let refuse = |found: String, expected: String| Err(Error::Option { option: "samples", found, expected });
    if images.elements() != len {
        return refuse(format!("images of {} numbers", images.elements()), format!("{len} numbers in each"));
    }
    if images.images() == 0 {
        return refuse("no image".into(), "at least one".into());
    }
    Ok(())
}

/// At most `count` of the images, at equal distances.
pub(crate) fn evenly_spread(images: &ImageMajor<f32>, count: usize) -> Vec<&[f32]> {
    let count = count.min(images.images());
    (0..count).map(|i| images.image(i * images.images() / count)).collect()
}

/// The images, of `len` numbers each, as values of a graph's input.
///
/// # Errors
/// [`Error::Program`] if an image is of another length.
pub(crate) fn values_of(len: usize, images: &[&[f32]]) -> Result<ElementMajor<f64>> {
    Ok(ImageMajor::from_rows(len, images)?.map(|&v| f64::from(v)).to_element_major())
}

/// Smooth random pictures of mean 0 and deviation 1 per channel, as normalisation makes them,
/// within the pixels' range.
fn pictures(model: &Model, count: usize) -> Result<ImageMajor<f32>> {
    let spec = model.input();
    let [_, height, width] = spec.shape;
    let mut rng = ChaCha8Rng::seed_from_u64(0x1297_5A4D);
    let images = (0..count).map(|_| {
        // Real images are darker and brighter as a whole, too.
        let brightness: f32 = BRIGHTNESS_DEVIATION * normal(&mut rng);
        let planes = spec.allowed_range().into_iter().flat_map(|allowed| {
            let mut sum = vec![brightness; height * width];
            for (size, share) in SMOOTHING {
                let radius = (size * height.max(width) as f64 / 2.0).round() as usize;
                let mut noise: Vec<f32> = (0..height * width).map(|_| rng.random_range(-1.0..1.0)).collect();
                smooth(&mut noise, height, width, radius);
                standardise(&mut noise);
                sum.iter_mut().zip(&noise).for_each(|(s, n)| *s += share * n);
            }
            sum.into_iter().map(move |v| v.clamp(allowed.min, allowed.max))
        });
        planes.collect::<Vec<f32>>()
    });
    Ok(ImageMajor::from_rows(spec.shape().len(), images)?)
}

/// Nearly normal, of variance 1.
fn normal(rng: &mut ChaCha8Rng) -> f32 {
    (0..12).map(|_| rng.random_range(-0.5_f32..0.5)).sum()
}

/// Box filter, rows and then columns.
pub(crate) fn smooth(plane: &mut [f32], height: usize, width: usize, radius: usize) {
    let blur = |line: &[f32], k: usize| {
        let window = &line[k.saturating_sub(radius)..(k + radius + 1).min(line.len())];
        window.iter().sum::<f32>() / window.len() as f32
    };
    for row in plane.chunks_mut(width.max(1)) {
        let line = row.to_vec();
        row.iter_mut().enumerate().for_each(|(k, v)| *v = blur(&line, k));
    }
    for c in 0..width {
        let line: Vec<f32> = (0..height).map(|r| plane[r * width + c]).collect();
        (0..height).for_each(|r| plane[r * width + c] = blur(&line, r));
    }
}

/// Gives numbers mean 0 and deviation 1.
pub(crate) fn standardise(plane: &mut [f32]) {
    let n = plane.len().max(1) as f32;
    let mean = plane.iter().sum::<f32>() / n;
    let deviation = (plane.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / n).sqrt().max(1e-6);
    plane.iter_mut().for_each(|v| *v = (*v - mean) / deviation);
}

/// Gives every affine map and quadratic without a range the one that its values on some images
/// show, widened by `safety`: too tight for made-up images.
pub(crate) fn observe_ranges(mut graph: Graph, activations: &[ElementMajor<f64>], safety: f64) -> Graph {
    for (node, values) in graph.nodes.iter_mut().zip(activations) {
        if node.observed_range.is_none() && matches!(node.op, Op::Affine { .. } | Op::Quadratic { .. }) {
            let (lo, hi) =
                values.data().iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &v| (l.min(v), h.max(v)));
            node.observed_range = (lo <= hi).then(|| vec![Interval { lo, hi }.widened(safety); values.elements()]);
        }
    }
    graph
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::random_model;

    #[test]
    fn made_up_pictures_look_normalised() {
        for seed in 0..10 {
            let model = random_model(seed);
            let (len, bound) = (model.input().shape().len(), f64::from(model.input().bound()));
            let values = calibration_images(&model, None, 100).unwrap();
            assert_eq!((values.elements(), values.images()), (len, 100));
            assert!(values.data().iter().all(|v| v.abs() <= bound + 1e-6));
            let power = values.data().iter().map(|v| v * v).sum::<f64>() / (100 * len) as f64;
            assert!((0.4..1.3).contains(&power), "{power}");
        }
    }

    #[test]
    fn given_images_are_taken_from_all_over() {
        let model = random_model(1);
        let len = model.input().shape().len();
        let images = |count| ImageMajor::from_rows(len, (0..count).map(|i| vec![i as f32; len])).unwrap();
        let values = calibration_images(&model, Some(&images(100)), 4).unwrap();
        assert_eq!(values.element(0), [0.0, 25.0, 50.0, 75.0]);
        assert_eq!(calibration_images(&model, Some(&images(3)), 4).unwrap().images(), 3);
    }

    #[test]
    fn samples_that_say_nothing_are_refused() {
        let none = ImageMajor::<f32>::new(0, 4, Vec::new()).unwrap();
        let message = |len| check_samples(&none, len).unwrap_err().to_string();
        assert!(message(4).contains("found no image"), "{}", message(4));
        assert!(message(5).contains("images of 4 numbers"), "{}", message(5));
    }
}
