//! Mean and spread over repetitions.

use beaa_ir::stats::{mean, sample_variance};
use serde::Serialize;

/// Of several repetitions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// How many.
    pub n: usize,
    /// Arithmetic mean.
    pub mean: f64,
    /// Sample standard deviation (n - 1); none of a single value.
    pub deviation: Option<f64>,
    /// Smallest value.
    pub least: f64,
    /// Largest value.
    pub most: f64,
}

/// None of nothing.
pub(super) fn spread(values: &[f64]) -> Option<Spread> {
    let n = values.len();
    Some(Spread {
        n,
        mean: mean(values)?,
        deviation: sample_variance(values).map(f64::sqrt),
        least: values.iter().copied().fold(f64::INFINITY, f64::min),
        most: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
    })
}

/// Fractions as `85.3 ± 0.4 %`.
pub(super) fn percent(f: Option<Spread>) -> String {
    match f {
        None => "–".to_owned(),
        Some(Spread { mean, deviation: Some(d), .. }) => format!("{:.2} ± {:.2} %", 100.0 * mean, 100.0 * d),
        Some(Spread { mean, .. }) => format!("{:.2} %", 100.0 * mean),
    }
}

/// Areas as `0.985 ± 0.002`.
pub(super) fn area(f: Option<Spread>) -> String {
    match f {
        None => "–".to_owned(),
        Some(Spread { mean, deviation: Some(d), .. }) => format!("{mean:.3} ± {d:.3}"),
        Some(Spread { mean, .. }) => format!("{mean:.3}"),
    }
}

/// Differences of fractions in points: `+1.65 (+1.20 to +2.10)`.
pub(super) fn points(f: Option<Spread>) -> String {
    match f {
        None => "–".to_owned(),
        Some(Spread { n: 1, mean, .. }) => format!("{:+.2}", 100.0 * mean),
        Some(f) => format!("{:+.2} ({:+.2} to {:+.2})", 100.0 * f.mean, 100.0 * f.least, 100.0 * f.most),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_spread() {
        assert_eq!(spread(&[]), None);
        let f = spread(&[0.8, 0.9, 1.0]).unwrap();
        assert!((f.mean - 0.9).abs() < 1e-12 && (f.deviation.unwrap() - 0.1).abs() < 1e-12);
        assert_eq!((f.n, f.least, f.most), (3, 0.8, 1.0));
        assert_eq!(percent(Some(f)), "90.00 ± 10.00 %");
        let one = spread(&[0.5]);
        assert_eq!(one.unwrap().deviation, None);
        assert_eq!((percent(one), percent(None)), ("50.00 %".to_owned(), "–".to_owned()));
        assert_eq!(points(spread(&[0.01, -0.02])), "-0.50 (-2.00 to +1.00)");
        assert_eq!(points(spread(&[0.0165])), "+1.65");
    }
}
