//! What precision is asked for: an error of the outputs, or the share of images whose predicted
//! class must not change, for which there must be images to measure margins on.

use beaa_ir::Classes;
use beaa_ir::stats::{mean, normal_cdf, sample_variance};

use crate::network::margins::MeasuredImages;
use crate::options::Options;
use crate::plan::confidence::{CONFIDENCE, Flips, largest};
use crate::plan::simulate_noise::{MarginLoss, Prediction};
use crate::{Error, Result};

/// No larger error is ever needed, in units of the mean margin.
const MAX_ERROR_IN_MARGINS: f64 = 10.0;
/// A class is believed to lose otherwise than all the others by as many simulated images as it has,
/// against this many of all.
const CLASS_PRIOR_IMAGES: f64 = 8.0;
/// Another attempt takes errors for so much more at least.
const MIN_CORRECTION: f64 = 1.1;
/// Errors this many times larger or smaller than the simulated ones are looked at.
const ERROR_FACTORS: (f64, f64) = (1e-3, 1e3);

/// The error that a plan may have.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AccuracyTarget {
    /// Error of the outputs to start from.
    pub(crate) deviation: f64,
    /// The agreement asked for, if one is.
    pub(crate) requested: Option<f64>,
    /// Of every image that it is measured on, its class and the distance from the next.
    margins: Vec<(usize, f64)>,
    /// Errors count for so much more than few simulated images say.
    correction: f64,
}

impl AccuracyTarget {
    /// From the options; margins are those of the images that agreement is measured on.
    ///
    /// # Errors
    /// [`Error::Option`] for a share that these images cannot show.
    pub(crate) fn new(classes: &Classes, options: &Options, measured: &MeasuredImages<'_>) -> Result<Self> {
        let margins: Vec<_> = measured.images.iter().map(|i| (i.class, i.margin)).collect();
        let Some(requested) = options.agreement else {
            return Ok(Self { deviation: options.logit_error, requested: None, margins, correction: 1.0 });
        };
        let refuse = |found: String, expected: String| Err(Error::Option { option: "agreement", found, expected });
        if margins.is_empty() {
            let found = match measured.without_class {
                0 => "no samples".to_owned(),
                images => format!("{images} images without an output that is a number"),
            };
            return refuse(found, "images to measure margins on (`--samples`); or ask for a logit error".into());
        }
        let untouched = flips(&margins, &zero_mean(0.0));
        if untouched.agreement() < requested {
            let tie = if classes.threshold().is_some() {
                "the score of the other images is the threshold"
            } else {
                "the two largest outputs of the other images are equal"
            };
            let expected = format!("at most {}: {tie}, any error decides", untouched.agreement());
            return refuse(requested.to_string(), expected);
        }
        if !untouched.show(requested) {
            let expected = format!(
                "at most {:.4}: {} images show no more with {} % confidence, even if none of them changes its class; \
                 give more samples, ask for less, or ask for a logit error",
                (untouched.at_least() * 1e4).floor() / 1e4,
                margins.len(),
                CONFIDENCE * 100.0
            );
            return refuse(requested.to_string(), expected);
        }
        // To start with, an error that is the same for all; simulations say what it really does.
        let deviation = largest_difference(&margins, requested) / std::f64::consts::SQRT_2;
        Ok(Self { deviation, requested: Some(requested), margins, correction: 1.0 })
    }

    /// The share of the allowed error that a plan uses; 1 is all of it.
    pub(crate) fn budget_used(&self, prediction: &Prediction) -> f64 {
        let Some(requested) = self.requested else { return prediction.output / self.deviation };
        let losses = Losses::of(&prediction.margin_losses);
        let enough = |factor: f64| flips(&self.margins, &losses.scaled(factor * self.correction)).show(requested);
        1.0 / largest(ERROR_FACTORS, enough)
    }

    /// The images that change their class, if there were any, as few simulated ones say.
    pub(crate) fn flips(&self, prediction: &Prediction) -> Option<Flips> {
        let losses = Losses::of(&prediction.margin_losses).scaled(self.correction);
        (!self.margins.is_empty()).then(|| flips(&self.margins, &losses))
    }

