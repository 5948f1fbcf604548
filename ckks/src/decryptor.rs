//! Decryption of one ciphertext at a time.

use zeroize::Zeroizing;

use crate::error::operand;
use crate::ring::crt::CrtReconstructor;
use crate::{Batch, Encoder, Parameters, Result, SecretKey};

/// Decrypts under one key.
#[derive(Debug)]
pub struct Decryptor<'k> {
    parameters: Parameters,
    encoder: Encoder,
    crt: CrtReconstructor,
    secret: &'k SecretKey,
}

impl<'k> Decryptor<'k> {
    /// Binds a key to the parameters of what it will decrypt.
    ///
    /// # Errors
    /// [`Error::KeyMismatch`](crate::Error::KeyMismatch) when the key belongs to parameters of
    /// another degree or other primes.
    pub fn new(parameters: &Parameters, secret: &'k SecretKey) -> Result<Self> {
        parameters.expect_key("decrypting", secret.parameters())?;
        let crt = CrtReconstructor::new(parameters.moduli(parameters.max_limbs()));
        Ok(Self { parameters: parameters.clone(), encoder: Encoder::new(parameters.degree()), crt, secret })
    }

    /// Decrypts ciphertext `element`, of two components or, with the square of the key, three, and
    /// returns its N slots, divided by `scale`.
    ///
    /// # Errors
    /// When the batch has no such element, or belongs to other parameters.
    pub fn decrypt(&self, batch: &Batch, element: usize, scale: f64) -> Result<Vec<f64>> {
        let components = batch.components();
        if element >= batch.len() || !(2..=3).contains(&components) {
            return Err(operand(
                "decrypting",
                format!("element {element} of {batch:?}"),
                "an element of 2 or 3 components",
            ));
        }
        batch.expect("decrypting", &self.parameters, components)?;
        let (n, limbs) = (self.parameters.degree(), batch.limbs());
        let mut message = Zeroizing::new(vec![0; limbs * n]);
        let mut part = vec![0; n];
        for ((i, t), limb) in self.parameters.transforms(limbs).iter().enumerate().zip(message.chunks_exact_mut(n)) {
            let q = t.modulus();
            // Horner: ((c_2 s) + c_1) s + c_0.
            for component in (0..components).rev() {
                batch.read(element, component, i, &mut part);
                for ((m, &s), &c) in limb.iter_mut().zip(self.secret.values(i)).zip(&part) {
                    *m = q.add(q.mul(*m, s), c);
                }
            }
            t.inverse(limb);
        }
        let (mut residues, mut digits) = (vec![0; limbs], Vec::with_capacity(limbs));
        let coefficients = (0..n)
            .map(|j| {
                for (r, limb) in residues.iter_mut().zip(message.chunks_exact(n)) {
                    *r = limb[j];
                }
                self.crt.reconstruct(&residues, &mut digits)
            })
            .collect();
        Ok(self.encoder.decode(coefficients, scale))
    }
}
