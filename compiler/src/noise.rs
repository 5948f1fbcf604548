//! The scheme's noise model as variances, and the one rule that it does not have: a square's. Must never hold formulas of
//! its own for what `beaa_ckks::noise` predicts and measures.

/// Of a fresh encryption, in units of the encoded integer, as all here.
pub(crate) fn fresh(degree: usize) -> f64 {
    beaa_ckks::noise::fresh(degree).powi(2)
}

/// Of dividing by a prime, in units of the scale after it.
pub(crate) fn rescale(degree: usize, components: usize) -> f64 {
    beaa_ckks::noise::rescale(degree, components).powi(2)
}

/// Of relinearising over the primes `moduli`.
pub(crate) fn relinearise(degree: usize, moduli: &[u64], special: Option<u64>) -> f64 {
    beaa_ckks::noise::relinearise(degree, moduli, special).powi(2)
}

/// Second moment of a square's error `2 x e + e^2`, for a normal `e` of variance `variance` that is independent of `x`.
/// `power` is the mean of `x^2`.
pub(crate) fn square(power: f64, variance: f64) -> f64 {
    4.0 * power * variance + 3.0 * variance * variance
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn magnitudes_at_degree_8192() {
        // By hand: sqrt(16383 * 10.58) = 416, sqrt(1365.3 * 10923) = 3862, 2^40 * sqrt(1365.3 * 172032) = 2^40 * 15326.
        assert_eq!(fresh(8192).sqrt().round(), 416.0);
        assert!((rescale(8192, 2).sqrt() - 3862.0).abs() < 1.0);
        let q = 1_u64 << 40;
        let digits = relinearise(8192, &[q], None).sqrt() / q as f64;
        assert!((digits - 15326.0).abs() < 2.0, "{digits}");
    }

    #[test]
    fn a_square_s_error_is_that_of_the_expansion() {
        // x = 3 or -3, e = 1/2 or -1/2, all four equally likely, has E[e^4] = E[e^2]^2 where a normal e has three times that.
        let errors = [(3.0, 0.5), (3.0, -0.5), (-3.0, 0.5), (-3.0, -0.5_f64)];
        let mean: f64 = errors.iter().map(|(x, e)| (2.0 * x * e + e * e).powi(2)).sum::<f64>() / 4.0;
        assert!((square(9.0, 0.25) - (mean + 2.0 * 0.25 * 0.25)).abs() < 1e-12);
    }
}
