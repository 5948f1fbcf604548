//! Predicted noise: the standard deviation, per slot and in integer units, that each operation
//! adds. Derived, not tuned; the tests compare it with measurements.
//!
//! An element whose coefficients are independent with variance v has slots `a_0 + 2 sum a_j
//! cos(..)` of variance `(2N - 1) v`, and slots multiply when elements do (Kim and Song 2018 for
//! the ring; Cheon et al. 2017 for the rest).

use crate::ring::sample::{ERROR_VARIANCE, SECRET_VARIANCE};

/// Variance of rounding to whole numbers.
const ROUNDING: f64 = 1.0 / 12.0;

/// Returns the slot variance of an element of degree `degree` whose coefficients have variance
/// `coefficient`.
pub fn slot_variance(degree: usize, coefficient: f64) -> f64 {
    let n = degree as f64;
    (2.0 * n - 1.0) * coefficient
}

/// Predicts the noise of a fresh ciphertext: error and rounding of the encoding.
pub fn fresh(degree: usize) -> f64 {
    slot_variance(degree, ERROR_VARIANCE + ROUNDING).sqrt()
}

/// Predicts the noise of dividing by a prime: rounding of each component, multiplied by the
/// secret's powers. In units after division.
pub fn rescale(degree: usize, components: usize) -> f64 {
    let rounding = slot_variance(degree, ROUNDING);
    let secret = slot_variance(degree, SECRET_VARIANCE);
    // A slot of the secret is nearly normal: its fourth moment is three times the square of its
    // variance.
    let square = if components > 2 { 3.0 * secret * secret } else { 0.0 };
    (rounding * (1.0 + secret + square)).sqrt()
}

/// Predicts the noise of relinearising with one digit per limb of the primes `moduli`, and a
/// special prime if there is one.
pub fn relinearise(degree: usize, moduli: &[u64], special: Option<u64>) -> f64 {
    let digits: f64 = moduli
        .iter()
        .map(|&q| slot_variance(degree, (q as f64).powi(2) / 12.0) * slot_variance(degree, ERROR_VARIANCE))
        .sum();
    match special {
        None => digits.sqrt(),
        Some(p) => (digits / (p as f64).powi(2) + rescale(degree, 2).powi(2)).sqrt(),
    }
}
