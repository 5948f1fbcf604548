//! Products with matrices of diagonals. What is not rotated is multiplied as it is stored, tile by
//! tile, and the sums of that by P. Every other input is decomposed once, rotated by all of its
//! babies modulo one prime after the other, and multiplied in the same way.

use std::collections::BTreeMap;
use std::ops::Range;

use rayon::prelude::*;

use super::diagonal_matrix::DiagonalMatrix;
use super::galois_keys::GaloisKey;
use super::rotation_steps::RotationSpace;
use super::word_pool::{WordPool, Words};
use crate::compressed_batch::not_canonical;
use crate::kernel::{TILE, TileProducts};
use crate::pointwise::InputBatch;
use crate::switching_ring::SwitchingRing;
use crate::{Batch, Result};

/// Words of rotated inputs that are held at the same time, about: 32 MiB.
pub const HELD_WORDS: usize = 1 << 22;

/// The terms of a product with the keys of their rotations.
pub(crate) struct DiagonalProduct<'a> {
    ring: &'a SwitchingRing<'a>,
    pool: &'a WordPool,
    terms: &'a [(InputBatch<'a>, &'a DiagonalMatrix)],
    /// Ciphertexts that are rotated, of all terms, one after the other.
    inputs: Vec<Input<'a>>,
    /// Of all terms, one after the other, as their matrices have them.
    rotated: Vec<RotatedInput<'a>>,
    /// Ascending by output and giant.
    sums: Vec<Sum<'a>>,
    /// All products with what is not rotated.
    direct: Vec<Part>,
    chunks: Vec<Chunk>,
}

/// A ciphertext of a term.
#[derive(Clone, Copy)]
struct Input<'a> {
    batch: &'a Batch,
    element: usize,
}

struct RotatedInput<'a> {
    /// Number among all inputs.
    input: usize,
    baby: usize,
    key: &'a GaloisKey,
}

/// What is added up before it is rotated.
struct Sum<'a> {
    output: usize,
    /// None when it is not rotated.
    key: Option<&'a GaloisKey>,
}

/// Inputs whose rotations are held at the same time.
struct Chunk {
    inputs: Range<usize>,
    rotated: Range<usize>,
    /// All products with them.
    parts: Vec<Part>,
}

/// The diagonals of one matrix that belong to one sum.
#[derive(Clone)]
struct Part {
    sum: usize,
    term: usize,
    /// Number of the first rotated input of the term.
    first: usize,
    diagonals: Range<usize>,
}

