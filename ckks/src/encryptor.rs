//! Symmetric encryption of one plaintext at a time. A fresh ciphertext is `(b, a)` with `a` from a
//! public seed, so that only `b` need be sent.

use zeroize::Zeroizing;

use crate::ring::sample::{LimbSlots, PublicSeed, SecretRng, Uniform};
use crate::{Encoder, Error, Parameters, Result, SecretKey};

/// Which element of which family the half `a` of a fresh ciphertext is. Two plaintexts under one
/// identity reveal their difference: every ciphertext needs a fresh one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CiphertextId {
    /// The family, drawn anew for every batch.
    pub seed: PublicSeed,
    /// The element.
    pub index: u64,
}

impl CiphertextId {
    /// Expands the half `a`: `[limb][N]` values.
    ///
    /// # Errors
    /// When the parameters have not as many limbs.
    pub fn expand_a(&self, parameters: &Parameters, limbs: usize) -> Result<Vec<u64>> {
        parameters.check_limbs("expanding a ciphertext", limbs)?;
        let n = parameters.degree();
        let uniform = Uniform::new(&self.seed);
        let mut a = vec![0; limbs * n];
        for ((limb, modulus), out) in parameters.moduli(limbs).enumerate().zip(a.chunks_exact_mut(n)) {
            uniform.fill(LimbSlots { modulus, limb, first: 0 }, self.index, out);
        }
        Ok(a)
    }
}

/// The integers that slots become.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Encoding {
    /// What a value of 1.0 becomes.
    pub scale: f64,
    /// Limbs of the ciphertext.
    pub limbs: usize,
}

/// Encrypts under one key.
#[derive(Debug)]
pub struct Encryptor<'k> {
    parameters: Parameters,
    encoder: Encoder,
    secret: &'k SecretKey,
}

impl<'k> Encryptor<'k> {
    /// Binds a key to the parameters of what it will encrypt.
    ///
    /// # Errors
    /// [`Error::KeyMismatch`] when the key belongs to parameters of another degree or other primes.
    pub fn new(parameters: &Parameters, secret: &'k SecretKey) -> Result<Self> {
        parameters.expect_key("encrypting", secret.parameters())?;
        Ok(Self { parameters: parameters.clone(), encoder: Encoder::new(parameters.degree()), secret })
    }

    /// Encrypts `slots` (at most N, the rest are zero) and returns `b = m + e - a s`, as
    /// `[limb][N]` values.
    ///
    /// # Errors
    /// When there are more than N slots, more limbs than the parameters have, or a value too large
    /// for so many limbs.
    pub fn encrypt(
        &self,
        slots: &[f64],
        encoding: Encoding,
        id: CiphertextId,
        rng: &mut SecretRng,
    ) -> Result<Vec<u64>> {
        let Encoding { scale, limbs } = encoding;
        let parameters = &self.parameters;
        parameters.check_limbs("encrypting", limbs)?;
        let mut message = Zeroizing::new(self.encoder.encode(slots, scale)?);
        let log_q: f64 = parameters.moduli(limbs).map(|q| (q.value() as f64).log2()).sum();
        let largest = message.iter().map(|c| c.unsigned_abs()).fold(0, u64::max);
        // A quarter of the modulus, which is what programs are planned with, rounded up.
        if largest as f64 > (log_q - 2.0).exp2() + 1.0 {
            return Err(Error::Overflow {
                operation: "encrypting",
                found_bits: (largest as f64).log2() as i32,
                allowed_bits: log_q as i32 - 2,
            });
        }
        rng.add_error(&mut message);
        let mut result = id.expand_a(parameters, limbs)?;
        let polynomials = result.chunks_exact_mut(parameters.degree());
        for ((limb, t), a) in parameters.transforms(limbs).iter().enumerate().zip(polynomials) {
            let q = t.modulus();
            let mut values = Zeroizing::new(message.iter().map(|&c| q.reduce_i64(c)).collect::<Vec<_>>());
            t.forward(&mut values);
            for a in a.iter_mut() {
                *a = q.neg(*a);
            }
            parameters.kernel().multiply_add(q, &mut values, a, self.secret.values(limb));
            a.copy_from_slice(&values);
        }
        Ok(result)
    }
}
