//! What precision is asked for: an error of the outputs, or the share of images whose predicted class must not change. Must
//! never promise a share without images to measure margins on.

use crate::graph::Graph;
use crate::predict::Prediction;
use crate::samples::products;
use crate::trace::{Values, forward};
use crate::{Error, Options, Result};

/// Images whose margins are looked at, at most.
const MOST: usize = 4096;
/// Images times products that looking at them may take.
const WORK: usize = 1 << 30;
/// Images looked at together.
const AT_ONCE: usize = 64;
/// No larger error is ever needed, in units of the mean margin.
const LARGEST: f64 = 10.0;

/// The error that a plan may spend.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Target {
    /// Error of the outputs to start from.
    pub(crate) deviation: f64,
    /// With an agreement asked for, the largest error allowed in the difference of two outputs.
    difference: Option<f64>,
    /// Of every image given, the distance of its two largest outputs.
    margins: Vec<f64>,
}

impl Target {
    /// From the options; margins are measured on `images`.
    pub(crate) fn new(graph: &Graph, options: &Options, images: &[Vec<f32>]) -> Result<Self> {
        let taken = MOST.min(images.len()).min(WORK / products(graph).max(1));
        let chosen: Vec<&[f32]> =
            (0..taken).filter_map(|i| images.get(i * images.len() / taken)).map(Vec::as_slice).collect();
        let margins: Vec<f64> = chosen.chunks(AT_ONCE).flat_map(|images| margins(graph, images)).collect();
        let Some(asked) = options.agreement else {
            return Ok(Self { deviation: options.logit_error, difference: None, margins });
        };
        if margins.is_empty() {
            return Err(Error::Option {
                option: "agreement",
                found: format!("{} images of {} outputs", images.len(), graph.len(graph.output)),
                expected:
                    "images to measure margins on (`--samples`), and at least two outputs; or ask for a logit error"
                        .into(),
            });
        }
        let reachable = agreement(&margins, 0.0);
        if reachable < asked {
            let expected = format!(
                "at most {reachable}: the two largest outputs of the other images are equal, any error decides"
            );
            return Err(Error::Option { option: "agreement", found: asked.to_string(), expected });
        }
        let difference = largest_difference(&margins, asked);
        Ok(Self { deviation: difference / std::f64::consts::SQRT_2, difference: Some(difference), margins })
    }

    /// What a plan spends of the error; 1 is all of it.
    pub(crate) fn spent(&self, prediction: &Prediction) -> f64 {
        self.difference.map_or(prediction.output / self.deviation, |d| prediction.difference / d)
    }

    /// The share of images whose largest output stays the largest, if there were any.
    pub(crate) fn agreement(&self, prediction: &Prediction) -> Option<f64> {
        (!self.margins.is_empty()).then(|| agreement(&self.margins, prediction.difference))
    }
}

/// Of every image, the distance of its two largest outputs.
fn margins(graph: &Graph, images: &[&[f32]]) -> Vec<f64> {
    let outputs = forward(graph, Values::from_images(graph.len(0), images)).swap_remove(graph.output);
    let of = |s: usize| margin(&outputs.rows().filter_map(|r| r.get(s).copied()).collect::<Vec<_>>());
    (0..images.len()).filter_map(of).collect()
}

/// Distance of the two largest.
fn margin(outputs: &[f64]) -> Option<f64> {
    let mut sorted = outputs.to_vec();
    sorted.sort_unstable_by(|a, b| b.total_cmp(a));
    match sorted.as_slice() {
        [first, second, ..] => Some(first - second),
        _ => None,
    }
}

/// Mean probability that an error of standard deviation `difference` leaves a margin positive.
fn agreement(margins: &[f64], difference: f64) -> f64 {
    let stays = |m: f64| 1.0 - below(-m / difference.max(f64::MIN_POSITIVE));
    margins.iter().map(|&m| stays(m)).sum::<f64>() / margins.len().max(1) as f64
}

/// The largest error at which the agreement is as asked, by bisection.
fn largest_difference(margins: &[f64], asked: f64) -> f64 {
    let mean = margins.iter().sum::<f64>() / margins.len().max(1) as f64;
    let (mut low, mut high) = (0.0, LARGEST * mean);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if agreement(margins, middle) >= asked { low = middle } else { high = middle }
    }
    low
}

/// The normal distribution function, to 1e-7: Abramowitz and Stegun 26.2.17.
fn below(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * x.abs());
    let poly =
        t * (0.319_381_530 + t * (-0.356_563_782 + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
    let tail = (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt() * poly;
    if x > 0.0 { 1.0 - tail } else { tail }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_normal_distribution_is_that_of_the_tables() {
        for (x, p) in [(0.0, 0.5), (1.0, 0.841_344_75), (-1.96, 0.024_997_9), (3.0, 0.998_650_1)] {
            assert!((below(x) - p).abs() < 2e-7, "{x}: {}", below(x));
        }
    }

    #[test]
    fn the_error_found_spends_the_agreement_asked() {
        let margins: Vec<f64> = (0..1000).map(|i| f64::from(i) / 100.0).collect();
        for asked in [0.9, 0.99, 0.999] {
            let difference = largest_difference(&margins, asked);
            assert!((agreement(&margins, difference) - asked).abs() < 1e-6);
        }
        // Uniform margins of density 0.1: the share that flips is 0.1 E|e| / 2 = 0.1 * 0.4 * deviation.
        assert!((1.0 - agreement(&margins, 0.25) - 0.1 * 0.25 * 0.398_942).abs() < 6e-4);
    }

    #[test]
    fn ties_are_lost_half_the_time_at_any_error() {
        assert!((agreement(&[0.0, 0.0, 1.0, 1.0], 0.0) - 0.75).abs() < 1e-6);
    }

    #[test]
    fn margins_are_those_of_the_two_largest() {
        assert_eq!(margin(&[1.0, 5.0, 3.5]), Some(1.5));
        assert_eq!(margin(&[1.0]), None);
    }
}
