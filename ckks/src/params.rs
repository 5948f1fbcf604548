//! Parameters of the scheme: the unchecked literal and the checked, immutable form that everything
//! else takes. Less than the promised security is accepted only by constructors whose names say so.

use std::ops::Range;
use std::sync::Arc;

use crate::kernel::Kernel;
use crate::primes::is_ntt_prime;
use crate::ring::modulus::Factor;
use crate::ring::ntt::{Transform, TransformRoots};
use crate::rns_ring::RnsRing;
use crate::security::{self, Standing, log2_ceil};
use crate::{Error, Modulus, Result};

/// Parameters as anybody may write them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParametersLiteral {
    /// Ring degree N, which is the number of real slots.
    pub degree: usize,
    /// Primes of the ciphertext modulus, each 1 mod 4N; rescaling drops the last one present.
    pub moduli: Vec<u64>,
    /// Primes used only inside key switching, no more than there are moduli: as many limbs make one
    /// digit.
    pub special: Vec<u64>,
    /// Promised security: 128, 192 or 256 bits.
    pub security: u32,
}

/// Checked parameters with their transforms; cheap to clone. Primes are numbered: the moduli first,
/// the special ones last.
#[derive(Debug, Clone)]
pub struct Parameters(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    literal: ParametersLiteral,
    /// One for each prime.
    transforms: Vec<Transform>,
    /// `[p][q]`: prime number p modulo prime number q.
    residues: Vec<Vec<PrimeResidue>>,
    kernel: Kernel,
}

/// One prime modulo another.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PrimeResidue {
    pub(crate) value: Factor,
    pub(crate) inverse: Factor,
}

impl TryFrom<ParametersLiteral> for Parameters {
    type Error = Error;

    fn try_from(literal: ParametersLiteral) -> Result<Self> {
        standing(&literal)?;
        Self::without_security(literal)
    }
}

impl Parameters {
    /// Checks parameters but for their security: of any degree from 32 to 65536 and any modulus,
    /// for tests and experiments in which nothing is secret.
    ///
    /// # Errors
    /// When the degree is no such power of two, or the primes are too many, too large, repeated, or
    /// not 1 mod 4N.
    pub fn without_security(literal: ParametersLiteral) -> Result<Self> {
        Self::with_kernel(literal, Kernel::detect())
    }

    /// Checks parameters as [`Self::without_security`] does, for a chosen arithmetic path; every
    /// path gives the same bits.
    ///
    /// # Errors
    /// As [`Self::without_security`].
    pub fn with_kernel(literal: ParametersLiteral, kernel: Kernel) -> Result<Self> {
        let fail = |found: String, expected: &str| Err(Error::Parameters { found, expected: expected.into() });
        if !literal.degree.is_power_of_two() || !(32..=1 << 16).contains(&literal.degree) {
            return fail(format!("degree {}", literal.degree), "a power of two from 32 to 65536");
        }
        if literal.moduli.is_empty() || literal.moduli.len() > 64 {
            return fail(format!("{} moduli", literal.moduli.len()), "between 1 and 64");
        }
        if literal.special.len() > literal.moduli.len() {
            let found = format!("{} special primes for {} moduli", literal.special.len(), literal.moduli.len());
            return fail(found, "no more special primes than moduli");
        }
        let mut all: Vec<u64> = literal.moduli.iter().chain(&literal.special).copied().collect();
        let transforms = all
            .iter()
            .map(|&q| {
                is_ntt_prime(q, literal.degree)
                    .then(|| Transform::try_new(literal.degree, Modulus::new(q), kernel))
                    .flatten()
            })
            .collect::<Option<Vec<_>>>();
        all.sort_unstable();
        all.dedup();
        let Some(transforms) = transforms.filter(|t| t.len() == all.len()) else {
            let found = format!("moduli {:?}, special {:?}", literal.moduli, literal.special);
            return fail(found, "distinct primes below 2^50, each 1 mod 4N");
        };
        let residues = prime_residues(&transforms);
        Ok(Self(Arc::new(Inner { literal, transforms, residues, kernel })))
    }

    /// Returns the ring degree N, which is the number of slots.
    pub fn degree(&self) -> usize {
        self.0.literal.degree
    }

    /// Returns the literal that these came from.
    pub fn literal(&self) -> &ParametersLiteral {
        &self.0.literal
    }

    /// Returns the most limbs that a ciphertext can have.
    pub fn max_limbs(&self) -> usize {
        self.0.literal.moduli.len()
    }

