//! Keys: the ternary secret, and the evaluation key with which a server relinearises. Each
//! remembers its parameters. Secrets are locked in memory as far as the system allows, zeroised on
//! drop and never printed.

use beaa_secrets::Locked;

use crate::error::operand;
use crate::ring::sample::{PublicSeed, SecretRng};
use crate::switching_key::{KeyStream, SwitchedSecrets, SwitchingKey};
use crate::{Parameters, Result};

/// The secret key: N coefficients of -1, 0, 1.
pub struct SecretKey {
    parameters: Parameters,
    coefficients: Locked<i8>,
    /// Values modulo each prime: `[prime][N]`.
    values: Locked<u64>,
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

impl SecretKey {
    /// Draws a fresh key.
    pub fn generate(parameters: &Parameters, rng: &mut SecretRng) -> Self {
        Self::from_coefficients(parameters, rng.ternary(parameters.degree()))
    }

    /// Writes one byte for each of the N coefficients: 0, 1 or 255.
    pub fn to_bytes(&self) -> Locked<u8> {
        Locked::collect(self.coefficients.len(), self.coefficients.iter().map(|c| c.cast_unsigned()))
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// When the bytes are not N ternary coefficients.
    pub fn from_bytes(parameters: &Parameters, bytes: &[u8]) -> Result<Self> {
        if bytes.len() != parameters.degree() || bytes.iter().any(|b| !matches!(b, 0 | 1 | 255)) {
            return Err(operand(
                "reading a secret key",
                "other bytes",
                format!("{} ternary coefficients", parameters.degree()),
            ));
        }
        let coefficients = Locked::collect(bytes.len(), bytes.iter().map(|b| b.cast_signed()));
        Ok(Self::from_coefficients(parameters, coefficients))
    }

    fn from_coefficients(parameters: &Parameters, coefficients: Locked<i8>) -> Self {
        let (n, transforms) = (parameters.degree(), parameters.all_transforms());
        let mut values = Locked::zeroed(transforms.len() * n);
        for (t, values) in transforms.iter().zip(values.chunks_exact_mut(n)) {
            for (value, &c) in values.iter_mut().zip(coefficients.iter()) {
                *value = t.modulus().reduce_i64(i64::from(c));
            }
            t.forward(values);
        }
        Self { parameters: parameters.clone(), coefficients, values }
    }

    /// Whether the system keeps all of the key out of swap.
    pub fn is_locked(&self) -> bool {
        self.coefficients.is_locked() && self.values.is_locked()
    }

    pub(crate) fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The values modulo all primes: `[prime][N]`.
    pub(crate) fn all_values(&self) -> &[u64] {
        &self.values
    }

    /// The N values modulo one prime.
    pub(crate) fn values(&self, prime: usize) -> &[u64] {
        let n = self.parameters.degree();
        &self.values[prime * n..(prime + 1) * n]
    }
}

/// What a server needs to relinearise: for each digit an encryption `(b, a)` of `P s^2` in the
/// digit's limbs, where `a` is expanded from a seed. Holds no secret.
pub struct EvaluationKey {
    parameters: Parameters,
    seed: PublicSeed,
    key: SwitchingKey,
}

impl std::fmt::Debug for EvaluationKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EvaluationKey({} digits)", self.key.digits())
    }
}

impl EvaluationKey {
    /// Makes the key for squares of `secret`, for the secret's parameters: one digit for as many
    /// limbs as there are special primes, whose product P divides the noise, or for each limb.
    pub fn generate(secret: &SecretKey, rng: &mut SecretRng) -> Self {
        let parameters = secret.parameters().clone();
        let seed = rng.public_seed();
        let mut square = Locked::zeroed(secret.values.len());
        let n = parameters.degree();
        for ((q, squares), values) in
            parameters.all_moduli().zip(square.chunks_exact_mut(n)).zip(secret.values.chunks_exact(n))
        {
            for (square, &s) in squares.iter_mut().zip(values) {
                *square = q.mul(s, s);
            }
        }
        let secrets = SwitchedSecrets { from: &secret.values, target: &square };
        let key = SwitchingKey::generate(&parameters, parameters.max_limbs(), secrets, stream(&seed), rng);
        Self { parameters, seed, key }
    }

    /// Reads a key from its seed and the digits that [`Self::compressed_digits`] returned, one
    /// after the other.
    ///
    /// # Errors
    /// When the bytes are not as many as the parameters need, or hold what is not below its prime.
    pub fn from_compressed(parameters: &Parameters, seed: PublicSeed, bytes: &[u8]) -> Result<Self> {
        const OPERATION: &str = "reading an evaluation key";
        let expected = Self::compressed_len(parameters);
        if bytes.len() != expected {
            return Err(operand(OPERATION, format!("{} bytes", bytes.len()), format!("{expected} bytes")));
        }
        let key = SwitchingKey::from_compressed(OPERATION, parameters, parameters.max_limbs(), stream(&seed), bytes)?;
        Ok(Self { parameters: parameters.clone(), seed, key })
    }

    /// Returns the seed of the halves `a`.
    pub fn seed(&self) -> &PublicSeed {
        &self.seed
    }

    /// Returns the bytes of all compressed digits of a key for these parameters.
    pub fn compressed_len(parameters: &Parameters) -> usize {
        SwitchingKey::compressed_len(parameters, parameters.max_limbs())
    }

    /// Packs the halves `b`, digit by digit, for each prime the N residues at the prime's width.
    pub fn compressed_digits(&self) -> impl Iterator<Item = Vec<u8>> + '_ {
        self.key.compressed_digits(&self.parameters)
    }

    /// Returns the parameters that the key belongs to.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Returns the N values of `b` and of `a` of one digit modulo one prime; the special ones come
    /// after the moduli.
    ///
    /// # Panics
    /// When there is no such digit or prime.
    pub fn halves(&self, digit: usize, prime: usize) -> [&[u64]; 2] {
        self.key.halves(digit, prime)
    }
}

/// The elements from number 0 on; those of Galois keys have larger numbers.
fn stream(seed: &PublicSeed) -> KeyStream<'_> {
    KeyStream { seed, first: 0 }
}
