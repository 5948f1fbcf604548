//! Symmetric encryption and decryption of one plaintext at a time: what a client does. Fresh ciphertexts are `(b, a)`
//! with `a` from a public seed, so that only `b` need be sent. Must never reuse a seed's index for two plaintexts.

use zeroize::Zeroizing;

use crate::error::operand;
use crate::ring::encode::CrtReconstructor;
use crate::ring::sample::{PublicSeed, SecretRng, Uniform};
use crate::{Batch, Encoder, Error, Parameters, Result, SecretKey, kernel};

/// Encrypts `slots` (at most N, the rest are zero) at `scale` with `limbs` limbs: returns `b = m + e - a s`, as
/// `[limb][N]` values, where `a` is element `index` of the family of `seed`.
#[expect(clippy::too_many_arguments, reason = "each is a different thing, and a struct would only rename the call")]
pub fn encrypt(
    parameters: &Parameters,
    encoder: &Encoder,
    secret: &SecretKey,
    slots: &[f64],
    scale: f64,
    limbs: usize,
    (seed, index): (&PublicSeed, u64),
    rng: &mut SecretRng,
) -> Result<Vec<u64>> {
    parameters.check_limbs("encrypting", limbs)?;
    let mut message = Zeroizing::new(encoder.encode(slots, scale)?);
    let log_q: f64 = parameters.moduli(limbs).map(|q| f64::from(q.bits()) - 1.0).sum();
    let largest = message.iter().map(|c| c.unsigned_abs()).max().unwrap_or(0);
    if (largest as f64).log2() > log_q - 2.0 {
        return Err(Error::Overflow {
            operation: "encrypting",
            found_bits: (largest as f64).log2() as i32,
            allowed_bits: log_q as i32 - 2,
        });
    }
    rng.add_error(&mut message);
    let n = parameters.degree();
    let mut result = vec![0; limbs * n];
    expand(parameters, seed, index, &mut result);
    for ((i, t), limb) in parameters.transforms(limbs).iter().enumerate().zip(result.chunks_mut(n)) {
        let q = t.modulus();
        let mut values = Zeroizing::new(message.iter().map(|&c| q.reduce_i64(c)).collect::<Vec<_>>());
        t.forward(&mut values);
        for a in limb.iter_mut() {
            *a = q.neg(*a);
        }
        kernel::multiply_add(parameters.kernel(), q, &mut values, limb, secret.values(i));
        limb.copy_from_slice(&values);
    }
    Ok(result)
}

/// The uniform half of fresh ciphertext `index`: fills `out`, `[limb][N]` values for as many limbs as it has room for.
pub fn expand(parameters: &Parameters, seed: &PublicSeed, index: u64, out: &mut [u64]) {
    let n = parameters.degree();
    let uniform = Uniform::new(seed);
    for ((limb, q), out) in parameters.moduli(out.len() / n).enumerate().zip(out.chunks_mut(n)) {
        uniform.fill(q, (index, limb), 0, out);
    }
}

/// Decrypts ciphertext `element`: the N slots, divided by `scale`. Takes two components or, with the square of the
/// key, three.
pub fn decrypt(
    parameters: &Parameters,
    encoder: &Encoder,
    secret: &SecretKey,
    batch: &Batch,
    element: usize,
    scale: f64,
) -> Result<Vec<f64>> {
    let components = batch.components();
    if element >= batch.len() || !(2..=3).contains(&components) {
        return Err(operand(
            "decrypting",
            format!("element {element} of {batch:?}"),
            "an element of 2 or 3 components",
        ));
    }
    batch.expect("decrypting", parameters, components)?;
    let (n, limbs) = (parameters.degree(), batch.limbs());
    let mut message = Zeroizing::new(vec![0; limbs * n]);
    let mut part = vec![0; n];
    for ((i, t), limb) in parameters.transforms(limbs).iter().enumerate().zip(message.chunks_mut(n)) {
        let q = t.modulus();
        // Horner: ((c_2 s) + c_1) s + c_0.
        for component in (0..components).rev() {
            batch.read(element, component, i, &mut part);
            for ((m, &s), &c) in limb.iter_mut().zip(secret.values(i)).zip(&part) {
                *m = q.add(q.mul(*m, s), c);
            }
        }
        t.inverse(limb);
    }
    let crt = CrtReconstructor::new(parameters.moduli(limbs));
    let (mut residues, mut digits) = (vec![0; limbs], Vec::with_capacity(limbs));
    let coefficients = (0..n)
        .map(|j| {
            for (r, limb) in residues.iter_mut().zip(message.chunks(n)) {
                *r = limb.get(j).copied().unwrap_or(0);
            }
            crt.reconstruct(&residues, &mut digits)
        })
        .collect();
    encoder.decode(coefficients, scale)
}
