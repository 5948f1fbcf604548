//! The digits of key switching: each is what a polynomial is modulo as many limbs as there are
//! special primes, or modulo one limb without any (Han and Ki 2020, "Better Bootstrapping for
//! Approximate Homomorphic Encryption"; here digits are extended exactly).

use std::ops::Range;

use super::MixedRadix;
use crate::Parameters;

/// The digits of polynomials of some limbs.
#[derive(Debug, Clone)]
pub(crate) struct Digits<'p> {
    degree: usize,
    digits: Vec<MixedRadix<'p>>,
}

impl<'p> Digits<'p> {
    pub(crate) fn new(parameters: &'p Parameters, limbs: usize) -> Self {
        let digits = parameters.digits(limbs).map(|limbs| MixedRadix::new(parameters, limbs.collect())).collect();
        Self { degree: parameters.degree(), digits }
    }

    pub(crate) fn count(&self) -> usize {
        self.digits.len()
    }

    /// Whether the values of a digit modulo this prime are the polynomial's own.
    pub(crate) fn has_limb(&self, digit: usize, prime: usize) -> bool {
        self.digits[digit].primes().contains(&prime)
    }

    /// Splits a polynomial, `[limb][N]` values, into the words of its digits.
    pub(crate) fn split<'w>(&self, mut polynomial: &'w mut [u64]) -> Vec<&'w mut [u64]> {
        let part = |digit: &MixedRadix<'_>| {
            let (part, rest) = std::mem::take(&mut polynomial).split_at_mut(digit.primes().len() * self.degree);
            polynomial = rest;
            part
        };
        self.digits.iter().map(part).collect()
    }

    /// Turns the values of a digit's limbs into what [`Self::extend`] reads. `scratch` is memory of
    /// N words.
    pub(crate) fn prepare(&self, digit: usize, values: &mut [u64], scratch: &mut [u64]) {
        self.digits[digit].digits(values, scratch);
    }

    /// Writes the values of a digit, of a polynomial that is prepared, modulo a prime other than
    /// its limbs'.
    pub(crate) fn extend(&self, digit: usize, prime: usize, polynomial: &[u64], out: &mut [u64]) {
        self.digits[digit].extend(&polynomial[self.words(digit)], prime, out);
    }

    fn words(&self, digit: usize) -> Range<usize> {
        let primes = self.digits[digit].primes();
        primes[0] * self.degree..(primes[0] + primes.len()) * self.degree
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{N, integer, parameters, random};

    /// Each digit is the integer of least absolute value with the residues of its limbs, modulo
    /// every other prime: Chinese remainders in 128 bits.
    #[test]
    fn digits_are_extended_exactly() {
        for (special, limbs) in [(0, 3), (1, 3), (2, 2), (2, 3), (3, 3)] {
            let p = parameters(special);
            let (batch, digits) = (random(&p, limbs, 2), Digits::new(&p, limbs));
            assert_eq!(digits.count(), limbs.div_ceil(special.max(1)));
            let mut polynomial = vec![0; limbs * N];
            for (limb, values) in polynomial.chunks_exact_mut(N).enumerate() {
                batch.read(1, 1, limb, values);
            }
            let mut coefficients = polynomial.clone();
            for (t, values) in p.transforms(limbs).iter().zip(coefficients.chunks_exact_mut(N)) {
                t.inverse(values);
            }
            for (digit, values) in digits.split(&mut polynomial).into_iter().enumerate() {
                digits.prepare(digit, values, &mut [0; N]);
            }
            for (digit, numbers) in p.digits(limbs).enumerate() {
                for prime in (0..limbs).chain(p.special()).filter(|prime| !numbers.contains(prime)) {
                    assert!(!digits.has_limb(digit, prime));
                    let mut out = vec![0; N];
                    digits.extend(digit, prime, &polynomial, &mut out);
                    let t = &p.all_transforms()[prime];
                    t.inverse(&mut out);
                    for (i, found) in out.into_iter().enumerate() {
                        let expected = integer(&p, numbers.clone(), |limb| coefficients[limb * N + i]);
                        assert_eq!(found, t.modulus().reduce_i128(expected), "digit {digit} of {special} special");
                    }
                }
            }
        }
    }
}
