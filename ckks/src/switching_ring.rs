//! Where keys are switched: modulo QP, the product of the moduli of a ciphertext and of the special
//! primes. What is added up there is divided by P, the product of the special primes, once at the
//! end (Bossuat, Mouchet, Troncoso-Pastoriza, Hubaux 2021, "Efficient Bootstrapping for Approximate
//! Homomorphic Encryption with Non-sparse Keys"). Without special primes the same is done modulo Q,
//! with P = 1.

use crate::Parameters;
use crate::base_conversion::{Digits, Division};
use crate::ring::modulus::{Factor, Modulus};

/// The limbs of a ciphertext, and the special primes if keys are switched.
#[derive(Debug)]
pub(crate) struct SwitchingRing<'p> {
    pub(crate) parameters: &'p Parameters,
    pub(crate) limbs: usize,
    pub(crate) digits: Digits<'p>,
    /// Numbers of the primes, the special ones last.
    pub(crate) primes: Vec<usize>,
    /// For each limb P; none where all is done modulo Q.
    factors: Vec<Factor>,
    /// Division by P.
    pub(crate) division: Division<'p>,
}

impl<'p> SwitchingRing<'p> {
    /// With all special primes: where keys are switched.
    pub(crate) fn new(parameters: &'p Parameters, limbs: usize) -> Self {
        Self::with_special(parameters, limbs, parameters.special().collect())
    }

    /// Modulo Q alone: for products of which nothing is rotated.
    pub(crate) fn without_special(parameters: &'p Parameters, limbs: usize) -> Self {
        Self::with_special(parameters, limbs, Vec::new())
    }

    fn with_special(parameters: &'p Parameters, limbs: usize, special: Vec<usize>) -> Self {
        let factors = if special.is_empty() { 0..0 } else { 0..limbs };
        Self {
            parameters,
            limbs,
            digits: Digits::new(parameters, limbs),
            primes: (0..limbs).chain(special.iter().copied()).collect(),
            factors: factors.map(|limb| parameters.special_product(limb)).collect(),
            division: Division::new(parameters, limbs, special),
        }
    }

    /// Words of one polynomial modulo QP.
    pub(crate) fn words(&self) -> usize {
        self.primes.len() * self.parameters.degree()
    }

    pub(crate) fn modulus(&self, prime: usize) -> Modulus {
        self.parameters.all_transforms()[prime].modulus()
    }

    /// Writes `P x` modulo one prime, N values.
    pub(crate) fn scale(&self, prime: usize, x: &mut [u64]) {
        if prime >= self.limbs {
            x.fill(0);
        } else if let Some(&factor) = self.factors.get(prime) {
            self.parameters.kernel().scale(self.modulus(prime), x, factor);
        }
    }
}