    /// Returns the modulus of each of the first `limbs` limbs.
    ///
    /// # Panics
    /// When there are fewer.
    pub fn moduli(&self, limbs: usize) -> impl ExactSizeIterator<Item = Modulus> + '_ {
        self.transforms(limbs).iter().map(Transform::modulus)
    }

    /// Returns all moduli, then the special primes.
    pub(crate) fn all_moduli(&self) -> impl ExactSizeIterator<Item = Modulus> + '_ {
        self.all_transforms().iter().map(Transform::modulus)
    }

    /// Returns the bits of all primes together, rounded up.
    pub fn log_qp(&self) -> u32 {
        log2_ceil(self.0.literal.moduli.iter().chain(&self.0.literal.special))
    }

    /// Says by which table these keep the security that they promise.
    ///
    /// # Errors
    /// As [`security::standing`], for parameters made by [`Self::without_security`].
    pub fn standing(&self) -> Result<Standing> {
        standing(&self.0.literal)
    }

    /// Returns the arithmetic path in use.
    pub fn kernel(&self) -> Kernel {
        self.0.kernel
    }

    /// Returns the ring, by which keys know their parameters.
    pub fn ring(&self) -> RnsRing {
        let ParametersLiteral { degree, moduli, special, .. } = &self.0.literal;
        RnsRing { degree: *degree, moduli: moduli.clone(), special: special.clone() }
    }

    /// Returns all primes, the moduli first, each with the roots of its transform.
    pub fn transform_roots(&self) -> impl ExactSizeIterator<Item = (Modulus, TransformRoots)> + '_ {
        self.all_transforms().iter().map(|t| (t.modulus(), t.roots()))
    }

    pub(crate) fn transforms(&self, limbs: usize) -> &[Transform] {
        assert!(limbs <= self.max_limbs(), "{limbs} of {} limbs", self.max_limbs());
        &self.0.transforms[..limbs]
    }

    /// The numbers of the primes that take part in switching keys of so many limbs, special ones
    /// last.
    pub(crate) fn switching_primes(&self, limbs: usize) -> impl Iterator<Item = usize> + Clone {
        (0..limbs).chain(self.special())
    }

    /// The numbers of the special primes.
    pub(crate) fn special(&self) -> Range<usize> {
        self.max_limbs()..self.0.transforms.len()
    }

    /// The limbs of each digit that switching keys of so many limbs takes.
    pub(crate) fn digits(&self, limbs: usize) -> impl ExactSizeIterator<Item = Range<usize>> + Clone {
        let width = self.special().len().max(1);
        (0..limbs).step_by(width).map(move |first| first..limbs.min(first + width))
    }

    /// P, the product of the special primes, modulo the modulus of this number; 1 without any.
    pub(crate) fn special_product(&self, modulo: usize) -> Factor {
        assert!(modulo < self.max_limbs(), "modulus {modulo} of {}", self.max_limbs());
        let q = self.0.transforms[modulo].modulus();
        let residue = |special: usize| self.residue(special, modulo).value.value();
        q.factor(self.special().fold(1, |product, special| q.mul(product, residue(special))))
    }

    /// All transforms: the moduli's, then the special primes'.
    pub(crate) fn all_transforms(&self) -> &[Transform] {
        &self.0.transforms
    }

    /// Prime number `of` modulo prime number `modulo`, two different ones.
    pub(crate) fn residue(&self, of: usize, modulo: usize) -> PrimeResidue {
        assert_ne!(of, modulo, "a prime modulo itself");
        self.0.residues[of][modulo]
    }

    pub(crate) fn expect_key(&self, operation: &'static str, key: &Self) -> Result<()> {
        // The promised security may differ: the same ring is enough.
        let (ours, theirs) = (self.literal(), key.literal());
        if (ours.degree, &ours.moduli, &ours.special) == (theirs.degree, &theirs.moduli, &theirs.special) {
            return Ok(());
        }
        Err(Error::KeyMismatch { operation, found: Box::new(key.ring()), expected: Box::new(self.ring()) })
    }

    /// Whether ciphertexts of this degree modulo these primes, one for each limb, are of these
    /// parameters.
    pub(crate) fn holds(&self, degree: usize, moduli: &[u64]) -> bool {
        degree == self.degree() && self.literal().moduli.starts_with(moduli)
    }

    pub(crate) fn check_limbs(&self, operation: &'static str, limbs: usize) -> Result<()> {
        if (1..=self.max_limbs()).contains(&limbs) {
            Ok(())
        } else {
            Err(Error::Limbs { operation, found: limbs, allowed: 1..=self.max_limbs() })
        }
    }
}