impl<'a> DiagonalProduct<'a> {
    /// Finds the key of every rotation. Rotated inputs are held `held` words at a time.
    ///
    /// # Panics
    /// When something of compressed ciphertexts is rotated.
    pub(crate) fn new(
        (ring, pool): (&'a SwitchingRing<'a>, &'a WordPool),
        terms: &'a [(InputBatch<'a>, &'a DiagonalMatrix)],
        held: usize,
        key: impl Fn(usize) -> Result<&'a GaloisKey>,
    ) -> Result<Self> {
        let (mut inputs, mut rotated): (Vec<Input<'_>>, Vec<RotatedInput<'_>>) = (Vec::new(), Vec::new());
        let (mut direct, mut parts) = (Vec::new(), Vec::new());
        let mut sums: BTreeMap<(u32, usize), Sum<'a>> = BTreeMap::new();
        for (term, &(input, matrix)) in terms.iter().enumerate() {
            let (first, mut last) = (rotated.len(), None);
            for &(element, baby) in matrix.rotated() {
                let InputBatch::Stored(batch) = input else { unreachable!("a rotation of what is compressed") };
                if last.replace(element) != Some(element) {
                    inputs.push(Input { batch, element: element as usize });
                }
                rotated.push(RotatedInput { input: inputs.len() - 1, baby, key: key(baby)? });
            }
            for sum in matrix.sums() {
                let (output, number) = (sum.output as usize, (sum.output, sum.giant));
                let giant = if sum.giant == 0 { None } else { Some(key(sum.giant)?) };
                sums.insert(number, Sum { output, key: giant });
                let part =
                    |diagonals: &Range<usize>| (number, Part { sum: 0, term, first, diagonals: diagonals.clone() });
                direct.push(part(&sum.direct));
                parts.push(part(&sum.rotated));
            }
        }
        let numbers: Vec<(u32, usize)> = sums.keys().copied().collect();
        let numbered = |(number, part)| Part { sum: numbers.partition_point(|n| *n < number), ..part };
        let [direct, parts] = [direct, parts].map(|parts| {
            let parts = parts.into_iter().filter(|(_, part): &(_, Part)| !part.diagonals.is_empty());
            parts.map(numbered).collect::<Vec<Part>>()
        });
        let sums = sums.into_values().collect();
        let mut product = Self { ring, pool, terms, inputs, rotated, sums, direct, chunks: Vec::new() };
        product.chunks = product.chunks(&parts, held);
        Ok(product)
    }

    /// Whole inputs, as many as `held` words allow, and at least one.
    fn chunks(&self, parts: &[Part], held: usize) -> Vec<Chunk> {
        let most = held / (2 * self.ring.parameters.degree());
        let mut chunks: Vec<Chunk> = Vec::new();
        for (number, rotated) in self.rotated.iter().enumerate() {
            match chunks.last_mut() {
                Some(chunk) if chunk.inputs.end > rotated.input || chunk.rotated.len() < most => {
                    chunk.inputs.end = rotated.input + 1;
                    chunk.rotated.end = number + 1;
                }
                _ => chunks.push(Chunk {
                    inputs: rotated.input..rotated.input + 1,
                    rotated: number..number + 1,
                    parts: Vec::new(),
                }),
            }
        }
        for chunk in &mut chunks {
            chunk.parts = parts.iter().filter_map(|part| self.within(part, &chunk.rotated)).collect();
        }
        chunks
    }

    /// The diagonals of a part that multiply these rotated inputs, if any.
    fn within(&self, part: &Part, rotated: &Range<usize>) -> Option<Part> {
        // Ascending within a sum.
        let columns = &self.terms[part.term].1.columns()[part.diagonals.clone()];
        let before = |end: usize| columns.partition_point(|&column| part.first + (column as usize) < end);
        let start = part.diagonals.start;
        let diagonals = start + before(rotated.start)..start + before(rotated.end);
        (!diagonals.is_empty()).then(|| Part { diagonals, ..part.clone() })
    }

    /// The sums modulo QP, not yet rotated: `[prime][tile][sum][2][TILE]`.
    ///
    /// # Errors
    /// When a residue of compressed ciphertexts is not below its prime.
    pub(crate) fn sums(&self) -> Result<Words<'a>> {
        let (n, pool) = (self.ring.parameters.degree(), self.pool);
        let prepared = self.prepared();
        let largest = |of: fn(&Chunk) -> usize| self.chunks.iter().map(of).fold(0, usize::max);
        let (inputs, rotated) = (largest(|c| c.inputs.len()), largest(|c| c.rotated.len()));
        let mut extended = pool.words(inputs * self.ring.digits.count() * n);
        let mut scaled = pool.words(inputs * 2 * n);
        let mut rotated = pool.words(rotated * 2 * n);
        let mut sums = pool.words(self.ring.words() * 2 * self.sums.len());
        let of_primes = sums.chunks_exact_mut(n * 2 * self.sums.len());
        for ((number, &prime), sums) in self.ring.primes.iter().enumerate().zip(of_primes) {
            self.multiply_direct((number, prime), sums)?;
            for chunk in &self.chunks {
                self.extend_digits(chunk, prime, &prepared, &mut extended);
                self.scale_inputs(chunk, prime, &mut scaled);
                self.rotate_inputs(chunk, prime, [&extended, &scaled], &mut rotated);
                self.multiply(chunk, (number, prime), &rotated, sums);
            }
        }
        Ok(sums)
    }

    /// Writes the sums of what is not rotated, multiplied by P: `[tile][sum][2][TILE]`.
    fn multiply_direct(&self, (number, prime): (usize, usize), sums: &mut [u64]) -> Result<()> {
        let parameters = self.ring.parameters;
        let (tiles, q) = (parameters.degree() / TILE, parameters.all_transforms()[prime].modulus());
        let largest = self.terms.iter().map(|&(input, _)| words_to_unpack(input)).fold(0, usize::max);
        let canonical = sums.par_chunks_exact_mut(self.sums.len() * 2 * TILE).enumerate().all(|(tile, sums)| {
            // What the memory holds is nothing to add to.
            sums.fill(0);
            if self.direct.is_empty() || prime >= self.ring.limbs {
                return true;
            }
            let mut space = self.pool.words(largest);
            let all = sums.as_chunks_mut::<{ 2 * TILE }>().0;
            for of_term in self.direct.chunk_by(|a, b| a.term == b.term) {
                let (input, matrix) = self.terms[of_term[0].term];
                let Some(pairs) = block(input, prime * tiles + tile, &mut space) else { return false };
                for part in of_term {
                    let (constants, width) = matrix.tile(number, tile, &part.diagonals);
                    let columns = &matrix.columns()[part.diagonals.clone()];
                    let products = TileProducts { constants, width, columns, first: 0, pairs };
                    parameters.kernel().add_tile_products(q, products, &mut all[part.sum]);
                }
            }
            self.ring.scale(prime, sums);
            true
        });
        if canonical { Ok(()) } else { Err(not_canonical()) }
    }

