//! Products with matrices of diagonals: each input is decomposed once, rotated by all of its babies
//! modulo one prime after the other, and multiplied by the constants tile by tile.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::diagonal_matrix::DiagonalMatrix;
use super::extended_ring::ExtendedRing;
use super::galois_keys::GaloisKey;
use crate::kernel::{Aligned, PairProduct, TILE};
use crate::{Batch, Result};

/// The terms of a product with the keys of their rotations.
pub(crate) struct DiagonalProduct<'a> {
    ring: ExtendedRing<'a>,
    terms: &'a [(&'a Batch, &'a DiagonalMatrix)],
    /// Of all terms, one after the other.
    inputs: Vec<Input>,
    /// Of all terms, one after the other, as their matrices have them.
    rotated: Vec<RotatedInput<'a>>,
    /// For each term the number of the first of its rotated inputs.
    first_rotated: Vec<usize>,
    /// Ascending by output and giant.
    sums: Vec<Sum<'a>>,
}

/// A ciphertext of a term.
#[derive(Clone, Copy)]
struct Input {
    term: usize,
    element: usize,
    /// Whether it is rotated at all.
    rotates: bool,
}

struct RotatedInput<'a> {
    /// Number among all inputs.
    input: usize,
    /// None when it is not rotated.
    key: Option<&'a GaloisKey>,
}

/// What is added up before it is rotated.
struct Sum<'a> {
    output: usize,
    /// None when it is not rotated.
    key: Option<&'a GaloisKey>,
    /// Term, and number of the sum in its matrix.
    parts: Vec<(usize, usize)>,
}

impl<'a> DiagonalProduct<'a> {
    /// Finds the key of every rotation.
    pub(crate) fn new(
        ring: ExtendedRing<'a>,
        terms: &'a [(&'a Batch, &'a DiagonalMatrix)],
        key: impl Fn(usize) -> Result<&'a GaloisKey>,
    ) -> Result<Self> {
        let key = |rotation: usize| if rotation == 0 { Ok(None) } else { key(rotation).map(Some) };
        let (mut inputs, mut rotated, mut first_rotated) = (Vec::new(), Vec::new(), Vec::new());
        let mut sums: BTreeMap<(u32, usize), Sum<'a>> = BTreeMap::new();
        for (term, (batch, matrix)) in terms.iter().enumerate() {
            let first = inputs.len();
            inputs.extend((0..batch.len()).map(|element| Input { term, element, rotates: false }));
            first_rotated.push(rotated.len());
            for &(element, baby) in matrix.rotated() {
                let input = first + element as usize;
                let key = key(baby)?;
                inputs[input].rotates |= key.is_some();
                rotated.push(RotatedInput { input, key });
            }
            for (number, sum) in matrix.sums().iter().enumerate() {
                let (output, key) = (sum.output as usize, key(sum.giant)?);
                let entry = sums.entry((sum.output, sum.giant));
                entry.or_insert_with(|| Sum { output, key, parts: Vec::new() }).parts.push((term, number));
            }
        }
        Ok(Self { ring, terms, inputs, rotated, first_rotated, sums: sums.into_values().collect() })
    }

    /// The sums modulo QP, not yet rotated: `[prime][tile][sum][2][TILE]`.
    pub(crate) fn sums(&self) -> Vec<u64> {
        let n = self.ring.parameters.degree();
        let mut sums = vec![0; self.ring.words() * 2 * self.sums.len()];
        let digits: Vec<Vec<u64>> = self.inputs.par_iter().map(|input| self.digits(*input)).collect();
        let mut extended = vec![0; self.inputs.len() * self.ring.limbs * n];
        let mut scaled = vec![0; self.inputs.len() * 2 * n];
        let mut rotated = vec![0; self.rotated.len() * 2 * n];
        let of_primes = sums.chunks_exact_mut(n * 2 * self.sums.len());
        for ((number, prime), sums) in self.ring.primes().enumerate().zip(of_primes) {
            self.extend_digits(prime, &digits, &mut extended);
            self.scale_inputs(prime, &mut scaled);
            self.rotate_inputs(prime, &extended, &scaled, &mut rotated);
            self.multiply(number, prime, &rotated, sums);
        }
        sums
    }

    /// The digits of an input's second component; nothing when it is not rotated.
    fn digits(&self, input: Input) -> Vec<u64> {
        if !input.rotates {
            return Vec::new();
        }
        let n = self.ring.parameters.degree();
        let mut values = vec![0; self.ring.limbs * n];
        for (limb, values) in values.chunks_exact_mut(n).enumerate() {
            self.terms[input.term].0.read(input.element, 1, limb, values);
        }
        self.ring.digits(&values)
    }

