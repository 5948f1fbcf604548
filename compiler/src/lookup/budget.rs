//! What noise allows: how many levels a table may have, how many bits an output, and how likely a wrong integer is. Must never
//! count on a noise smaller than the parameters' own formulas say.

use beaa_ir::{LookupParameters, SET};

/// log2 of the probability that a normal number is farther than `margin` from zero, on either side (the usual tail bound for large
/// arguments, from above).
pub(crate) fn log2_tail(margin: f64, variance: f64) -> f64 {
    let x = margin / (2.0 * variance).sqrt();
    if x < 0.5 {
        return 0.0;
    }
    (-x * x - (x * std::f64::consts::PI.sqrt()).ln()) / std::f64::consts::LN_2
}

/// log2 of the sum of two probabilities given by their log2.
pub(crate) fn log2_add(a: f64, b: f64) -> f64 {
    let (high, low) = if a > b { (a, b) } else { (b, a) };
    if low == f64::NEG_INFINITY { high } else { high + (low - high).exp2().ln_1p() / std::f64::consts::LN_2 }
}

/// Where a stage's sums come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// Pixels, encrypted under the small key: no key switching.
    Fresh,
    /// Results of bootstrapping.
    Bootstrapped,
}

/// Variance of a sum of products with weights of squared norm `norm`, before switching and rounding.
pub(crate) fn sum_variance(source: Source, norm: f64, parameters: &LookupParameters) -> f64 {
    match source {
        Source::Fresh => norm * SET.lwe_std.powi(2),
        Source::Bootstrapped => norm * parameters.bootstrap_variance(),
    }
}

/// Variance at the blind rotation of a sum with variance `sum`.
fn at_look_up(source: Source, sum: f64) -> f64 {
    let switch = if source == Source::Bootstrapped { SET.switch_variance() } else { 0.0 };
    sum + switch + SET.rounding_variance()
}

/// log2 of the probability that one element of a stage comes out wrong.
pub(crate) fn element_failure(source: Source, norm: f64, levels: u32, drop: u32, parameters: &LookupParameters) -> f64 {
    let mut sum = sum_variance(source, norm, parameters);
    let mut failure = f64::NEG_INFINITY;
    for bit in 0..drop {
        // The sum is multiplied so that this bit is half a turn.
        let factor = f64::from(levels) * f64::from(drop - bit).exp2();
        failure = log2_add(failure, log2_tail(0.25, at_look_up(source, sum * factor * factor)));
        // What is taken off comes from a bootstrapping; under the large key, so the rest is switched from then on.
        sum += parameters.bootstrap_variance();
    }
    let box_half = 1.0 / (4.0 * f64::from(levels));
    log2_add(failure, log2_tail(box_half, at_look_up(source, sum)))
}

/// The most levels of a table whose look-up fails with at most this probability.
pub(crate) fn most_levels(source: Source, norm: f64, log2_failure: f64, parameters: &LookupParameters) -> Option<u32> {
    (4..=64).rev().find(|&levels| element_failure(source, norm, levels, 0, parameters) <= log2_failure)
}

/// log2 of the probability that one output is decrypted wrongly.
pub(crate) fn output_failure(norm: f64, bits: u32, parameters: &LookupParameters) -> f64 {
    log2_tail((-f64::from(bits) - 1.0).exp2(), sum_variance(Source::Bootstrapped, norm, parameters))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_are_those_of_the_normal_distribution() {
        // Two-sided tails from tables: 3 sigma 2.700e-3, 6 sigma 1.973e-9; the bound lies a little above.
        for (sigmas, tail) in [(3.0, 2.700e-3_f64), (6.0, 1.973e-9)] {
            let found = log2_tail(sigmas, 1.0);
            assert!(found >= tail.log2() && found < tail.log2() + 0.2, "{sigmas}: {found}");
        }
        assert!((log2_add(-10.0, -10.0) + 9.0).abs() < 1e-12);
    }

    #[test]
    fn four_bits_have_the_failure_that_the_set_promises() {
        // The crate states 2^-128.6 for 16 levels with a norm of 5 and its own decomposition, with key switching.
        let own = LookupParameters::new(beaa_ir::DECOMPOSITIONS[0]);
        let found = element_failure(Source::Bootstrapped, 25.0, 16, 0, &own);
        assert!((-140.0..-115.0).contains(&found), "{found}");
    }
}