    /// What the digits of every input's second component are extended from, `[input][limb][N]`.
    fn prepared(&self) -> Words<'a> {
        let n = self.ring.parameters.degree();
        let mut prepared = self.pool.words(self.inputs.len() * self.ring.limbs * n);
        prepared.par_chunks_exact_mut(self.ring.limbs * n).zip(&self.inputs).for_each(|(prepared, input)| {
            for (limb, values) in prepared.chunks_exact_mut(n).enumerate() {
                input.batch.read(input.element, 1, limb, values);
            }
            self.ring.prepare(prepared, self.pool);
        });
        prepared
    }

    /// The values of all digits modulo one prime: `[input][digit][N]`.
    fn extend_digits(&self, chunk: &Chunk, prime: usize, prepared: &[u64], extended: &mut [u64]) {
        let (n, digits) = (self.ring.parameters.degree(), &self.ring.digits);
        let used = chunk.inputs.len() * digits.count() * n;
        extended[..used].par_chunks_exact_mut(n).enumerate().for_each(|(i, out)| {
            let (number, digit) = (chunk.inputs.start + i / digits.count(), i % digits.count());
            if digits.has_limb(digit, prime) {
                let input = self.inputs[number];
                input.batch.read(input.element, 1, prime, out);
            } else {
                let words = self.ring.limbs * n;
                digits.extend(digit, prime, &prepared[number * words..(number + 1) * words], out);
            }
        });
    }

    /// `P x` modulo one prime, of the first components: `[input][N]`.
    fn scale_inputs(&self, chunk: &Chunk, prime: usize, scaled: &mut [u64]) {
        let n = self.ring.parameters.degree();
        scaled[..chunk.inputs.len() * n].par_chunks_exact_mut(n).enumerate().for_each(|(i, out)| {
            let input = self.inputs[chunk.inputs.start + i];
            if prime < self.ring.limbs {
                input.batch.read(input.element, 0, prime, out);
            }
            self.ring.scale(prime, out);
        });
    }

    /// All rotated inputs modulo one prime: `[rotated][2][N]`.
    fn rotate_inputs(&self, chunk: &Chunk, prime: usize, [extended, scaled]: [&[u64]; 2], rotated: &mut [u64]) {
        let (n, count) = (self.ring.parameters.degree(), self.ring.digits.count());
        let out = rotated[..chunk.rotated.len() * 2 * n].chunks_exact_mut(2 * n);
        let mut tasks: Vec<_> = out.zip(&self.rotated[chunk.rotated.clone()]).collect();
        // Keys are larger than what they multiply: each is read once for all inputs.
        tasks.sort_by_key(|(_, rotated)| rotated.baby);
        tasks.into_par_iter().for_each(|(out, rotated)| {
            let input = rotated.input - chunk.inputs.start;
            let mut space = self.pool.words(2 * n);
            let (first, second) = space.split_at_mut(n);
            first.copy_from_slice(&scaled[input * n..(input + 1) * n]);
            second.fill(0);
            let extended = &extended[input * count * n..(input + 1) * count * n];
            let (out0, out1) = out.split_at_mut(n);
            self.ring.switch_and_rotate(rotated.key, prime, extended, [first, second], [out0, out1]);
        });
    }

    /// Adds all products modulo one prime, which has this number among those that take part:
    /// `[tile][sum][2][TILE]`.
    fn multiply(&self, chunk: &Chunk, (number, prime): (usize, usize), rotated: &[u64], sums: &mut [u64]) {
        let parameters = self.ring.parameters;
        let (n, q) = (parameters.degree(), parameters.all_transforms()[prime].modulus());
        let rotated = &rotated[..chunk.rotated.len() * 2 * n];
        sums.par_chunks_exact_mut(self.sums.len() * 2 * TILE).enumerate().for_each(|(tile, sums)| {
            let mut space = self.pool.words(chunk.rotated.len() * 2 * TILE);
            for (to, from) in space.chunks_exact_mut(TILE).zip(rotated.chunks_exact(n)) {
                to.copy_from_slice(&from[tile * TILE..(tile + 1) * TILE]);
            }
            let pairs = space.as_chunks::<{ 2 * TILE }>().0;
            let sums = sums.as_chunks_mut::<{ 2 * TILE }>().0;
            for part in &chunk.parts {
                let matrix = self.terms[part.term].1;
                let (constants, width) = matrix.tile(number, tile, &part.diagonals);
                let columns = &matrix.columns()[part.diagonals.clone()];
                let first = part.first.wrapping_sub(chunk.rotated.start);
                let products = TileProducts { constants, width, columns, first, pairs };
                parameters.kernel().add_tile_products(q, products, &mut sums[part.sum]);
            }
        });
    }

    /// Rotates the sums of one output by their giant steps and adds them up: `[2][prime][N]` modulo
    /// QP, written to `pair`. `rotated` is scratch of the same size.
    pub(crate) fn finish(
        &self,
        sums: &[u64],
        output: usize,
        [pair, rotated]: [&mut [u64]; 2],
        space: &mut RotationSpace<'_>,
    ) {
        pair.fill(0);
        for (number, sum) in self.sums.iter().enumerate().filter(|(_, sum)| sum.output == output) {
            self.read(sums, number, rotated);
            if let Some(key) = sum.key {
                self.ring.divide(&mut rotated[self.ring.words()..], space.polynomial());
                self.ring.rotate(key, rotated, space);
            }
            self.ring.add(pair, rotated);
        }
    }

    /// Copies a sum: `[2][prime][N]`.
    fn read(&self, sums: &[u64], number: usize, out: &mut [u64]) {
        let block = self.sums.len() * 2 * TILE;
        for (component, polynomial) in out.chunks_exact_mut(self.ring.words()).enumerate() {
            let start = (number * 2 + component) * TILE;
            for (to, from) in polynomial.chunks_exact_mut(TILE).zip(sums.chunks_exact(block)) {
                to.copy_from_slice(&from[start..start + TILE]);
            }
        }
    }
}