    /// The values of all digits modulo one prime: `[input][limb][N]`.
    fn extend_digits(&self, prime: usize, digits: &[Vec<u64>], extended: &mut [u64]) {
        let (n, limbs) = (self.ring.parameters.degree(), self.ring.limbs);
        extended.par_chunks_exact_mut(n).enumerate().for_each(|(i, out)| {
            let (number, digit) = (i / limbs, i % limbs);
            let input = self.inputs[number];
            if !input.rotates {
                return;
            }
            if digit == prime {
                self.terms[input.term].0.read(input.element, 1, prime, out);
            } else {
                self.ring.extend(digit, prime, &digits[number][digit * n..(digit + 1) * n], &[], out);
            }
        });
    }

    /// `P x` modulo one prime: `[input][2][N]`.
    fn scale_inputs(&self, prime: usize, scaled: &mut [u64]) {
        let n = self.ring.parameters.degree();
        scaled.par_chunks_exact_mut(n).enumerate().for_each(|(i, out)| {
            let input = self.inputs[i / 2];
            if prime < self.ring.limbs {
                self.terms[input.term].0.read(input.element, i % 2, prime, out);
            }
            self.ring.scale(prime, out);
        });
    }

    /// All rotated inputs modulo one prime: `[rotated][2][N]`.
    fn rotate_inputs(&self, prime: usize, extended: &[u64], scaled: &[u64], rotated: &mut [u64]) {
        let (n, digits) = (self.ring.parameters.degree(), self.ring.limbs * self.ring.parameters.degree());
        rotated.par_chunks_exact_mut(2 * n).zip(&self.rotated).for_each_init(
            || [Aligned::zeros(n), Aligned::zeros(n)],
            |space, (out, rotated)| {
                let input = rotated.input;
                let scaled = &scaled[input * 2 * n..(input + 1) * 2 * n];
                let Some(key) = rotated.key else {
                    return out.copy_from_slice(scaled);
                };
                let [first, second] = space.each_mut().map(Aligned::words_mut);
                first.copy_from_slice(&scaled[..n]);
                second.fill(0);
                let extended = &extended[input * digits..(input + 1) * digits];
                let (out0, out1) = out.split_at_mut(n);
                self.ring.switch_and_rotate(key, prime, extended, [first, second], [out0, out1]);
            },
        );
    }

    /// All products modulo one prime, the `number`-th: `[tile][sum][2][TILE]`.
    fn multiply(&self, number: usize, prime: usize, rotated: &[u64], sums: &mut [u64]) {
        let parameters = self.ring.parameters;
        let (n, q) = (parameters.degree(), parameters.all_transforms()[prime].modulus());
        sums.par_chunks_exact_mut(self.sums.len() * 2 * TILE).enumerate().for_each_init(
            || Aligned::zeros(self.rotated.len() * 2 * TILE),
            |space, (tile, sums)| {
                let space = space.words_mut();
                for (to, from) in space.chunks_exact_mut(TILE).zip(rotated.chunks_exact(n)) {
                    to.copy_from_slice(&from[tile * TILE..(tile + 1) * TILE]);
                }
                let pairs = space.as_chunks::<{ 2 * TILE }>().0;
                for (sum, out) in self.sums.iter().zip(sums.chunks_exact_mut(2 * TILE)) {
                    let (first, second) = out.split_at_mut(TILE);
                    first.fill(0);
                    second.fill(0);
                    for &(term, part) in &sum.parts {
                        let (matrix, pairs) = (self.terms[term].1, &pairs[self.first_rotated[term]..]);
                        let diagonals = matrix.sums()[part].diagonals.clone();
                        let factors = &matrix.tile(number, tile).as_chunks::<TILE>().0[diagonals.clone()];
                        let products: Vec<PairProduct<'_>> = factors
                            .iter()
                            .zip(&matrix.columns()[diagonals])
                            .map(|(factor, &column)| {
                                let (first, second) = pairs[column as usize].split_at(TILE);
                                PairProduct { factor, values: [first, second] }
                            })
                            .collect();
                        parameters.kernel().add_products(q, &products, [first, second]);
                    }
                }
            },
        );
    }

    /// Rotates the sums of one output by their giant steps and adds them up: `[2][prime][N]` modulo
    /// QP, written to `pair`. `rotated` is scratch of the same size.
    pub(crate) fn finish(&self, sums: &[u64], output: usize, pair: &mut [u64], rotated: &mut [u64]) {
        pair.fill(0);
        for (number, sum) in self.sums.iter().enumerate().filter(|(_, sum)| sum.output == output) {
            self.read(sums, number, rotated);
            if let Some(key) = sum.key {
                self.ring.divide(&mut rotated[self.ring.words()..]);
                self.ring.rotate(key, rotated);
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
