//! The scheme's noise model as variances; the formulas are those of `beaa_ckks::noise`.

use beaa_ckks::noise::DiagonalMap;

/// Variance of the slots of an element whose coefficients have variance `coefficient`.
pub(crate) fn slot_variance(degree: usize, coefficient: f64) -> f64 {
    beaa_ckks::noise::slot_variance(degree, coefficient)
}

/// Variance of a fresh encryption, in units of the encoded integer, as all here.
pub(crate) fn fresh(degree: usize) -> f64 {
    beaa_ckks::noise::fresh(degree).powi(2)
}

/// Variance of dividing by a prime, in units of the scale after it.
pub(crate) fn rescale(degree: usize, components: usize) -> f64 {
    beaa_ckks::noise::rescale(degree, components).powi(2)
}

/// Variance of relinearising over the primes `moduli`.
pub(crate) fn relinearise(degree: usize, moduli: &[u64], special: &[u64]) -> f64 {
    beaa_ckks::noise::relinearise(degree, moduli, special).powi(2)
}

/// Variance that a linear map by rotations adds, in units of the integer of its result.
pub(crate) fn multiply(degree: usize, moduli: &[u64], special: &[u64], map: &DiagonalMap) -> f64 {
    beaa_ckks::noise::multiply(degree, moduli, special, map).powi(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn magnitudes_at_degree_8192() {
        // By hand: sqrt(16383 * 10.58) = 416, sqrt(1365.3 * 10923) = 3862, 2^40 * sqrt(1365.3 *
        // 172032) = 2^40 * 15326.
        assert_eq!(fresh(8192).sqrt().round(), 416.0);
        assert!((rescale(8192, 2).sqrt() - 3862.0).abs() < 1.0);
        let q = 1_u64 << 40;
        let digits = relinearise(8192, &[q], &[]).sqrt() / q as f64;
        assert!((digits - 15326.0).abs() < 2.0, "{digits}");
    }
}
