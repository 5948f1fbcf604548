//! Division by some of the primes that a polynomial is known by, with rounding.

use super::MixedRadix;
use crate::Parameters;
use crate::ring::modulus::Factor;

/// Division of polynomials of some limbs by the product of other primes, with what all polynomials
/// share. The same bits as by one of these primes after the other, the last one first: what they
/// have in common is carried to each limb once.
#[derive(Debug)]
pub(crate) struct Division<'p> {
    parameters: &'p Parameters,
    limbs: usize,
    /// None where nothing is divided.
    divisors: Option<MixedRadix<'p>>,
    /// For each limb, the inverse of the divisors' product.
    inverses: Vec<Factor>,
}

impl<'p> Division<'p> {
    /// Of the first `limbs` limbs, by primes with these numbers.
    pub(crate) fn new(parameters: &'p Parameters, limbs: usize, divisors: Vec<usize>) -> Self {
        let inverse = |limb: usize, q: crate::Modulus| {
            let inverses = divisors.iter().map(|&divisor| parameters.residue(divisor, limb).inverse.value());
            q.factor(inverses.fold(1, |product, inverse| q.mul(product, inverse)))
        };
        let inverses = parameters.moduli(limbs).enumerate().map(|(limb, q)| inverse(limb, q)).collect();
        let divisors = (!divisors.is_empty()).then(|| MixedRadix::new(parameters, divisors));
        Self { parameters, limbs, divisors, inverses }
    }

    /// Divides one polynomial, values of the limbs and then of the divisors, `[prime][N]`: the
    /// first limbs hold the result, the others are used up. `scratch` is memory of N words.
    pub(crate) fn divide(&self, values: &mut [u64], scratch: &mut [u64]) {
        let n = self.parameters.degree();
        let (rest, remainder) = values.split_at_mut(self.limbs * n);
        self.prepare(remainder, scratch);
        for (limb, values) in rest.chunks_exact_mut(n).enumerate() {
            self.divide_limb(limb, values, remainder, scratch);
        }
    }

    /// Turns the values of the divisors into what [`Self::divide_limb`] reads.
    pub(crate) fn prepare(&self, remainder: &mut [u64], scratch: &mut [u64]) {
        if let Some(divisors) = &self.divisors {
            divisors.digits(remainder, scratch);
        }
    }

    /// Divides one limb, N values, of a polynomial with this remainder.
    pub(crate) fn divide_limb(&self, limb: usize, values: &mut [u64], remainder: &[u64], scratch: &mut [u64]) {
        let Some(divisors) = &self.divisors else { return };
        let q = self.parameters.all_transforms()[limb].modulus();
        divisors.extend(remainder, limb, scratch);
        self.parameters.kernel().mod_down_step(q, values, scratch, self.inverses[limb]);
    }
}
