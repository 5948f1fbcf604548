//! A switching key: for each digit an encryption of `P target` in the digit's limbs under another
//! secret, where P is the product of the special primes. Evaluation keys and Galois keys consist of
//! them.

use std::ops::Range;

use zeroize::Zeroizing;

use crate::error::operand;
use crate::kernel::TILE;
use crate::kernel::bit_packing::{Packer, Unpacker, pack_polynomial, tile_bytes, unpack_polynomial};
use crate::ring::modulus::Modulus;
use crate::ring::sample::{LimbSlots, PublicSeed, SecretRng, Uniform};
use crate::{Parameters, Result};

/// Digits `(b, a)` with `b = e - a from + P target`, the last in the digit's limbs only: for
/// polynomials of at most so many limbs, as it is modulo their primes and the special ones alone.
/// Holds no secret.
pub(crate) struct SwitchingKey {
    degree: usize,
    limbs: usize,
    /// The numbers of the special primes.
    special: Range<usize>,
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
    /// Makes a key for the first `limbs` limbs.
    pub(crate) fn generate(
        parameters: &Parameters,
        limbs: usize,
        secrets: SwitchedSecrets<'_>,
        stream: KeyStream<'_>,
        rng: &mut SecretRng,
    ) -> Self {
        let a = stream.expand(parameters, limbs);
        let digits = parameters.digits(limbs).zip(&a);
        let b = digits.map(|(digit, a)| encrypt_digit(parameters, limbs, secrets, digit, a, rng)).collect();
        Self { degree: parameters.degree(), limbs, special: parameters.special(), b, a }
    }

    /// Reads a key for so many limbs from exactly the digits that [`Self::compressed_digits`]
    /// returned.
    ///
    /// # Errors
    /// When the bytes hold what is not below its prime.
    pub(crate) fn from_compressed(
        operation: &'static str,
        parameters: &Parameters,
        limbs: usize,
        stream: KeyStream<'_>,
        bytes: &[u8],
    ) -> Result<Self> {
        assert_eq!(bytes.len(), Self::compressed_len(parameters, limbs), "bytes of a switching key");
        let n = parameters.degree();
        let unpackers: Vec<_> = moduli(parameters, limbs).map(|q| Unpacker::new(parameters.kernel(), q)).collect();
        let mut b = vec![vec![0; unpackers.len() * n]; parameters.digits(limbs).len()];
        let (mut rest, mut canonical) = (bytes, true);
        for digit in &mut b {
            for ((q, unpacker), values) in moduli(parameters, limbs).zip(&unpackers).zip(digit.chunks_exact_mut(n)) {
                let (front, tail) = rest.split_at(n / TILE * tile_bytes(q));
                canonical &= unpack_polynomial(front, unpacker, values);
                rest = tail;
            }
        }
        if !canonical {
            return Err(operand(operation, "a residue that is not below its prime", "canonical residues"));
        }
        Ok(Self { degree: n, limbs, special: parameters.special(), b, a: stream.expand(parameters, limbs) })
    }

    /// Bytes of all compressed digits of a key for so many limbs.
    pub(crate) fn compressed_len(parameters: &Parameters, limbs: usize) -> usize {
        let digit: usize = moduli(parameters, limbs).map(|q| parameters.degree() / TILE * tile_bytes(q)).sum();
        parameters.digits(limbs).len() * digit
    }

    /// Packs the halves `b`, digit by digit, for each prime the N residues at the prime's width.
    pub(crate) fn compressed_digits<'k>(&'k self, parameters: &'k Parameters) -> impl Iterator<Item = Vec<u8>> + 'k {
        self.b.iter().map(|digit| {
            let mut bytes = Vec::new();
            for (q, values) in moduli(parameters, self.limbs).zip(digit.chunks_exact(self.degree)) {
                pack_polynomial(values, &Packer::new(parameters.kernel(), q), &mut bytes);
            }
            bytes
        })
    }

    pub(crate) fn digits(&self) -> usize {
        self.b.len()
    }

    /// The N values of `b` and of `a` of one digit modulo one prime, numbered as the parameters'
    /// are: one of the key's limbs, or a special prime, which come after all limbs.
    pub(crate) fn halves(&self, digit: usize, prime: usize) -> [&[u64]; 2] {
        let (n, limbs) = (self.degree, self.limbs);
        assert!(prime < limbs || self.special.contains(&prime), "prime {prime} of a key of {limbs} limbs");
        // The special primes come after the limbs that the key has.
        let stored = if prime < limbs { prime } else { limbs + prime - self.special.start };
        [&self.b, &self.a].map(|half| &half[digit][stored * n..(stored + 1) * n])
    }
}

fn moduli(parameters: &Parameters, limbs: usize) -> impl Iterator<Item = Modulus> + '_ {
    parameters.switching_primes(limbs).map(|prime| parameters.all_transforms()[prime].modulus())
}

impl KeyStream<'_> {
    /// The halves `a` of a key for so many limbs: `[digit][prime][N]`.
    fn expand(self, parameters: &Parameters, limbs: usize) -> Vec<Vec<u64>> {
        let (n, uniform) = (parameters.degree(), Uniform::new(self.seed));
        let primes = parameters.switching_primes(limbs);
        (self.first..)
            .take(parameters.digits(limbs).len())
            .map(|index| {
                let mut a = vec![0; primes.clone().count() * n];
                for (limb, out) in primes.clone().zip(a.chunks_exact_mut(n)) {
                    let modulus = parameters.all_transforms()[limb].modulus();
                    uniform.fill(LimbSlots { modulus, limb, first: 0 }, index, out);
                }
                a
            })
            .collect()
    }
}

/// One digit's `b`; `a` and the result are `[prime][N]`, of the primes that the key has.
fn encrypt_digit(
    parameters: &Parameters,
    limbs: usize,
    secrets: SwitchedSecrets<'_>,
    digit: Range<usize>,
    a: &[u64],
    rng: &mut SecretRng,
) -> Vec<u64> {
    let n = parameters.degree();
    let mut error = Zeroizing::new(vec![0_i64; n]);
    rng.add_error(&mut error);
    let mut result = Vec::with_capacity(a.len());
    for (prime, a) in parameters.switching_primes(limbs).zip(a.chunks_exact(n)) {
        let t = &parameters.all_transforms()[prime];
        let (q, from) = (t.modulus(), &secrets.from[prime * n..(prime + 1) * n]);
        let mut b: Vec<u64> = error.iter().map(|&e| q.reduce_i64(e)).collect();
        t.forward(&mut b);
        for ((b, &a), &s) in b.iter_mut().zip(a).zip(from) {
            *b = q.sub(*b, q.mul(a, s));
        }
        if digit.contains(&prime) {
            let p = parameters.special_product(prime);
            for (b, &target) in b.iter_mut().zip(&secrets.target[prime * n..]) {
                *b = q.add(*b, q.mul_factor(target, p));
            }
        }
        result.extend(b);
    }
    result
}
