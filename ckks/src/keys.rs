//! Keys: the ternary secret, and the evaluation key with which a server relinearises. Each
//! remembers its parameters. Secrets are locked in memory as far as the system allows, zeroised on
//! drop and never printed.

use beaa_secrets::Locked;
use zeroize::Zeroizing;

use crate::error::operand;
use crate::kernel::TILE;
use crate::kernel::bit_packing::{Unpacker, pack_polynomial, tile_bytes, unpack_polynomial};
use crate::ring::sample::{LimbSlots, PublicSeed, SecretRng, Uniform};
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

    /// The N values modulo one prime.
    pub(crate) fn values(&self, prime: usize) -> &[u64] {
        let n = self.parameters.degree();
        &self.values[prime * n..(prime + 1) * n]
    }
}

/// What a server needs to relinearise: for each digit an encryption `(b, a)` of `P s^2` in that
/// limb, where `a` is expanded from a seed. Holds no secret.
pub struct EvaluationKey {
    parameters: Parameters,
    seed: PublicSeed,
    /// `[digit][prime][N]`, the last two flat.
    b: Vec<Vec<u64>>,
    /// `[digit][prime][N]`, the last two flat.
    a: Vec<Vec<u64>>,
}

impl std::fmt::Debug for EvaluationKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EvaluationKey({} digits)", self.b.len())
    }
}

impl EvaluationKey {
    /// Makes the key for squares of `secret`, for the secret's parameters. One digit per limb; a
    /// special prime P, if there is one, divides the noise by P.
    pub fn generate(secret: &SecretKey, rng: &mut SecretRng) -> Self {
        let parameters = secret.parameters().clone();
        let seed = rng.public_seed();
        let a = expand(&parameters, &seed);
        let b = a.iter().enumerate().map(|(digit, a)| encrypt_digit(secret, digit, a, rng)).collect();
        Self { parameters, seed, b, a }
    }

    /// Reads a key from its seed and the digits that [`Self::compressed_digits`] returned, one
    /// after the other.
    ///
    /// # Errors
    /// When the bytes are not as many as the parameters need, or hold what is not below its prime.
    pub fn from_compressed(parameters: &Parameters, seed: PublicSeed, bytes: &[u8]) -> Result<Self> {
        let expected = Self::compressed_len(parameters);
        if bytes.len() != expected {
            let found = format!("{} bytes", bytes.len());
            return Err(operand("reading an evaluation key", found, format!("{expected} bytes")));
        }
        let n = parameters.degree();
        let unpackers: Vec<_> = parameters.all_moduli().map(|q| Unpacker::new(parameters.kernel(), q)).collect();
        let mut b = vec![vec![0; unpackers.len() * n]; parameters.max_limbs()];
        let (mut rest, mut canonical) = (bytes, true);
        for digit in &mut b {
            for ((q, unpacker), values) in parameters.all_moduli().zip(&unpackers).zip(digit.chunks_exact_mut(n)) {
                let (front, tail) = rest.split_at(n / TILE * tile_bytes(q));
                canonical &= unpack_polynomial(front, unpacker, values);
                rest = tail;
            }
        }
        if !canonical {
            let found = "a residue that is not below its prime";
            return Err(operand("reading an evaluation key", found, "canonical residues"));
        }
        let a = expand(parameters, &seed);
        Ok(Self { parameters: parameters.clone(), seed, b, a })
    }

    /// Returns the seed of the halves `a`.
    pub fn seed(&self) -> &PublicSeed {
        &self.seed
    }

    /// Returns the bytes of all compressed digits of a key for these parameters.
    pub fn compressed_len(parameters: &Parameters) -> usize {
        let digit: usize = parameters.all_moduli().map(|q| parameters.degree() / TILE * tile_bytes(q)).sum();
        parameters.max_limbs() * digit
    }

    /// Packs the halves `b`, digit by digit, for each prime the N residues at the prime's width.
    pub fn compressed_digits(&self) -> impl Iterator<Item = Vec<u8>> + '_ {
        let n = self.parameters.degree();
        self.b.iter().map(move |digit| {
            let mut bytes = Vec::new();
            for (q, values) in self.parameters.all_moduli().zip(digit.chunks_exact(n)) {
                pack_polynomial(values, q, &mut bytes);
            }
            bytes
        })
    }

    pub(crate) fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The N values of `b` and of `a` of one digit modulo one prime.
    pub(crate) fn halves(&self, digit: usize, prime: usize) -> [&[u64]; 2] {
        let n = self.parameters.degree();
        [&self.b, &self.a].map(|half| &half[digit][prime * n..(prime + 1) * n])
    }
}

/// `b = e - a s`, plus `P s^2` in the digit's limb; `a` and the result are `[prime][N]`.
fn encrypt_digit(secret: &SecretKey, digit: usize, a: &[u64], rng: &mut SecretRng) -> Vec<u64> {
    let parameters = secret.parameters();
    let n = parameters.degree();
    let special = parameters.special().map_or(1, |p| parameters.all_transforms()[p].modulus().value());
    let mut error = Zeroizing::new(vec![0_i64; n]);
    rng.add_error(&mut error);
    let mut result = Vec::with_capacity(a.len());
    for (prime, (t, a)) in parameters.all_transforms().iter().zip(a.chunks_exact(n)).enumerate() {
        let q = t.modulus();
        let mut b: Vec<u64> = error.iter().map(|&e| q.reduce_i64(e)).collect();
        t.forward(&mut b);
        let p = q.reduce(special);
        for ((b, &a), &s) in b.iter_mut().zip(a).zip(secret.values(prime)) {
            *b = q.sub(*b, q.mul(a, s));
            if prime == digit {
                *b = q.add(*b, q.mul(p, q.mul(s, s)));
            }
        }
        result.extend(b);
    }
    result
}

/// The halves `a`: `[digit][prime][N]`.
fn expand(parameters: &Parameters, seed: &PublicSeed) -> Vec<Vec<u64>> {
    let (n, uniform) = (parameters.degree(), Uniform::new(seed));
    (0..parameters.max_limbs())
        .map(|digit| {
            let mut a = vec![0; parameters.all_transforms().len() * n];
            for (limb, (t, out)) in parameters.all_transforms().iter().zip(a.chunks_exact_mut(n)).enumerate() {
                uniform.fill(LimbSlots { modulus: t.modulus(), limb, first: 0 }, digit as u64, out);
            }
            a
        })
        .collect()
}
