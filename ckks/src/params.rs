//! Parameters of the scheme: the unchecked literal and the checked, immutable form that everything else takes. Must
//! never accept less than the promised security, except through the constructor whose name says so.

use std::sync::Arc;

use crate::kernel::Kernel;
use crate::primes::is_ntt_prime;
use crate::ring::ntt::Transform;
use crate::{Error, Modulus, Result, security};

/// Parameters as anybody may write them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParametersLiteral {
    /// Ring degree N, which is the number of real slots.
    pub degree: usize,
    /// Primes of the ciphertext modulus, each 1 mod 4N; rescaling drops the last one present.
    pub moduli: Vec<u64>,
    /// At most one prime used only inside key switching.
    pub special: Vec<u64>,
    /// Promised security: 128, 192 or 256 bits.
    pub security: u32,
}

/// Checked parameters with their transforms; cheap to clone.
#[derive(Debug, Clone)]
pub struct Parameters(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    literal: ParametersLiteral,
    /// Of the moduli, then of the special prime.
    transforms: Vec<Transform>,
    kernel: Kernel,
}

impl TryFrom<ParametersLiteral> for Parameters {
    type Error = Error;

    fn try_from(literal: ParametersLiteral) -> Result<Self> {
        let allowed = security::max_log_qp(literal.degree, literal.security).ok_or_else(|| Error::Parameters {
            found: format!("degree {} at {} bits of security", literal.degree, literal.security),
            expected: format!("a degree of {:?} at 128, 192 or 256 bits", security::DEGREES),
        })?;
        let log_qp = log2_ceil(literal.moduli.iter().chain(&literal.special));
        if log_qp > allowed {
            return Err(Error::Insecure { log_qp, degree: literal.degree, security: literal.security, allowed });
        }
        Self::without_security(literal)
    }
}

impl Parameters {
    /// Parameters of any degree from 16 up and any modulus, for tests and experiments: nothing encrypted under them need be secret.
    pub fn without_security(literal: ParametersLiteral) -> Result<Self> {
        Self::with_kernel(literal, Kernel::detect())
    }

    /// As [`Self::without_security`], on a chosen arithmetic path; every path gives the same bits.
    pub fn with_kernel(literal: ParametersLiteral, kernel: Kernel) -> Result<Self> {
        let fail = |found: String, expected: &str| Err(Error::Parameters { found, expected: expected.into() });
        if !kernel.available() {
            return fail(format!("the {kernel:?} path"), "one that this processor has");
        }
        if !literal.degree.is_power_of_two() || !(32..=1 << 16).contains(&literal.degree) {
            return fail(format!("degree {}", literal.degree), "a power of two from 32 to 65536");
        }
        if literal.moduli.is_empty() || literal.moduli.len() > 64 {
            return fail(format!("{} moduli", literal.moduli.len()), "between 1 and 64");
        }
        if literal.special.len() > 1 {
            return fail(format!("{} special primes", literal.special.len()), "none or one");
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
            return fail(format!("moduli {:?}", literal.moduli), "distinct primes below 2^50, each 1 mod 4N");
        };
        Ok(Self(Arc::new(Inner { literal, transforms, kernel })))
    }

    /// Ring degree N = number of slots.
    pub fn degree(&self) -> usize {
        self.0.literal.degree
    }

    /// The literal that these came from.
    pub fn literal(&self) -> &ParametersLiteral {
        &self.0.literal
    }

    /// Most limbs a ciphertext can have.
    pub fn max_limbs(&self) -> usize {
        self.0.literal.moduli.len()
    }

    /// The modulus of each of the first `limbs` limbs.
    pub fn moduli(&self, limbs: usize) -> impl ExactSizeIterator<Item = Modulus> + '_ {
        self.transforms(limbs).iter().map(Transform::modulus)
    }

    /// All moduli, then the special prime.
    pub fn all_moduli(&self) -> impl ExactSizeIterator<Item = Modulus> + '_ {
        self.all_transforms().iter().map(Transform::modulus)
    }

    /// Bits of all primes together, rounded up.
    pub fn log_qp(&self) -> u32 {
        log2_ceil(self.0.literal.moduli.iter().chain(&self.0.literal.special))
    }

    /// The arithmetic path in use.
    pub fn kernel(&self) -> Kernel {
        self.0.kernel
    }

    pub(crate) fn transforms(&self, limbs: usize) -> &[Transform] {
        self.0.transforms.get(..limbs.min(self.max_limbs())).unwrap_or_default()
    }

    /// The special prime's transform, if there is one.
    pub(crate) fn special(&self) -> Option<&Transform> {
        self.0.transforms.get(self.max_limbs())
    }

    /// All transforms: the moduli's, then the special prime's.
    pub(crate) fn all_transforms(&self) -> &[Transform] {
        &self.0.transforms
    }

    pub(crate) fn check_limbs(&self, operation: &'static str, limbs: usize) -> Result<()> {
        if (1..=self.max_limbs()).contains(&limbs) {
            Ok(())
        } else {
            Err(crate::error::operand(operation, format!("{limbs} limbs"), format!("1 to {}", self.max_limbs())))
        }
    }
}

fn log2_ceil<'a>(primes: impl Iterator<Item = &'a u64>) -> u32 {
    let log: f64 = primes.map(|&q| (q as f64).log2()).sum();
    // A sum that f64 rounds up to a whole number from below is still a product below that power of two.
    (log - 1e-9).ceil() as u32
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
        assert_eq!(error, Error::Insecure { log_qp: 111, degree: 4096, security: 128, allowed: 109 });
        let mut stricter = literal(4096, 36, 3);
        stricter.security = 192;
        assert!(Parameters::try_from(stricter).is_err());
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
            ParametersLiteral { special: good.moduli.clone(), ..good.clone() },
        ] {
            assert!(Parameters::try_from(bad.clone()).is_err(), "{bad:?}");
        }
    }
}
