//! A switching key: for each digit an encryption of `P target` in that limb under another secret.
//! Evaluation keys and Galois keys consist of them.

use zeroize::Zeroizing;

use crate::error::operand;
use crate::kernel::TILE;
use crate::kernel::bit_packing::{Unpacker, pack_polynomial, tile_bytes, unpack_polynomial};
use crate::ring::sample::{LimbSlots, PublicSeed, SecretRng, Uniform};
use crate::{Parameters, Result};

/// Digits `(b, a)` with `b = e - a from + P target`, the last in the digit's limb only. Holds no
/// secret.
pub(crate) struct SwitchingKey {
    degree: usize,
    /// `[digit][prime][N]`, the last two flat.
    b: Vec<Vec<u64>>,
    /// `[digit][prime][N]`, the last two flat.
    a: Vec<Vec<u64>>,
}

/// The two secrets of a switching key, each `[prime][N]` values.
#[derive(Clone, Copy)]
pub(crate) struct SwitchedSecrets<'s> {
    /// What the key is encrypted under.
    pub(crate) from: &'s [u64],
    /// What it encrypts.
    pub(crate) target: &'s [u64],
}

/// Which elements of a public family the halves `a` are: one for each digit, from the first on.
#[derive(Clone, Copy)]
pub(crate) struct KeyStream<'s> {
    pub(crate) seed: &'s PublicSeed,
    pub(crate) first: u64,
}

impl SwitchingKey {
    /// Makes a key of one digit per limb. A special prime P, if there is one, divides the noise by
    /// P.
    pub(crate) fn generate(
        parameters: &Parameters,
        secrets: SwitchedSecrets<'_>,
        stream: KeyStream<'_>,
        rng: &mut SecretRng,
    ) -> Self {
        let a = stream.expand(parameters);
        let b = a.iter().enumerate().map(|(digit, a)| encrypt_digit(parameters, secrets, digit, a, rng)).collect();
        Self { degree: parameters.degree(), b, a }
    }

    /// Reads a key from exactly the digits that [`Self::compressed_digits`] returned.
    ///
    /// # Errors
    /// When the bytes hold what is not below its prime.
    pub(crate) fn from_compressed(
        operation: &'static str,
        parameters: &Parameters,
        stream: KeyStream<'_>,
        bytes: &[u8],
    ) -> Result<Self> {
        assert_eq!(bytes.len(), Self::compressed_len(parameters), "bytes of a switching key");
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
            return Err(operand(operation, "a residue that is not below its prime", "canonical residues"));
        }
        Ok(Self { degree: n, b, a: stream.expand(parameters) })
    }

    /// Bytes of all compressed digits.
    pub(crate) fn compressed_len(parameters: &Parameters) -> usize {
        let digit: usize = parameters.all_moduli().map(|q| parameters.degree() / TILE * tile_bytes(q)).sum();
        parameters.max_limbs() * digit
    }

    /// Packs the halves `b`, digit by digit, for each prime the N residues at the prime's width.
    pub(crate) fn compressed_digits<'k>(&'k self, parameters: &'k Parameters) -> impl Iterator<Item = Vec<u8>> + 'k {
        self.b.iter().map(|digit| {
            let mut bytes = Vec::new();
            for (q, values) in parameters.all_moduli().zip(digit.chunks_exact(self.degree)) {
                pack_polynomial(values, q, &mut bytes);
            }
            bytes
        })
    }

    pub(crate) fn digits(&self) -> usize {
        self.b.len()
    }

    /// The N values of `b` and of `a` of one digit modulo one prime.
    pub(crate) fn halves(&self, digit: usize, prime: usize) -> [&[u64]; 2] {
        let n = self.degree;
        [&self.b, &self.a].map(|half| &half[digit][prime * n..(prime + 1) * n])
    }
}

impl KeyStream<'_> {
    /// The halves `a`: `[digit][prime][N]`.
    fn expand(self, parameters: &Parameters) -> Vec<Vec<u64>> {
        let (n, uniform) = (parameters.degree(), Uniform::new(self.seed));
        (self.first..)
            .take(parameters.max_limbs())
            .map(|index| {
                let mut a = vec![0; parameters.all_transforms().len() * n];
                for (limb, (t, out)) in parameters.all_transforms().iter().zip(a.chunks_exact_mut(n)).enumerate() {
                    uniform.fill(LimbSlots { modulus: t.modulus(), limb, first: 0 }, index, out);
                }
                a
            })
            .collect()
    }
}

/// One digit's `b`; `a` and the result are `[prime][N]`.
fn encrypt_digit(
    parameters: &Parameters,
    secrets: SwitchedSecrets<'_>,
    digit: usize,
    a: &[u64],
    rng: &mut SecretRng,
) -> Vec<u64> {
    let n = parameters.degree();
    let special = parameters.special().map_or(1, |p| parameters.all_transforms()[p].modulus().value());
    let mut error = Zeroizing::new(vec![0_i64; n]);
    rng.add_error(&mut error);
    let mut result = Vec::with_capacity(a.len());
    let from = secrets.from.chunks_exact(n);
    for (prime, ((t, a), from)) in parameters.all_transforms().iter().zip(a.chunks_exact(n)).zip(from).enumerate() {
        let q = t.modulus();
        let mut b: Vec<u64> = error.iter().map(|&e| q.reduce_i64(e)).collect();
        t.forward(&mut b);
        for ((b, &a), &s) in b.iter_mut().zip(a).zip(from) {
            *b = q.sub(*b, q.mul(a, s));
        }
        if prime == digit {
            let p = q.reduce(special);
            for (b, &target) in b.iter_mut().zip(&secrets.target[prime * n..]) {
                *b = q.add(*b, q.mul(p, target));
            }
        }
        result.extend(b);
    }
    result
}
