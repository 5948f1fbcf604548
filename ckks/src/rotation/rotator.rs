//! Rotates ciphertexts, and multiplies them by matrices of diagonals.

use rayon::prelude::*;

use super::diagonal_matrix::DiagonalMatrix;
use super::diagonal_product::{DiagonalProduct, HELD};
use super::extended_ring::{ExtendedRing, RotationSpace};
use super::galois_keys::{GaloisKey, GaloisKeys};
use super::order::rotation_order;
use crate::batch::BatchShape;
use crate::error::operand;
use crate::{Batch, Encoder, Error, Parameters, Result};

const MULTIPLYING: &str = "multiplying by diagonals";

/// Rotates with one set of Galois keys.
#[derive(Debug)]
pub struct Rotator<'k> {
    parameters: Parameters,
    keys: &'k GaloisKeys,
}

impl<'k> Rotator<'k> {
    /// Binds keys to the parameters of what they will rotate.
    ///
    /// # Errors
    /// [`Error::KeyMismatch`] when the keys belong to parameters of another degree or other primes.
    pub fn new(parameters: &Parameters, keys: &'k GaloisKeys) -> Result<Self> {
        parameters.expect_key("rotating", keys.parameters())?;
        Ok(Self { parameters: parameters.clone(), keys })
    }

    /// Rotates the slots of every ciphertext to the left: position p of the rotation order then
    /// holds what position p + `rotation` held, modulo N. Adds the noise that
    /// [`noise::rotate`](crate::noise::rotate) says.
    ///
    /// # Errors [`Error::MissingGaloisKey`] when there is no key for the rotation, and when the
    /// batch has not two components or belongs to other parameters.
    pub fn rotate(&self, batch: &Batch, rotation: usize) -> Result<Batch> {
        batch.expect("rotating", &self.parameters, 2)?;
        let key = self.keys.key("rotating", rotation)?;
        let (n, limbs) = (self.parameters.degree(), batch.limbs());
        let ring = ExtendedRing { parameters: &self.parameters, limbs };
        let shape = BatchShape { limbs, components: 2, len: batch.len() };
        Batch::build_with(
            &self.parameters,
            shape,
            || OutputSpace::new(ring),
            |space, element, out| {
                let OutputSpace { pair, space, .. } = space;
                for (component, polynomial) in pair.chunks_exact_mut(ring.words()).enumerate() {
                    for (limb, values) in polynomial.chunks_exact_mut(n).take(limbs).enumerate() {
                        batch.read(element, component, limb, values);
                    }
                }
                for (prime, values) in ring.primes().zip(pair.chunks_exact_mut(n)) {
                    ring.scale(prime, values);
                }
                ring.rotate(key, pair, space);
                divide_to(ring, pair, space, out);
                Ok(())
            },
        )
    }

    /// Multiplies batches by matrices and adds the products up, then adds to the sums, for each
    /// fold f in turn, what they are after a rotation by f, and adds the bias in the end. Two
    /// components and as many limbs as before, with one ciphertext for each vector of `bias`: N
    /// slots in rotation order, in integer units of the result. Adds the noise that
    /// [`noise::multiply`](crate::noise::multiply) says.
    ///
    /// Each input is decomposed once for all of its rotations, which is called hoisting (Halevi and
    /// Shoup 2018), and rotated inputs, their products and sums are kept modulo QP.
    ///
    /// # Errors
    /// [`Error::MissingGaloisKey`] when a baby, a giant or a fold has no key; when there is no term
    /// or a term does not fit the others, its matrix, these parameters or the bias; and when a bias
    /// is not finite or too large for the modulus.
    pub fn multiply(&self, terms: &[(&Batch, &DiagonalMatrix)], bias: &[Vec<f64>], folds: &[usize]) -> Result<Batch> {
        let ring = self.check_terms(terms, bias)?;
        let folds: Vec<&GaloisKey> =
            folds.iter().map(|&fold| self.keys.key(MULTIPLYING, fold)).collect::<Result<_>>()?;
        let product = DiagonalProduct::new(ring, terms, HELD, |rotation| self.keys.key(MULTIPLYING, rotation))?;
        let biases = self.encode_biases(ring, bias)?;
        let sums = product.sums();
        let n = self.parameters.degree();
        let shape = BatchShape { limbs: ring.limbs, components: 2, len: bias.len() };
        let workspace = || OutputSpace::new(ring);
        Batch::build_with(&self.parameters, shape, workspace, |space, output, out| {
            let OutputSpace { pair, rotated, space } = space;
            product.finish(&sums, output, [pair, rotated], space);
            for key in &folds {
                rotated.copy_from_slice(pair);
                ring.divide(&mut rotated[ring.words()..], space.polynomial());
                ring.rotate(key, rotated, space);
                ring.add(pair, rotated);
            }
            divide_to(ring, pair, space, out);
            let first = out.par_chunks_exact_mut(n).zip(self.parameters.transforms(ring.limbs));
            first.for_each(|(values, t)| {
                let q = t.modulus();
                let mut bias: Vec<u64> = biases[output].iter().map(|&c| q.reduce_i128(c)).collect();
                t.forward(&mut bias);
                for (v, b) in values.iter_mut().zip(bias) {
                    *v = q.add(*v, b);
                }
            });
            Ok(())
        })
    }

