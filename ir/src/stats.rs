//! The few statistics that several crates need, each written once.

/// The index of the largest number, the first of equals; NaN is never the largest. None of no
/// number.
pub fn argmax<T: Into<f64>>(values: impl IntoIterator<Item = T>) -> Option<usize> {
    let mut best: Option<(usize, f64)> = None;
    for (i, value) in values.into_iter().enumerate() {
        let value: f64 = value.into();
        if !value.is_nan() && best.is_none_or(|(_, largest)| value > largest) {
            best = Some((i, value));
        }
    }
    best.map(|b| b.0)
}

/// The arithmetic mean; none of no number.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The sample variance (divided by n - 1); none of fewer than two numbers.
pub fn sample_variance(values: &[f64]) -> Option<f64> {
    let mean = mean(values).filter(|_| values.len() > 1)?;
    Some(values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (values.len() - 1) as f64)
}

/// The base-2 logarithm of the product of `factors`, for example of the primes of a modulus.
pub fn log2_product<'a>(factors: impl IntoIterator<Item = &'a u64>) -> f64 {
    factors.into_iter().map(|&f| (f as f64).log2()).sum()
}

/// The bits that a residue modulo `prime` takes.
pub fn residue_bits(prime: u64) -> u32 {
    u64::BITS - prime.leading_zeros()
}

/// The probability that a standard normal variable is below `x`, to 1e-7: Abramowitz and Stegun
/// 26.2.17.
pub fn normal_cdf(x: f64) -> f64 {
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
    fn the_first_of_the_largest_is_found_and_nan_never() {
        assert_eq!(argmax([1.0_f32, 3.0, 3.0]), Some(1));
        assert_eq!(argmax([f64::NAN, -5.0, -6.0]), Some(1));
        assert_eq!(argmax([f64::NEG_INFINITY, f64::NEG_INFINITY]), Some(0));
        assert_eq!((argmax([f64::NAN]), argmax::<f64>([])), (None, None));
    }

    #[test]
    fn logarithms_of_factors_add_up() {
        assert_eq!((log2_product(&[4, 8]), log2_product(&[])), (5.0, 0.0));
    }

    #[test]
    fn residues_take_the_bits_of_their_prime() {
        assert_eq!([2, 3, 5, 65537, (1 << 50) - 27].map(residue_bits), [2, 2, 3, 17, 50]);
    }

    #[test]
    fn mean_and_variance_of_a_small_sample() {
        assert_eq!((mean(&[]), mean(&[2.0, 4.0])), (None, Some(3.0)));
        assert_eq!((sample_variance(&[1.0]), sample_variance(&[2.0, 4.0])), (None, Some(2.0)));
    }

    #[test]
    fn the_normal_distribution_is_that_of_the_tables() {
        for (x, p) in [(0.0, 0.5), (1.0, 0.841_344_75), (-1.96, 0.024_997_9), (3.0, 0.998_650_1)] {
            assert!((normal_cdf(x) - p).abs() < 2e-7, "{x}: {}", normal_cdf(x));
        }
    }
}
