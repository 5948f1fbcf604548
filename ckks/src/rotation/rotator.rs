//! Rotates ciphertexts, and multiplies them by matrices of diagonals.

use rayon::prelude::*;

use super::diagonal_matrix::DiagonalMatrix;
use super::diagonal_product::{DiagonalProduct, HELD_WORDS};
use super::galois_keys::{GaloisKey, GaloisKeys, KeyedRotation};
use super::order::rotation_order;
use super::rotation_steps::RotationSpace;
use super::word_pool::{RotationMemory, WordPool};
use crate::batch::BatchShape;
use crate::error::operand;
use crate::pointwise::InputBatch;
use crate::switching_ring::SwitchingRing;
use crate::{Batch, Encoder, Error, Parameters, Result};

const MULTIPLYING: &str = "multiplying by diagonals";

/// Rotates with one set of Galois keys. Keeps the memory of the largest product for the next one,
/// until dropped.
#[derive(Debug)]
pub struct Rotator<'k> {
    parameters: Parameters,
    keys: &'k GaloisKeys,
    memory: RotationMemory,
}

impl<'k> Rotator<'k> {
    /// Binds keys to the parameters of what they will rotate.
    ///
    /// # Errors
    /// [`Error::KeyMismatch`] when the keys belong to parameters of another degree or other primes.
    pub fn new(parameters: &Parameters, keys: &'k GaloisKeys) -> Result<Self> {
        Self::with_memory(parameters, keys, RotationMemory::default())
    }