    /// The target for another attempt: the errors of a plan's prediction count for so much more
    /// that they show no more agreement than `simulated`, and for a little more at least.
    pub(crate) fn corrected(&self, prediction: &Prediction, simulated: &Flips) -> Self {
        let losses = Losses::of(&prediction.margin_losses);
        let shown = simulated.at_least();
        let as_simulated = |factor: f64| flips(&self.margins, &losses.scaled(factor)).show(shown);
        let correction = largest(ERROR_FACTORS, as_simulated).max(MIN_CORRECTION * self.correction);
        Self { correction, ..self.clone() }
    }
}

/// What images of each class lose of their margins: mean and standard deviation.
pub(crate) struct Losses {
    classes: Vec<(f64, f64)>,
    /// Of classes that no simulated image has.
    all: (f64, f64),
}

impl Losses {
    /// Of the simulated images; classes with few of them lean on all.
    pub(crate) fn of(margin_losses: &[MarginLoss]) -> Self {
        let margins = |of: &dyn Fn(usize) -> bool| -> Vec<f64> {
            margin_losses.iter().filter(|l| of(l.class)).map(|l| l.margin).collect()
        };
        let all = moments(&margins(&|_| true));
        let classes = margin_losses.iter().map(|l| l.class + 1).max().unwrap_or(0);
        let class = |c: usize| {
            let of_class = margins(&|class| class == c);
            let count = of_class.len();
            let trust = count as f64 / (count as f64 + CLASS_PRIOR_IMAGES);
            let (mean, variance) = moments(&of_class);
            // A single image has no variance.
            let variance = if count > 1 { variance } else { all.1 };
            (trust * mean + (1.0 - trust) * all.0, trust * variance + (1.0 - trust) * all.1)
        };
        let root = |(mean, variance): (f64, f64)| (mean, variance.sqrt());
        Self { classes: (0..classes).map(class).map(root).collect(), all: root(all) }
    }

    /// Mean and standard deviation of a class.
    pub(crate) fn of_class(&self, class: usize) -> (f64, f64) {
        self.classes.get(class).copied().unwrap_or(self.all)
    }

    /// Of errors that are so much larger.
    fn scaled(&self, factor: f64) -> Self {
        let by = |&(mean, deviation): &(f64, f64)| (factor * mean, factor * deviation);
        Self { classes: self.classes.iter().map(by).collect(), all: by(&self.all) }
    }
}

/// Errors without a preference, of this deviation.
fn zero_mean(deviation: f64) -> Losses {
    Losses { classes: Vec::new(), all: (0.0, deviation) }
}

/// Mean and variance; zeros where there are too few numbers.
fn moments(values: &[f64]) -> (f64, f64) {
    (mean(values).unwrap_or(0.0), sample_variance(values).unwrap_or(0.0))
}

/// The images that change their class if losses are normally distributed.
fn flips(margins: &[(usize, f64)], losses: &Losses) -> Flips {
    Flips::of(margins.iter().map(|&(class, margin)| {
        let (mean, deviation) = losses.of_class(class);
        normal_cdf((mean - margin) / deviation.max(f64::MIN_POSITIVE))
    }))
}