fn prime_residues(transforms: &[Transform]) -> Vec<Vec<PrimeResidue>> {
    let residue = |p: Modulus, q: Modulus| {
        if p == q {
            return PrimeResidue::default();
        }
        let value = q.reduce(p.value());
        PrimeResidue { value: q.factor(value), inverse: q.factor(q.inverse(value)) }
    };
    let moduli: Vec<Modulus> = transforms.iter().map(Transform::modulus).collect();
    moduli.iter().map(|&p| moduli.iter().map(|&q| residue(p, q)).collect()).collect()
}

fn standing(literal: &ParametersLiteral) -> Result<Standing> {
    security::standing(literal.degree, literal.moduli.iter().chain(&literal.special), literal.security)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::primes::ntt_primes;

    fn literal(degree: usize, bits: u32, count: usize) -> ParametersLiteral {
        ParametersLiteral {
            degree,
            moduli: ntt_primes(degree, bits, count, &[]).unwrap(),
            special: vec![],
            security: 128,
        }
    }

    #[test]
    fn the_security_table_is_enforced() {
        assert!(Parameters::try_from(literal(4096, 36, 3)).is_ok());
        let error = Parameters::try_from(literal(4096, 37, 3)).unwrap_err();
        assert_eq!(error, Error::Insecure { log_qp: 111, degree: 4096, security: 128, allowed: 106 });
        let mut stricter = literal(4096, 36, 3);
        stricter.security = 192;
        assert!(Parameters::try_from(stricter).is_err());
    }

    #[test]
    fn what_the_superseded_table_allows_is_read_and_says_so() {
        let of = |bits| Parameters::try_from(literal(4096, bits, 3)).unwrap().standing();
        assert_eq!(of(35), Ok(Standing::Current));
        assert_eq!(of(36), Ok(Standing::Superseded { log_qp: 108, allowed: 106 }));
    }

    #[test]
    fn the_smallest_ring_holds_53_bits() {
        assert!(Parameters::try_from(literal(2048, 50, 1)).is_ok());
        let two = |bits: [u32; 2]| {
            let mut l = literal(2048, bits[0], 1);
            l.moduli.extend(ntt_primes(2048, bits[1], 1, &l.moduli).unwrap());
            Parameters::try_from(l)
        };
        assert!(two([27, 26]).is_ok() && matches!(two([27, 27]), Err(Error::Insecure { allowed: 53, .. })));
        assert!(Parameters::try_from(ParametersLiteral { security: 192, ..literal(2048, 30, 1) }).is_err());
    }

    #[test]
    fn special_primes_count() {
        let mut l = literal(4096, 36, 2);
        l.special = ntt_primes(4096, 36, 1, &l.moduli).unwrap();
        assert!(Parameters::try_from(l.clone()).is_ok());
        l.special = ntt_primes(4096, 40, 1, &l.moduli).unwrap();
        assert!(matches!(Parameters::try_from(l), Err(Error::Insecure { .. })));
    }

    #[test]
    fn malformed_parameters_are_refused() {
        let good = literal(4096, 36, 2);
        for bad in [
            ParametersLiteral { degree: 1000, ..good.clone() },
            ParametersLiteral { degree: 2048, ..good.clone() },
            ParametersLiteral { moduli: vec![], ..good.clone() },
            ParametersLiteral { moduli: vec![good.moduli[0]; 2], ..good.clone() },
            ParametersLiteral { moduli: vec![good.moduli[0] + 2], ..good.clone() },
            ParametersLiteral { security: 80, ..good.clone() },
        ] {
            assert!(Parameters::try_from(bad.clone()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn special_primes_that_repeat_or_are_more_than_the_moduli_are_refused() {
        let good = literal(4096, 36, 2);
        let of = |special| Parameters::without_security(ParametersLiteral { special, ..good.clone() });
        let primes = |count| ntt_primes(4096, 20, count, &[]).unwrap();
        assert!(of(primes(2)).is_ok());
        assert!(of(primes(3)).unwrap_err().to_string().contains("no more special primes than moduli"));
        assert!(of(good.moduli.clone()).unwrap_err().to_string().contains("distinct primes"));
    }
}