    /// Binds keys as [`Self::new`] does, to work in memory that earlier ones left.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_memory(parameters: &Parameters, keys: &'k GaloisKeys, memory: RotationMemory) -> Result<Self> {
        parameters.expect_key("rotating", keys.parameters())?;
        Ok(Self { parameters: parameters.clone(), keys, memory })
    }

    /// Rotates the slots of every ciphertext to the left: position p of the rotation order then
    /// holds what position p + `rotation` held, modulo N. Adds the noise that
    /// [`noise::rotate`](crate::noise::rotate) says.
    ///
    /// # Errors
    /// [`Error::MissingGaloisKey`] when there is no key for the rotation, and when the
    /// batch has not two components or belongs to other parameters.
    pub fn rotate(&self, batch: &Batch, rotation: usize) -> Result<Batch> {
        batch.expect("rotating", &self.parameters, 2)?;
        let key = self.keys.key("rotating", KeyedRotation { slots: rotation, limbs: batch.limbs() })?;
        let (n, limbs) = (self.parameters.degree(), batch.limbs());
        let ring = SwitchingRing::new(&self.parameters, limbs);
        let shape = BatchShape { limbs, components: 2, len: batch.len() };
        let mut flats = self.pool().words(shape.flat_words(&self.parameters));
        Batch::unset(&self.parameters, shape)?.fill(&mut flats, |element, out| {
            let (mut pair, mut space) = (self.pool().words(2 * ring.words()), RotationSpace::new(&ring, self.pool()));
            for (component, polynomial) in pair.chunks_exact_mut(ring.words()).enumerate() {
                for (limb, values) in polynomial.chunks_exact_mut(n).take(limbs).enumerate() {
                    batch.read(element, component, limb, values);
                }
            }
            for (&prime, values) in ring.primes.iter().zip(pair.chunks_exact_mut(n)) {
                ring.scale(prime, values);
            }
            ring.rotate(key, &mut pair, &mut space);
            divide_to(&ring, &mut pair, &mut space, out);
            Ok(())
        })
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
    /// or a term does not fit the others, its matrix, these parameters or the bias; when a bias is
    /// not finite or too large for the modulus; and when compressed ciphertexts are damaged.
    pub fn multiply(
        &self,
        terms: &[(InputBatch<'_>, &DiagonalMatrix)],
        bias: &[Vec<f64>],
        folds: &[usize],
    ) -> Result<Batch> {
        let limbs = self.check_terms(terms, bias)?;
        // What is compressed and rotated is unpacked as a whole.
        let expanded: Vec<Option<Batch>> =
            terms.iter().map(|(input, matrix)| expanded(*input, matrix)).collect::<Result<_>>()?;
        let mut stored: Vec<(InputBatch<'_>, &DiagonalMatrix)> = Vec::with_capacity(terms.len());
        for (&(input, matrix), expanded) in terms.iter().zip(&expanded) {
            stored.push((expanded.as_ref().map_or(input, InputBatch::Stored), matrix));
        }
        let terms = stored;
        // Without a rotation all is done modulo Q.
        let rotates = !folds.is_empty() || terms.iter().any(|(_, matrix)| !matrix.rotations().is_empty());
        let of = if rotates { SwitchingRing::new } else { SwitchingRing::without_special };
        let ring = of(&self.parameters, limbs);
        let key = |slots: usize| self.keys.key(MULTIPLYING, KeyedRotation { slots, limbs: ring.limbs });
        let folds: Vec<&GaloisKey> = folds.iter().map(|&fold| key(fold)).collect::<Result<_>>()?;
        let product = DiagonalProduct::new((&ring, self.pool()), &terms, HELD_WORDS, key)?;
        let biases = encode_biases(&self.parameters, ring.limbs, bias)?;
        let sums = product.sums()?;
        let n = self.parameters.degree();
        let shape = BatchShape { limbs: ring.limbs, components: 2, len: bias.len() };
        let mut flats = self.pool().words(shape.flat_words(&self.parameters));
        Batch::unset(&self.parameters, shape)?.fill(&mut flats, |output, out| {
            let [mut pair, mut rotated] = [(); 2].map(|()| self.pool().words(2 * ring.words()));
            let mut space = RotationSpace::new(&ring, self.pool());
            product.finish(&sums, output, [&mut pair, &mut rotated], &mut space);
            for key in &folds {
                rotated.copy_from_slice(&pair);
                ring.divide(&mut rotated[ring.words()..], space.polynomial());
                ring.rotate(key, &mut rotated, &mut space);
                ring.add(&mut pair, &rotated);
            }
            divide_to(&ring, &mut pair, &mut space, out);
            let first = out.par_chunks_exact_mut(n).zip(self.parameters.transforms(ring.limbs));
            first.for_each(|(values, t)| {
                let q = t.modulus();
                let mut bias = q.reduce_all(&biases[output]);
                t.forward(&mut bias);
                for (v, b) in values.iter_mut().zip(bias) {
                    *v = q.add(*v, b);
                }
            });
            Ok(())
        })
    }

    fn pool(&self) -> &WordPool {
        &self.memory.0
    }

    /// Refuses terms that do not fit each other and the bias; returns their limbs.
    fn check_terms(&self, terms: &[(InputBatch<'_>, &DiagonalMatrix)], bias: &[Vec<f64>]) -> Result<usize> {
        let Some((_, first)) = terms.first() else {
            return Err(operand(MULTIPLYING, "no term", "at least one"));
        };
        let limbs = first.shape().limbs;
        for (batch, matrix) in terms {
            let (found, len) = self.check_input(*batch)?;
            let (shape, ring) = (matrix.shape(), self.parameters.ring());
            if matrix.parameters().ring() != ring {
                return Err(operand(
                    MULTIPLYING,
                    format!("a matrix for {}", matrix.parameters().ring()),
                    ring.to_string(),
                ));
            }
            if (found, shape.limbs) != (limbs, limbs) {
                let found = format!("a batch of {found} limbs and a matrix for {}", shape.limbs);
                return Err(operand(MULTIPLYING, found, format!("{limbs} limbs as in the first matrix")));
            }
            if (len, bias.len()) != (shape.inputs, shape.outputs) {
                let found = format!("{len} ciphertexts and {} biases for {shape:?}", bias.len());
                return Err(operand(MULTIPLYING, found, "a ciphertext for each input and a bias for each output"));
            }
        }
        let n = self.parameters.degree();
        if let Some(bias) = bias.iter().find(|bias| bias.len() != n) {
            return Err(Error::Slots { operation: MULTIPLYING, found: bias.len(), expected: n });
        }
        Ok(limbs)
    }

    /// Limbs and ciphertexts of what is multiplied, if it has two components of this ring.
    fn check_input(&self, input: InputBatch<'_>) -> Result<(usize, usize)> {
        match input {
            InputBatch::Stored(batch) => {
                batch.expect(MULTIPLYING, &self.parameters, 2)?;
                Ok((batch.limbs(), batch.len()))
            }
            InputBatch::Compressed(compressed) => {
                compressed.expect(MULTIPLYING, &self.parameters)?;
                if compressed.components() != 2 {
                    return Err(operand(MULTIPLYING, format!("{compressed:?}"), "two components"));
                }
                Ok((compressed.limbs(), compressed.len()))
            }
        }
    }
}

/// Returns the values of each bias of [`Rotator::multiply`], `[limb][bias][N]`, as they are added.
///
/// # Errors
/// When a bias has not N slots, is not finite or is too large for the modulus.
pub fn bias_values(parameters: &Parameters, limbs: usize, bias: &[Vec<f64>]) -> Result<Vec<u64>> {
    let n = parameters.degree();
    if let Some(bias) = bias.iter().find(|bias| bias.len() != n) {
        return Err(Error::Slots { operation: MULTIPLYING, found: bias.len(), expected: n });
    }
    let biases = encode_biases(parameters, limbs, bias)?;
    let mut values = Vec::with_capacity(limbs * bias.len() * n);
    for t in parameters.transforms(limbs) {
        for bias in &biases {
            let mut bias = t.modulus().reduce_all(bias);
            t.forward(&mut bias);
            values.extend(bias);
        }
    }
    Ok(values)
}

/// The coefficients of each bias.
fn encode_biases(parameters: &Parameters, limbs: usize, bias: &[Vec<f64>]) -> Result<Vec<Vec<i128>>> {
    let n = parameters.degree();
    let (encoder, order) = (Encoder::new(n), rotation_order(n));
    let log_q: f64 = parameters.moduli(limbs).map(|q| (q.value() as f64).log2()).sum();
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

/// What is compressed, in memory, where some of it is rotated.
fn expanded(input: InputBatch<'_>, matrix: &DiagonalMatrix) -> Result<Option<Batch>> {
    match input {
        InputBatch::Compressed(compressed) if !matrix.rotated().is_empty() => compressed.expand().map(Some),
        InputBatch::Compressed(_) | InputBatch::Stored(_) => Ok(None),
    }
}

/// Divides both components, `[2][prime][N]`, by P and copies their limbs to `out`.
fn divide_to(ring: &SwitchingRing<'_>, pair: &mut [u64], space: &mut RotationSpace<'_>, out: &mut [u64]) {
    let limbs = out.len() / 2;
    for (polynomial, out) in pair.chunks_exact_mut(ring.words()).zip(out.chunks_exact_mut(limbs)) {
        ring.divide(polynomial, space.polynomial());
        out.copy_from_slice(&polynomial[..limbs]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rotation::{Diagonal, DiagonalShape};
    use crate::testing::{N, parameters, random};
    use crate::{CompressedBatch, CompressedShape, SecretKey, SecretRng, compress_batch};

    #[test]
    fn a_product_uses_the_memory_of_the_one_before() {
        let p = parameters(1);
        let mut rng = SecretRng::insecure(3, "test");
        let secret = SecretKey::generate(&p, &mut rng);
        let keys = GaloisKeys::generate(&secret, &KeyedRotation::of_all_limbs(&p, &[1, 2, 3, 4, 8, 12, 16]), &mut rng)
            .unwrap();
        let mut diagonals = Vec::new();
        for (output, giant) in [0, 1].into_iter().flat_map(|output| [0, 4, 8, 12, 16].map(|giant| (output, giant))) {
            for input in 0..3 {
                diagonals.extend((0..4).map(|baby| Diagonal { output, giant, input, baby }));
            }
        }
        let shape = DiagonalShape { limbs: 3, inputs: 3, outputs: 2, period: N };
        let matrix = DiagonalMatrix::new(&p, shape, &diagonals, |_, out| out.fill(1.0)).unwrap();
        assert_eq!(matrix.bytes(), DiagonalMatrix::bytes_of(&p, shape, diagonals.len()));
        let rotator = Rotator::new(&p, &keys).unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let run = || {
            rotator.multiply(&[(InputBatch::Stored(&random(&p, 3, 2)), &matrix)], &[vec![0.0; N], vec![0.0; N]], &[])
        };
        pool.install(run).unwrap();
        let kept = rotator.pool().len();
        pool.install(run).unwrap();
        assert_eq!(rotator.pool().len(), kept, "the same memory again");
    }

    /// What a client sent, whether it is unpacked tile by tile or as a whole; damage is found.
    #[test]
    fn compressed_ciphertexts_are_multiplied_as_stored_ones_are() {
        let p = parameters(1);
        let mut rng = SecretRng::insecure(3, "test");
        let secret = SecretKey::generate(&p, &mut rng);
        let keys = GaloisKeys::generate(&secret, &KeyedRotation::of_all_limbs(&p, &[1, 16]), &mut rng).unwrap();
        let rotator = Rotator::new(&p, &keys).unwrap();
        let x = random(&p, 3, 2);
        let len = x.len();
        let (bytes, zero) = (compress_batch(&p, &x).unwrap(), vec![vec![0.0; N]; 2]);
        let compressed = CompressedShape { limbs: 3, len, components: 2, seed: None };
        let shape = DiagonalShape { limbs: 3, inputs: len, outputs: 2, period: N };
        for (baby, giant) in [(0, 0), (0, 16), (1, 0)] {
            let diagonals: Vec<Diagonal> = (0..2)
                .flat_map(|output| (0..len as u32).map(move |input| Diagonal { output, giant, input, baby }))
                .collect();
            let matrix = DiagonalMatrix::new(&p, shape, &diagonals, |d, out| out.fill(d as f64 * 1e3)).unwrap();
            let expected = rotator.multiply(&[(InputBatch::Stored(&x), &matrix)], &zero, &[]).unwrap();
            let of = |bytes: &[u8]| {
                let packed = CompressedBatch::new(&p, compressed, bytes).unwrap();
                rotator.multiply(&[(InputBatch::Compressed(&packed), &matrix)], &zero, &[])
            };
            assert_eq!(of(&bytes).unwrap(), expected, "baby {baby}, giant {giant}");
            let damaged = of(&vec![0xff; bytes.len()]).unwrap_err().to_string();
            assert!(damaged.contains("not below its prime"), "{damaged}");
        }
    }
}