    /// Refuses terms that do not fit each other and the bias.
    fn check_terms(&self, terms: &[(&Batch, &DiagonalMatrix)], bias: &[Vec<f64>]) -> Result<ExtendedRing<'_>> {
        let Some((_, first)) = terms.first() else {
            return Err(operand(MULTIPLYING, "no term", "at least one"));
        };
        let limbs = first.shape().limbs;
        for (batch, matrix) in terms {
            batch.expect(MULTIPLYING, &self.parameters, 2)?;
            let (shape, ring) = (matrix.shape(), self.parameters.ring());
            if matrix.parameters().ring() != ring {
                return Err(operand(
                    MULTIPLYING,
                    format!("a matrix for {}", matrix.parameters().ring()),
                    ring.to_string(),
                ));
            }
            if (batch.limbs(), shape.limbs) != (limbs, limbs) {
                let found = format!("a batch of {} limbs and a matrix for {}", batch.limbs(), shape.limbs);
                return Err(operand(MULTIPLYING, found, format!("{limbs} limbs as in the first matrix")));
            }
            if (batch.len(), bias.len()) != (shape.inputs, shape.outputs) {
                let found = format!("{} ciphertexts and {} biases for {shape:?}", batch.len(), bias.len());
                return Err(operand(MULTIPLYING, found, "a ciphertext for each input and a bias for each output"));
            }
        }
        let n = self.parameters.degree();
        if let Some(bias) = bias.iter().find(|bias| bias.len() != n) {
            return Err(Error::Slots { operation: MULTIPLYING, found: bias.len(), expected: n });
        }
        Ok(ExtendedRing { parameters: &self.parameters, limbs })
    }

    /// The coefficients of each bias.
    fn encode_biases(&self, ring: ExtendedRing<'_>, bias: &[Vec<f64>]) -> Result<Vec<Vec<i128>>> {
        let n = self.parameters.degree();
        let (encoder, order) = (Encoder::new(n), rotation_order(n));
        let log_q: f64 = self.parameters.moduli(ring.limbs).map(|q| (q.value() as f64).log2()).sum();
        // A quarter of the modulus, and what 128 bits hold.
        let bits = (log_q - 2.0).clamp(0.0, 126.0) as i32;
        let encode = |bias: &Vec<f64>| {
            let mut slots = vec![0.0; n];
            for (&slot, &value) in order.iter().zip(bias) {
                slots[slot as usize] = value;
            }
            encoder.encode_wide(&slots, bits)
        };
        bias.par_iter().map(encode).collect()
    }
}

/// What one ciphertext of a result needs.
struct OutputSpace {
    /// Modulo QP: `[2][prime][N]`.
    pair: Vec<u64>,
    /// Of the same size.
    rotated: Vec<u64>,
    space: RotationSpace,
}

impl OutputSpace {
    fn new(ring: ExtendedRing<'_>) -> Self {
        let pair = || vec![0; 2 * ring.words()];
        Self { pair: pair(), rotated: pair(), space: RotationSpace::new(ring) }
    }
}

/// Divides both components, `[2][prime][N]`, by P and copies their limbs to `out`.
fn divide_to(ring: ExtendedRing<'_>, pair: &mut [u64], space: &mut RotationSpace, out: &mut [u64]) {
    let limbs = out.len() / 2;
    for (polynomial, out) in pair.chunks_exact_mut(ring.words()).zip(out.chunks_exact_mut(limbs)) {
        ring.divide(polynomial, space.polynomial());
        out.copy_from_slice(&polynomial[..limbs]);
    }
}