/// The largest error at which the agreement is as asked, if it is the same for all.
fn largest_difference(margins: &[(usize, f64)], requested: f64) -> f64 {
    let mean = margins.iter().map(|m| m.1).sum::<f64>() / margins.len().max(1) as f64;
    largest((0.0, MAX_ERROR_IN_MARGINS * mean), |difference| flips(margins, &zero_mean(difference)).show(requested))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::margins::top1_margin;

    fn target(requested: f64, margins: Vec<(usize, f64)>) -> AccuracyTarget {
        AccuracyTarget { deviation: 1.0, requested: Some(requested), margins, correction: 1.0 }
    }

    #[test]
    fn the_error_found_shows_the_agreement_asked() {
        let margins: Vec<(usize, f64)> = (0..10_000).map(|i| (i % 3, i as f64 / 1000.0)).collect();
        for requested in [0.9, 0.99, 0.999] {
            let difference = largest_difference(&margins, requested);
            let found = flips(&margins, &zero_mean(difference));
            assert!((found.at_least() - requested).abs() < 1e-6 && found.agreement() > requested);
        }
        // Uniform margins of density 0.1: the share that flips is 0.1 E|e| / 2 = 0.1 * 0.4 *
        // deviation.
        assert!((1.0 - flips(&margins, &zero_mean(0.25)).agreement() - 0.1 * 0.25 * 0.398_942).abs() < 6e-4);
    }

    #[test]
    fn ties_are_lost_half_the_time_at_any_error() {
        assert!((flips(&[0.0, 0.0, 1.0, 1.0].map(|m| (0, m)), &zero_mean(0.0)).agreement() - 0.75).abs() < 1e-6);
    }

    #[test]
    fn a_class_that_always_loses_is_not_averaged_away() {
        // One class in four loses 5 every time, and most of its margins are smaller; the others
        // lose nothing.
        let margins: Vec<(usize, f64)> = (0..400).map(|i| (i % 4, 4.0)).collect();
        let noise = |i: usize| if i.is_multiple_of(8) { 0.1 } else { -0.1 };
        let margin_losses: Vec<MarginLoss> = (0..256)
            .map(|i| MarginLoss { class: i % 4, margin: noise(i) + if i % 4 == 3 { 5.0 } else { 0.0 } })
            .collect();
        let target = target(0.9, margins);
        let prediction = Prediction { nodes: Vec::new(), output: 1.0, margin_losses };
        let found = target.flips(&prediction).unwrap().agreement();
        assert!((0.74..0.82).contains(&found), "{found}");
        assert!(target.budget_used(&prediction) > 1.0);
        let few: Vec<MarginLoss> = prediction.margin_losses.iter().filter(|l| l.class != 3).copied().collect();
        let fewer = Prediction { margin_losses: few, ..prediction };
        assert!(target.flips(&fewer).unwrap().agreement() > 0.999 && target.budget_used(&fewer) < 0.1);
    }

    #[test]
    fn what_was_simulated_corrects_what_few_images_say() {
        let margins: Vec<(usize, f64)> = (0..10_000).map(|i| (0, i as f64 / 1000.0)).collect();
        let margin_losses =
            (0..256).map(|i| MarginLoss { class: 0, margin: if i % 2 == 0 { 0.1 } else { -0.1 } }).collect();
        let prediction = Prediction { nodes: Vec::new(), output: 0.1, margin_losses };
        let target = target(0.99, margins.clone());
        // Errors are three times as large as the prediction says.
        let simulated = flips(&margins, &zero_mean(0.3));
        let corrected = target.corrected(&prediction, &simulated);
        assert!((corrected.correction - 3.0).abs() < 0.05, "{}", corrected.correction);
        let ratio = corrected.budget_used(&prediction) / target.budget_used(&prediction);
        assert!((ratio - corrected.correction).abs() < 1e-6);
        // Another attempt is another one even where the simulation agrees.
        let same = target.corrected(&prediction, &flips(&margins, &zero_mean(0.05)));
        assert_eq!(same.correction, MIN_CORRECTION);
    }

    #[test]
    fn margins_are_distances_from_the_next_class() {
        let classes = |outputs, threshold| Classes::new(vec![], outputs, threshold).unwrap();
        assert_eq!(top1_margin(&classes(3, None), &[1.0, 5.0, 3.5]), Some((1, 1.5)));
        assert_eq!(top1_margin(&classes(1, None), &[-1.5]), Some((0, 1.5)));
        assert_eq!(top1_margin(&classes(1, Some(2.0)), &[2.25]), Some((1, 0.25)));
        assert_eq!(top1_margin(&classes(1, None), &[f64::NAN]), None);
    }
}
