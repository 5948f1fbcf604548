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

/// Predicts the noise of relinearising ciphertexts modulo the primes `moduli` with these special
/// primes: one digit for as many limbs, or for each limb without any.
pub fn relinearise(degree: usize, moduli: &[u64], special: &[u64]) -> f64 {
    let division = if special.is_empty() { 0.0 } else { rescale(degree, 2).powi(2) };
    (key_switch_variance(degree, moduli, special) + division).sqrt()
}

/// Predicts the noise of one rotation, which switches keys as relinearising does.
pub fn rotate(degree: usize, moduli: &[u64], special: &[u64]) -> f64 {
    relinearise(degree, moduli, special)
}

/// A linear map by rotations, as far as its noise depends on it: means over output slots and
/// diagonals.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DiagonalMap {
    /// Diagonals that are added up in one output ciphertext.
    pub products: f64,
    /// Those of them whose input is rotated.
    pub rotated_products: f64,
    /// Sums of one output ciphertext that are rotated: giant steps other than 0.
    pub giants: f64,
    /// Folds.
    pub folds: u32,
    /// Mean square of the constants, over all slots of a diagonal, in integer units.
    pub constant_square: f64,
    /// Mean square of the encoded inputs, over all slots, in integer units.
    pub input_square: f64,
    /// Whether each diagonal is one whole number for all slots: nothing of it is rounded.
    pub exact: bool,
    /// Slots after which constants repeat: as many coefficients are rounded.
    pub period: usize,
}

/// Predicts the noise that multiplying by diagonals adds, in integer units of the result before it
/// is rescaled: rounding of the constants' polynomials, multiplied by the inputs; key switching of
/// rotated inputs, multiplied by the constants; key switching of giant steps and of folds, each
/// after a division of the second component by P; folds, which double all before them; the last
/// division by P, and rounding of the bias. Where constants are so small that coefficients of their
/// polynomials are below 1, rounding loses the constants instead, and less noise is measured.
pub fn multiply(degree: usize, moduli: &[u64], special: &[u64], map: &DiagonalMap) -> f64 {
    let switching = key_switch_variance(degree, moduli, special);
    let rounding = slot_variance(degree, ROUNDING);
    // Only what multiplies the secret is divided before it is decomposed.
    let division = if special.is_empty() { 0.0 } else { rounding * slot_variance(degree, SECRET_VARIANCE) };
    let of_constants = slot_variance(map.period, ROUNDING);
    let products = if map.exact { 0.0 } else { map.products * of_constants * map.input_square };
    let babies = map.rotated_products * switching * map.constant_square;
    let sums = products + babies + map.giants * (switching + division);
    let folded = (0..map.folds).fold(sums, |variance, _| 2.0 * variance + switching + division);
    // Where no key is switched, all sums are multiples of P and divided exactly.
    let rotates = map.rotated_products > 0.0 || map.giants > 0.0 || map.folds > 0;
    let last = if special.is_empty() || !rotates { 0.0 } else { rounding + division };
    (folded + last + rounding).sqrt()
}

/// The slot variance of switching keys, in units after the division by P.
fn key_switch_variance(degree: usize, moduli: &[u64], special: &[u64]) -> f64 {
    let product = |primes: &[u64]| primes.iter().map(|&q| q as f64).product::<f64>();
    let digits = moduli.chunks(special.len().max(1));
    let of_digit = |digit: &[u64]| {
        let uniform = (product(digit) / product(special)).powi(2) / 12.0;
        slot_variance(degree, uniform) * slot_variance(degree, ERROR_VARIANCE)
    };
    digits.map(of_digit).sum()
}
