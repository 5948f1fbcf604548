//! The error of one layer, measured on some images, against its prediction.

use beaa_ir::ckks::LayerNote;
use beaa_ir::images::ElementMajor;
use serde::Serialize;
use statrs::distribution::{ContinuousCDF, StudentsT};

/// A layer holds when its error is at most this many times what was predicted.
const TOLERANCE: f64 = 2.0;
/// The probability of a wrong alarm that is accepted for each layer.
const WRONG_ALARM: f64 = 1e-3;

/// The error of one layer, in the units of its values.
#[derive(Debug, Clone, Serialize)]
pub struct LayerError {
    /// The model's layer.
    pub layer: String,
    /// Predicted standard deviation.
    pub predicted: f64,
    /// Measured standard deviation, encrypted against clear.
    pub measured: f64,
    /// Largest absolute error.
    pub largest: f64,
    /// Largest absolute value that the program was compiled for.
    pub bound: f64,
    /// Largest absolute value met.
    pub largest_value: f64,
    /// Whether both are as promised.
    pub verdict: Verdict,
}

/// Whether a layer is as promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The measured error is at most twice the predicted one, and no value left its bounds by more
    /// than the predicted one.
    Holds,
    /// The measured error is larger, and yet so few images, or so different ones, do not show that
    /// it is larger on average.
    Undecided,
    /// The error is larger on average than promised, or a value left its bounds.
    Fails,
}

/// What was found for one layer, over all its bands.
pub(super) struct Comparison<'a> {
    note: &'a LayerNote,
    /// Values compared of each image, and the sums of their squared errors.
    elements: usize,
    squares: Vec<f64>,
    largest: f64,
    largest_value: f64,
}

impl<'a> Comparison<'a> {
    pub(super) fn new(note: &'a LayerNote, images: usize) -> Self {
        Self { note, elements: 0, squares: vec![0.0; images], largest: 0.0, largest_value: 0.0 }
    }

    /// Whether the note says the same, of another band.
    pub(super) fn is_of(&self, note: &LayerNote) -> bool {
        *self.note == LayerNote { value: self.note.value, ..note.clone() }
    }

    pub(super) fn add(&mut self, found: &ElementMajor<f64>, expected: &ElementMajor<f64>) {
        let shape = |values: &ElementMajor<f64>| (values.elements(), values.images());
        assert_eq!(shape(found), shape(expected), "values of layer {} that are compared", self.note.layer);
        for (found, expected) in found.rows().zip(expected.rows()) {
            self.elements += 1;
            for ((f, e), squares) in found.iter().zip(expected).zip(&mut self.squares) {
                *squares += (f - e).powi(2);
                self.largest = self.largest.max((f - e).abs());
                self.largest_value = self.largest_value.max(e.abs());
            }
        }
    }

    pub(super) fn finish(self) -> LayerError {
        let (predicted, bound) = (self.note.error, self.note.bound);
        assert!(self.elements > 0, "nothing of layer {} was compared", self.note.layer);
        let of_images: Vec<f64> = self.squares.iter().map(|s| s / self.elements as f64).collect();
        // The largest image that was planned for may be there, and its inputs are rounded.
        let inside = self.largest_value <= bound + predicted;
        let verdict = if inside { verdict(predicted, &of_images) } else { Verdict::Fails };
        LayerError {
            layer: self.note.layer.clone(),
            predicted,
            measured: mean(&of_images).sqrt(),
            largest: self.largest,
            bound,
            largest_value: self.largest_value,
            verdict,
        }
    }
}

/// Judges the mean squared errors of images against a predicted standard deviation. The errors of
/// one image may be some times those of another, so few of them say little of the mean.
fn verdict(predicted: f64, of_images: &[f64]) -> Verdict {
    let allowed = (TOLERANCE * predicted).powi(2);
    let mean = mean(of_images);
    if mean <= allowed {
        return Verdict::Holds;
    }
    // Markov's inequality, which holds of any distribution: where the mean is as predicted, what is
    // measured is so many times as large with at most that probability.
    let absurd = mean.is_nan() || mean > predicted.powi(2) / WRONG_ALARM;
    if absurd || lower_bound(mean, of_images).is_some_and(|least| least > allowed) {
        return Verdict::Fails;
    }
    Verdict::Undecided
}

/// What the mean of all images is at least, by Student's distribution; none from a single one, or
/// from what are no numbers.
fn lower_bound(mean: f64, of_images: &[f64]) -> Option<f64> {
    let freedom = of_images.len().checked_sub(1).filter(|&f| f > 0)? as f64;
    let variance = of_images.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / freedom;
    let Ok(student) = StudentsT::new(0.0, 1.0, freedom) else { unreachable!("{freedom} degrees of freedom") };
    let quantile = student.inverse_cdf(1.0 - WRONG_ALARM);
    Some(mean - quantile * (variance / of_images.len() as f64).sqrt())
}

fn mean(numbers: &[f64]) -> f64 {
    numbers.iter().sum::<f64>() / numbers.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_images_are_judged_as_few() {
        // One image with three times the predicted deviation proves nothing; many do.
        assert_eq!(verdict(1.0, &[9.0]), Verdict::Undecided);
        assert_eq!(verdict(1.0, &[9.0, 8.0]), Verdict::Undecided);
        assert_eq!(verdict(1.0, &[9.0; 100]), Verdict::Fails);
        let varied: Vec<f64> = (0..100).map(|i| 5.0 + f64::from(i % 9)).collect();
        assert_eq!(verdict(1.0, &varied), Verdict::Fails);
        assert_eq!(verdict(1.0, &varied[..3]), Verdict::Undecided);
        // One image of many that is far off does not make the others so.
        assert_eq!(verdict(1.0, &[&[0.5; 20][..], &[200.0]].concat()), Verdict::Undecided);
        assert_eq!(verdict(1.0, &[3.9; 2]), Verdict::Holds);
    }

    #[test]
    fn what_no_image_explains_fails_at_once() {
        assert_eq!(verdict(1.0, &[2000.0]), Verdict::Fails);
        assert_eq!(verdict(0.0, &[1e-9]), Verdict::Fails);
        assert_eq!(verdict(0.0, &[0.0]), Verdict::Holds);
        assert_eq!(verdict(1.0, &[f64::NAN, 1.0]), Verdict::Fails);
    }

    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (images, quantile) in [(2, 318.309), (4, 10.215), (11, 4.144), (101, 3.174)] {
            let values: Vec<f64> = (0..images).map(f64::from).collect();
            let mean = mean(&values);
            let n = f64::from(images);
            let error = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0) / n).sqrt();
            let found = (mean - lower_bound(mean, &values).unwrap()) / error;
            assert!((found / quantile - 1.0).abs() < 1e-3, "{images}: {found}");
        }
        assert_eq!(lower_bound(3.0, &[3.0]), None);
    }
}
