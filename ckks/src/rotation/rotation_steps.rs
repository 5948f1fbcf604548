//! Rotations modulo QP: keys are switched and values permuted, prime by prime, and what was added
//! up is divided by P in the end.

use rayon::prelude::*;

use super::galois_keys::GaloisKey;
use super::word_pool::{WordPool, Words};
use crate::kernel::PairProduct;
use crate::switching_ring::SwitchingRing;

/// What rotating one ciphertext needs.
pub(crate) struct RotationSpace<'p> {
    pool: &'p WordPool,
    /// A polynomial modulo Q: `[limb][N]`.
    prepared: Words<'p>,
    /// `[prime][digit][N]`.
    extended: Words<'p>,
    /// `[prime][2][N]`.
    sums: Words<'p>,
}

impl<'p> RotationSpace<'p> {
    pub(crate) fn new(ring: &SwitchingRing<'_>, pool: &'p WordPool) -> Self {
        Self {
            pool,
            prepared: pool.words(ring.limbs * ring.parameters.degree()),
            extended: pool.words(ring.digits.count() * ring.words()),
            sums: pool.words(2 * ring.words()),
        }
    }

    /// Scratch of a polynomial modulo Q.
    pub(crate) fn polynomial(&mut self) -> &mut [u64] {
        &mut self.prepared
    }
}

impl SwitchingRing<'_> {
    /// Divides a polynomial modulo QP by P, with rounding: its first limbs are the result.
    /// `scratch` is memory of a polynomial modulo Q.
    pub(crate) fn divide(&self, polynomial: &mut [u64], scratch: &mut [u64]) {
        let n = self.parameters.degree();
        let (rest, remainder) = polynomial.split_at_mut(self.limbs * n);
        self.division.prepare(remainder, &mut scratch[..n]);
        let remainder = &*remainder;
        let limbs = rest.par_chunks_exact_mut(n).zip(scratch.par_chunks_exact_mut(n)).enumerate();
        limbs.for_each(|(limb, (values, scratch))| self.division.divide_limb(limb, values, remainder, scratch));
    }

    /// Turns the values of a polynomial modulo Q, `[limb][N]`, into what its digits are extended
    /// from.
    pub(crate) fn prepare(&self, values: &mut [u64], pool: &WordPool) {
        self.digits.split(values).into_par_iter().enumerate().for_each(|(digit, values)| {
            self.digits.prepare(digit, values, &mut pool.words(self.parameters.degree()));
        });
    }

    /// Switches keys of digits modulo one prime and rotates: adds the products of `[digit][N]`
    /// extended digits with the key to `sums`, and writes the rotated sums to `pair`, N values
    /// each.
    pub(crate) fn switch_and_rotate(
        &self,
        key: &GaloisKey,
        prime: usize,
        extended: &[u64],
        sums: [&mut [u64]; 2],
        pair: [&mut [u64]; 2],
    ) {
        let n = self.parameters.degree();
        let [first, second] = sums;
        let digits = extended.chunks_exact(n).enumerate();
        let terms: Vec<PairProduct<'_>> =
            digits.map(|(digit, factor)| PairProduct { factor, values: key.key.halves(digit, prime) }).collect();
        self.parameters.kernel().add_products(self.modulus(prime), &terms, [first, second]);
        for (sum, out) in [first, second].into_iter().zip(pair) {
            self.parameters.kernel().permute(key.permutation(prime), sum, out);
        }
    }

    /// Rotates a ciphertext, `[2][prime][N]`: the first component is modulo QP and stays so; of the
    /// second one only the limbs count, which are modulo Q, and afterwards it is modulo QP, too.
    pub(crate) fn rotate(&self, key: &GaloisKey, pair: &mut [u64], space: &mut RotationSpace<'_>) {
        let (n, count, words) = (self.parameters.degree(), self.digits.count(), self.limbs * self.parameters.degree());
        let (first, second) = pair.split_at_mut(self.words());
        let RotationSpace { pool, prepared, extended, sums } = space;
        prepared.copy_from_slice(&second[..words]);
        self.prepare(prepared, pool);
        let (prepared, values) = (&**prepared, &*second);
        extended.par_chunks_exact_mut(n).enumerate().for_each(|(i, out)| {
            let (prime, digit) = (self.primes[i / count], i % count);
            if self.digits.has_limb(digit, prime) {
                out.copy_from_slice(&values[prime * n..(prime + 1) * n]);
            } else {
                self.digits.extend(digit, prime, prepared, out);
            }
        });
        let polynomials = first.par_chunks_exact_mut(n).zip(second.par_chunks_exact_mut(n));
        let spaces = extended.par_chunks_exact(count * n).zip(sums.par_chunks_exact_mut(2 * n));
        polynomials.zip(spaces).zip(&self.primes).for_each(|(((first, second), (extended, sums)), &prime)| {
            let (sum0, sum1) = sums.split_at_mut(n);
            sum0.copy_from_slice(first);
            sum1.fill(0);
            self.switch_and_rotate(key, prime, extended, [sum0, sum1], [first, second]);
        });
    }

    /// `sums += x`, `[component][prime][N]`.
    pub(crate) fn add(&self, sums: &mut [u64], x: &[u64]) {
        let n = self.parameters.degree();
        let polynomials = sums.chunks_exact_mut(n).zip(x.chunks_exact(n));
        for (&prime, (sums, x)) in self.primes.iter().cycle().zip(polynomials) {
            let q = self.modulus(prime);
            for (s, &x) in sums.iter_mut().zip(x) {
                *s = q.add(*s, x);
            }
        }
    }
}
