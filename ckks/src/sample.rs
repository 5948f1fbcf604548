//! Random ring elements: uniform, ternary, and centred binomial, all from ChaCha20. Must never draw a secret and a
//! public element from the same stream.

use rand::rngs::SysRng;
use rand::{Rng, SeedableRng, TryRng};
use rand_chacha::ChaCha20Rng;
use zeroize::{Zeroize, Zeroizing};

use crate::modulus::Modulus;
use crate::{Error, Result};

/// Variance of the error: a centred binomial with 21 coins a side (standard deviation 3.24), the default of SEAL.
pub const ERROR_VARIANCE: f64 = 10.5;
/// Variance of a ternary secret's coefficients, uniform over -1, 0, 1.
pub const SECRET_VARIANCE: f64 = 2.0 / 3.0;

/// The seed of a public uniform element or of a family of them.
pub type PublicSeed = [u8; 32];

/// A source of secret randomness.
pub struct SecretRng(ChaCha20Rng);

impl std::fmt::Debug for SecretRng {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretRng(..)")
    }
}

impl SecretRng {
    /// Seeded by the operating system.
    pub fn from_os() -> Result<Self> {
        let mut seed = Zeroizing::new([0; 32]);
        SysRng.try_fill_bytes(seed.as_mut()).map_err(|e| Error::Randomness(e.to_string()))?;
        Ok(Self(ChaCha20Rng::from_seed(*seed)))
    }

    /// INSECURE: the same seed gives the same keys and the same noise. For tests and for reproducing figures. Sources
    /// for different purposes (the first 24 bytes count) are independent.
    pub fn insecure(seed: u64, purpose: &str) -> Self {
        let mut full = [0; 32];
        for (to, from) in full.iter_mut().zip(seed.to_le_bytes().into_iter().chain(purpose.bytes())) {
            *to = from;
        }
        Self(ChaCha20Rng::from_seed(full))
    }

    /// A number uniform between -1 and 1.
    pub fn symmetric(&mut self) -> f64 {
        // 53 bits fill the mantissa.
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }

    /// A seed that may be published.
    pub fn public_seed(&mut self) -> PublicSeed {
        let mut seed = [0; 32];
        self.0.fill_bytes(&mut seed);
        seed
    }

    /// An independent source for one of many parallel tasks.
    pub fn fork(&mut self) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        self.0.fill_bytes(seed.as_mut());
        Self(ChaCha20Rng::from_seed(*seed))
    }

    /// Adds one error sample to every coefficient.
    pub(crate) fn add_error(&mut self, coefficients: &mut [i64]) {
        let mut words = Zeroizing::new(vec![0_u8; coefficients.len() * 8]);
        self.0.fill_bytes(&mut words);
        for (c, bytes) in coefficients.iter_mut().zip(words.as_chunks::<8>().0) {
            let w = u64::from_le_bytes(*bytes);
            let mask = (1 << 21) - 1;
            *c += i64::from((w & mask).count_ones()) - i64::from((w >> 21 & mask).count_ones());
        }
    }

    /// `n` coefficients uniform over -1, 0, 1.
    pub(crate) fn ternary(&mut self, n: usize) -> Zeroizing<Vec<i64>> {
        let mut out = Zeroizing::new(Vec::with_capacity(n));
        while out.len() < n {
            let mut word = self.0.next_u64();
            for _ in 0..32 {
                let two = word & 3;
                word >>= 2;
                // Four equally likely values; one is thrown away.
                if two < 3 && out.len() < n {
                    out.push(two.cast_signed() - 1);
                }
            }
            word.zeroize();
        }
        out
    }
}

/// Fills `out`, one slice per limb, with the uniform element number `index` of a seed's family. The same on every
/// machine: part of the file format.
pub(crate) fn uniform<'a>(seed: &PublicSeed, index: u64, limbs: impl Iterator<Item = (Modulus, &'a mut [u64])>) {
    let mut rng = ChaCha20Rng::from_seed(*seed);
    rng.set_stream(index);
    let mut bytes = vec![0_u8; 8 * 1024];
    for (q, limb) in limbs {
        let mask = (1_u64 << q.bits()) - 1;
        let mut filled = 0;
        while filled < limb.len() {
            rng.fill_bytes(&mut bytes);
            for word in bytes.as_chunks::<8>().0 {
                let value = u64::from_le_bytes(*word) & mask;
                // Rejection keeps it exactly uniform.
                if value < q.value()
                    && let Some(slot) = limb.get_mut(filled)
                {
                    *slot = value;
                    filled += 1;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_the_stated_variance_and_no_bias() {
        let mut samples = vec![0; 1 << 16];
        SecretRng::insecure(1, "test").add_error(&mut samples);
        let n = samples.len() as f64;
        let mean = samples.iter().sum::<i64>() as f64 / n;
        let variance = samples.iter().map(|v| (v * v) as f64).sum::<f64>() / n;
        // Five standard deviations of the estimates.
        assert!(mean.abs() < 5.0 * (ERROR_VARIANCE / n).sqrt(), "{mean}");
        assert!((variance / ERROR_VARIANCE - 1.0).abs() < 5.0 * (2.0 / n).sqrt(), "{variance}");
        assert!(samples.iter().all(|v| v.abs() <= 21));
    }

    #[test]
    fn secrets_are_ternary_and_balanced() {
        let s = SecretRng::insecure(2, "test").ternary(30_000);
        for value in -1..=1 {
            let count = s.iter().filter(|&&v| v == value).count() as f64;
            assert!((count - 10_000.0).abs() < 5.0 * (30_000.0 * 2.0 / 9.0_f64).sqrt());
        }
        assert_eq!(s.len(), 30_000);
    }

    #[test]
    fn uniform_elements_differ_by_index_and_repeat_by_seed() {
        let q = Modulus::new(1_099_511_480_321);
        let draw = |seed: u8, index| {
            let mut out = vec![0; 2000];
            uniform(&[seed; 32], index, std::iter::once((q, out.as_mut_slice())));
            out
        };
        assert_eq!(draw(1, 5), draw(1, 5));
        assert_ne!(draw(1, 5), draw(1, 6));
        assert_ne!(draw(1, 5), draw(2, 5));
        let mean = draw(1, 5).iter().map(|&v| v as f64).sum::<f64>() / 2000.0 / q.value() as f64;
        assert!((mean - 0.5).abs() < 5.0 / (12.0 * 2000.0_f64).sqrt());
    }

    #[test]
    fn secrets_are_not_printed() {
        assert_eq!(format!("{:?}", SecretRng::insecure(3, "test")), "SecretRng(..)");
    }
}
