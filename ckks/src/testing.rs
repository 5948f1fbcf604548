//! Small parameters and random batches for the tests of this crate.

use std::ops::Range;

use rand::{RngExt, SeedableRng};

use crate::primes::ntt_primes;
use crate::{Batch, Parameters, ParametersLiteral};

/// The degree of all these parameters.
pub(crate) const N: usize = 64;

/// Three primes of 25 bits, and so many special ones of 30.
pub(crate) fn parameters(special: usize) -> Parameters {
    let moduli = ntt_primes(N, 25, 3, &[]).unwrap();
    let special = ntt_primes(N, 30, special, &moduli).unwrap();
    Parameters::without_security(ParametersLiteral { degree: N, moduli, special, security: 128 }).unwrap()
}

/// As many primes, all of them others.
pub(crate) fn other_primes() -> Parameters {
    let moduli = ntt_primes(N, 26, 3, &[]).unwrap();
    Parameters::without_security(ParametersLiteral { degree: N, moduli, special: vec![], security: 128 }).unwrap()
}

/// Three ciphertexts of random residues.
pub(crate) fn random(p: &Parameters, limbs: usize, components: usize) -> Batch {
    Batch::build(p, limbs, components, 3, |element, out| {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(element as u64);
        for (i, limb) in out.chunks_mut(N).enumerate() {
            let q = p.moduli(limbs).nth(i % limbs).unwrap().value();
            limb.fill_with(|| rng.random_range(0..q));
        }
        Ok(())
    })
    .unwrap()
}

/// The integer of least absolute value with these residues of some limbs: Chinese remainders in 128
/// bits.
pub(crate) fn integer(p: &Parameters, limbs: Range<usize>, residue: impl Fn(usize) -> u64) -> i128 {
    let modulus = |limb: usize| p.all_transforms()[limb].modulus();
    let product: i128 = limbs.clone().map(|limb| i128::from(modulus(limb).value())).product();
    let term = |limb: usize| {
        let q = modulus(limb);
        let rest = product / i128::from(q.value());
        rest * i128::from(q.mul(residue(limb), q.inverse(q.reduce_i128(rest))))
    };
    let sum = limbs.map(term).sum::<i128>() % product;
    if sum > product / 2 { sum - product } else { sum }
}
