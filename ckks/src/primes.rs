//! Primes for the number-theoretic transform of the conjugate-invariant ring.

use tfhe_ntt::prime::{is_prime64, largest_prime_in_arithmetic_progression64};

use crate::{Error, Result};

/// Primes have at most this many bits: the lazy kernels need two bits of headroom below 52.
pub const MAX_BITS: u32 = 50;
/// And at least this many: 63-bit sums must reduce with one 52-bit quotient.
pub const MIN_BITS: u32 = 14;

/// Returns the `count` largest primes `q = 1 mod 4 * degree` below `2^bits`, descending, none of
/// them in `exclude`.
///
/// # Errors
/// When there are fewer, the width is impossible, or the degree is no power of two up to 2^20.
pub fn ntt_primes(degree: usize, bits: u32, count: usize, exclude: &[u64]) -> Result<Vec<u64>> {
    let step = 4 * degree as u64;
    let fail =
        |found: String| Error::Parameters { found, expected: format!("{count} primes of {bits} bits, 1 mod {step}") };
    if !(MIN_BITS..=MAX_BITS).contains(&bits) || !degree.is_power_of_two() || degree > 1 << 20 {
        return Err(fail(format!(
            "{bits} bits at degree {degree}; between {MIN_BITS} and {MAX_BITS} bits are possible"
        )));
    }
    let mut primes = Vec::with_capacity(count);
    let mut high = (1_u64 << bits) - 1;
    while primes.len() < count {
        // Smaller ones would have fewer bits than asked for, and so spend less of the modulus than
        // planned.
        let next = largest_prime_in_arithmetic_progression64(step, 1, 1 << (bits - 1), high);
        // The search may end below its lower bound.
        let Some(q) = next.filter(|q| q >> (bits - 1) == 1) else {
            return Err(fail(format!("only {} such primes", primes.len())));
        };
        if !exclude.contains(&q) {
            primes.push(q);
        }
        high = q - 1;
    }
    Ok(primes)
}

/// Returns whether `q` is a prime with the roots of unity that degree `degree` needs.
pub fn is_ntt_prime(q: u64, degree: usize) -> bool {
    (1 << (MIN_BITS - 1)..1 << MAX_BITS).contains(&q) && q % (4 * degree as u64) == 1 && is_prime64(q)
}

/// Returns the bits of the widest of some primes, for which weights are arranged.
pub fn most_bits(primes: &[u64]) -> u32 {
    assert!(!primes.is_empty(), "weights without a modulus");
    // A bit of any is a bit of the largest, or below one.
    u64::BITS - primes.iter().fold(0, |all, q| all | q).leading_zeros()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primes_are_distinct_descending_and_of_the_width() {
        let first = ntt_primes(8192, 40, 3, &[]).unwrap();
        let more = ntt_primes(8192, 40, 3, &first).unwrap();
        let all: Vec<u64> = first.iter().chain(&more).copied().collect();
        assert!(all.windows(2).all(|w| w[0] > w[1]));
        assert!(all.iter().all(|&q| is_ntt_prime(q, 8192) && q >> 39 == 1));
    }

    #[test]
    fn too_few_primes_is_an_error() {
        assert!(ntt_primes(32768, 17, 1, &[]).is_err());
        assert!(ntt_primes(8192, 51, 1, &[]).is_err());
    }
}
