//! How many images keep their class under a plan: each image that agreement is measured on is
//! simulated by itself, and what all of them lose of their margins says how likely each was to lose
//! its class.

use beaa_ir::Classes;
use beaa_ir::images::ElementMajor;
use rayon::prelude::*;

use crate::Result;
use crate::network::calibration::values_of;
use crate::network::graph::Graph;
use crate::network::margins::MeasuredImage;
use crate::network::sample_outputs::IMAGES_PER_CHUNK;
use crate::plan::accuracy_target::Losses;
use crate::plan::confidence::Flips;
use crate::plan::refine::RefinedPlan;
use crate::plan::simulate_noise::{MarginLoss, simulate_outputs};

/// The images that change their class when a plan runs on them.
///
/// # Errors
/// As [`values_of`].
pub(crate) fn simulate_agreement(
    graph: &Graph,
    classes: &Classes,
    images: &[MeasuredImage<'_>],
    refined: &RefinedPlan,
) -> Result<Flips> {
    let len = graph.len(0);
    let chunk = |(number, chunk): (usize, &[MeasuredImage<'_>])| -> Result<Vec<Option<f64>>> {
        let pixels: Vec<&[f32]> = chunk.iter().map(|i| i.image).collect();
        // Every chunk has noise of its own.
        let seed = number as u64;
        let noisy = simulate_outputs(graph, &refined.quantised, &refined.plan, &values_of(len, &pixels)?, seed);
        Ok(chunk.iter().enumerate().map(|(i, image)| lost_margin(classes, &noisy, i, image)).collect())
    };
    let chunks: Vec<_> = images.par_chunks(IMAGES_PER_CHUNK).enumerate().map(chunk).collect::<Result<_>>()?;
    let lost: Vec<Option<f64>> = chunks.into_iter().flatten().collect();
    Ok(flips(images, &lost))
}

/// What image `i` of a chunk loses of its margin; none where an output is no number any more.
fn lost_margin(classes: &Classes, noisy: &ElementMajor<f64>, i: usize, image: &MeasuredImage<'_>) -> Option<f64> {
    let outputs: Vec<f64> = noisy.rows().map(|row| row[i]).collect();
    Some(image.margin - classes.margin(&outputs, image.class)?)
}

/// The images that change their class, given what each of them lost once. A loss may happen to any
/// image of its class, with the mean and deviation of that class and the tails of all of them: this
/// says more than counting the few images that changed. Where more changed than it explains, it is
/// not so, and they are counted.
fn flips(images: &[MeasuredImage<'_>], lost: &[Option<f64>]) -> Flips {
    let losses: Vec<MarginLoss> = images
        .iter()
        .zip(lost)
        .filter_map(|(image, lost)| lost.map(|margin| MarginLoss { class: image.class, margin }))
        .collect();
    let of_classes = Losses::of(&losses);
    let standardised = |class: usize, loss: f64| {
        let (mean, deviation) = of_classes.of_class(class);
        (loss - mean) / deviation.max(f64::MIN_POSITIVE)
    };
    let mut tails: Vec<f64> = losses.iter().map(|l| standardised(l.class, l.margin)).collect();
    tails.sort_by(f64::total_cmp);
    let probability = |image: &MeasuredImage<'_>| {
        let needed = standardised(image.class, image.margin);
        let below = tails.partition_point(|t| *t < needed);
        (tails.len() - below) as f64 / tails.len() as f64
    };
    let never_a_number = |lost: &Option<f64>| lost.is_none();
    let likely = Flips::of(images.iter().zip(lost).map(|(i, l)| if never_a_number(l) { 1.0 } else { probability(i) }));
    let counted = Flips::of(images.iter().zip(lost).map(|(image, lost)| match lost {
        Some(lost) if *lost < image.margin => 0.0,
        _ => 1.0,
    }));
    if likely.explain(&counted) { likely } else { counted }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Images of three classes with margins uniform from 0 to 10, and what each loses.
    fn measured(loss: impl Fn(&mut ChaCha8Rng, f64) -> f64) -> Flips {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let image = |i: usize, margin| MeasuredImage { image: &[], class: i % 3, margin };
        let images: Vec<_> = (0..6000).map(|i| image(i, rng.random_range(0.0..10.0))).collect();
        let lost: Vec<_> = images.iter().map(|i| Some(loss(&mut rng, i.margin))).collect();
        flips(&images, &lost)
    }

    #[test]
    fn losses_that_happen_to_anybody_are_averaged() {
        // A loss uniform from -1 to 1 at a density of margins of 0.1: the share is 0.1 * E|e| / 2.
        let found = measured(|rng, _| rng.random_range(-1.0..1.0));
        assert!((1.0 - found.agreement() - 0.025).abs() < 0.002, "{found:?}");
        assert!(found.at_least() < 0.975 && found.at_least() > 0.965, "{found:?}");
    }

    #[test]
    fn losses_that_small_margins_have_are_counted() {
        // Whoever has little loses it: 0.05 of all. Losses that did not depend on margins would
        // change 0.0013.
        let found = measured(|_, margin| if margin < 0.5 { 0.51 } else { 0.0 });
        assert!((1.0 - found.agreement() - 0.05).abs() < 0.01, "{found:?}");
    }

    #[test]
    fn outputs_that_are_no_numbers_are_changes() {
        let image = MeasuredImage { image: &[], class: 0, margin: 1.0 };
        let found = flips(&[image; 4], &[Some(0.0), None, Some(0.1), None]);
        assert_eq!(found.agreement(), 0.5);
    }
}