/// Words that [`block`] unpacks.
fn words_to_unpack(input: InputBatch<'_>) -> usize {
    match input {
        InputBatch::Stored(_) => 0,
        InputBatch::Compressed(compressed) => compressed.len() * compressed.components() * TILE,
    }
}

/// The tile number `block`, counted through the limbs, of all ciphertexts; none when a residue is
/// not below its prime. What is compressed is unpacked to `space`.
fn block<'s>(input: InputBatch<'s>, block: usize, space: &'s mut [u64]) -> Option<&'s [[u64; 2 * TILE]]> {
    match input {
        InputBatch::Stored(batch) => Some(batch.block(block).as_chunks().0),
        InputBatch::Compressed(compressed) => {
            let out = &mut space[..words_to_unpack(input)];
            let canonical = compressed.read(block, None, out);
            canonical.then_some(out.as_chunks().0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rotation::{Diagonal, DiagonalShape, GaloisKeys, KeyedRotation};
    use crate::testing::{N, parameters, random};
    use crate::{SecretKey, SecretRng};

    #[test]
    fn inputs_a_few_at_a_time_give_the_same_sums() {
        for special in 0..=3 {
            let p = parameters(special);
            let mut rng = SecretRng::insecure(3, "test");
            let secret = SecretKey::generate(&p, &mut rng);
            let keys = GaloisKeys::generate(&secret, &KeyedRotation::of_all_limbs(&p, &[1, 2, 8]), &mut rng).unwrap();
            let matrix = |babies: &[usize]| {
                let mut diagonals = Vec::new();
                for (input, output, giant) in [(0, 0, 0), (2, 0, 8), (2, 1, 0), (1, 1, 8), (0, 1, 8)] {
                    diagonals.extend(babies.iter().map(|&baby| Diagonal { output, giant, input, baby }));
                }
                let shape = DiagonalShape { limbs: 2, inputs: 3, outputs: 2, period: N };
                DiagonalMatrix::new(&p, shape, &diagonals, |d, out| {
                    (0..).zip(out).for_each(|(i, v): (i32, _)| *v = f64::from(i * i % 97) * 1000.0 + d as f64);
                })
                .unwrap()
            };
            let (x, matrices) = (random(&p, 2, 2), [matrix(&[0, 1, 2]), matrix(&[1]), matrix(&[0])]);
            let terms = matrices.each_ref().map(|m| (InputBatch::Stored(&x), m));
            let (ring, pool) = (&SwitchingRing::new(&p, 2), WordPool::default());
            let sums = |held| {
                let product = DiagonalProduct::new((ring, &pool), &terms, held, |slots| {
                    keys.key("test", KeyedRotation { slots, limbs: 2 })
                })
                .unwrap();
                (product.chunks.len(), product.sums().unwrap().to_vec())
            };
            let (chunks, expected) = sums(HELD_WORDS);
            assert_eq!(chunks, 1);
            for (words, chunks) in [(0, 6), (4 * N, 5), (16 * N, 2)] {
                let (found, sums) = sums(words);
                assert!(sums == expected && found == chunks, "{words} words in {found} chunks");
            }
        }
    }
}
