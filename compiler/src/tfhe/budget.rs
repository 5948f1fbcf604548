//! What noise allows: how many levels a table may have, how many bits an output, and how likely a
//! wrong integer is, by the formulas of the parameters.

use beaa_ir::tfhe::{PARAMETER_SET, Parameters, Stage};

/// log2 of the probability that a normal number is farther than `margin` from zero, on either side
/// (the usual tail bound for large arguments, from above; at most 0, the log2 of certainty).
pub(crate) fn log2_tail(margin: f64, variance: f64) -> f64 {
    assert!(margin > 0.0 && variance >= 0.0, "a margin of {margin}, a variance of {variance}");
    // Without noise nothing is wrong; an empty sum of squares is a negative zero, too.
    if variance == 0.0 {
        return f64::NEG_INFINITY;
    }
    let x = margin / (2.0 * variance).sqrt();
    if x < 0.5 {
        return 0.0;
    }
    (-x * x - (x * std::f64::consts::PI.sqrt()).ln()) / std::f64::consts::LN_2
}

/// log2 of the probability that one of two things happens at least, given by their log2: at most
/// their sum, and never more than certainty.
pub(crate) fn log2_add(a: f64, b: f64) -> f64 {
    let (high, low) = if a > b { (a, b) } else { (b, a) };
    if low == f64::NEG_INFINITY {
        return high;
    }
    (high + (low - high).exp2().ln_1p() / std::f64::consts::LN_2).min(0.0)
}

/// Where a stage's sums come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SumOrigin {
    /// Pixels, encrypted under the small key: no key switching.
    Small,
    /// Pixels, encrypted under the large key, which taking off bits asks for.
    Large,
    /// Results of bootstrapping.
    Bootstrapped,
}

impl SumOrigin {
    /// Of stage `k` that takes off `drop` bits.
    pub(crate) fn of(k: usize, drop: u32) -> Self {
        match (k, drop) {
            (0, 0) => Self::Small,
            (0, _) => Self::Large,
            _ => Self::Bootstrapped,
        }
    }
}

/// Variance of a sum of products with weights of squared norm `norm`, before switching and
/// rounding.
pub(crate) fn sum_variance(origin: SumOrigin, norm: f64, parameters: &Parameters) -> f64 {
    match origin {
        SumOrigin::Small => norm * PARAMETER_SET.lwe_std.powi(2),
        SumOrigin::Large => norm * PARAMETER_SET.glwe_std.powi(2),
        SumOrigin::Bootstrapped => norm * parameters.bootstrap_variance(),
    }
}

/// Variance at the blind rotation of a sum with variance `sum`.
fn at_look_up(origin: SumOrigin, sum: f64) -> f64 {
    let switch = if origin == SumOrigin::Small { 0.0 } else { PARAMETER_SET.switch_variance() };
    sum + switch + PARAMETER_SET.rounding_variance()
}

/// log2 of the probability that one element of a stage comes out wrong, for weights of squared norm
/// `norm`.
pub(crate) fn element_failure(origin: SumOrigin, norm: f64, stage: &Stage, parameters: &Parameters) -> f64 {
    let mut sum = sum_variance(origin, norm, parameters);
    let (mut failure, mut done) = (f64::NEG_INFINITY, 0);
    let bootstrap = parameters.bootstrap_variance();
    for digit in stage.digit_widths() {
        // The sum is multiplied so that the digit, and the bit above it unless it is a bit itself,
        // fill one turn.
        let places = if digit == 1 { 0 } else { digit };
        let factor = f64::from(stage.levels) * (f64::from(stage.dropped_bits - done) - f64::from(places)).exp2();
        let margin = (-f64::from(places) - 2.0).exp2();
        let tail = |variance: f64| log2_tail(margin, at_look_up(origin, variance * factor * factor));
        failure = log2_add(failure, tail(sum));
        if digit > 1 {
            failure = log2_add(failure, tail(sum + bootstrap));
        }
        sum += bootstrap;
        done += digit;
    }
    log2_add(failure, log2_tail(1.0 / (4.0 * f64::from(stage.levels)), at_look_up(origin, sum)))
}

/// log2 of the probability that one output is decrypted wrongly.
pub(crate) fn output_failure(norm: f64, bits: u32, parameters: &Parameters) -> f64 {
    log2_tail((-f64::from(bits) - 1.0).exp2(), sum_variance(SumOrigin::Bootstrapped, norm, parameters))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_are_those_of_the_normal_distribution() {
        // Two-sided tails from tables: 3 sigma 2.700e-3, 6 sigma 1.973e-9; the bound lies a little
        // above.
        for (sigmas, tail) in [(3.0, 2.700e-3_f64), (6.0, 1.973e-9)] {
            let found = log2_tail(sigmas, 1.0);
            assert!(found >= tail.log2() && found < tail.log2() + 0.2, "{sigmas}: {found}");
        }
        assert!((log2_add(-10.0, -10.0) + 9.0).abs() < 1e-12);
    }

    #[test]
    fn what_has_no_noise_is_never_wrong_and_nothing_is_more_than_certain() {
        let empty: f64 = [0.0_f64; 0].iter().sum();
        for variance in [0.0, empty] {
            assert_eq!(log2_tail(0.25, variance), f64::NEG_INFINITY);
        }
        assert_eq!(log2_tail(0.25, 1e9), 0.0);
        assert_eq!(log2_add(0.0, 0.0), 0.0);
        assert_eq!(log2_add(-0.5, -0.5), 0.0);
        assert_eq!(log2_add(f64::NEG_INFINITY, f64::NEG_INFINITY), f64::NEG_INFINITY);
        let parameters = Parameters::new(beaa_ir::tfhe::DECOMPOSITIONS[0]);
        assert_eq!(output_failure(0.0, 11, &parameters), f64::NEG_INFINITY);
    }

    #[test]
    fn four_bits_have_the_failure_that_the_set_promises() {
        // The crate states 2^-128.6 for 16 levels with a norm of 5 and its own decomposition, with
        // key switching.
        let parameters = Parameters::new(beaa_ir::tfhe::DECOMPOSITIONS[0]);
        let stage = Stage {
            layer: String::new(),
            weights: beaa_ir::SparseMatrix::from_rows(1, vec![vec![(0, 5)]]).unwrap(),
            bias: vec![0],
            dropped_bits: 0,
            levels: 16,
            tables: vec![0; 16],
            proven: true,
        };
        let found = element_failure(SumOrigin::Bootstrapped, 25.0, &stage, &parameters);
        assert!((-140.0..-115.0).contains(&found), "{found}");
    }
}
