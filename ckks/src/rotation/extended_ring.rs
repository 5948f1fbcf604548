//! Switching keys modulo QP, the product of all moduli and the special prime: what is added up is
//! divided by P once at the end (Bossuat, Mouchet, Troncoso-Pastoriza, Hubaux 2021, "Efficient
//! Bootstrapping for Approximate Homomorphic Encryption with Non-sparse Keys"). Without a special
//! prime the same is done modulo Q, with P = 1.

use rayon::prelude::*;

use super::galois_keys::GaloisKey;
use super::word_pool::{WordPool, Words};
use crate::Parameters;
use crate::kernel::{BaseChange, PairProduct};

/// The limbs of a ciphertext, and the special prime if there is one and keys are switched.
#[derive(Clone, Copy)]
pub(crate) struct ExtendedRing<'p> {
    pub(crate) parameters: &'p Parameters,
    pub(crate) limbs: usize,
    /// The number of P; none where all is done modulo Q.
    pub(crate) special: Option<usize>,
}

/// What rotating one ciphertext needs.
pub(crate) struct RotationSpace<'p> {
    /// A polynomial modulo Q: `[limb][N]`.
    digits: Words<'p>,
    /// `[prime][limb][N]`.
    extended: Words<'p>,
    /// `[prime][2][N]`.
    sums: Words<'p>,
}

impl<'p> RotationSpace<'p> {
    pub(crate) fn new(ring: ExtendedRing<'_>, pool: &'p WordPool) -> Self {
        Self {
            digits: pool.words(ring.limbs * ring.parameters.degree()),
            extended: pool.words(ring.limbs * ring.words()),
            sums: pool.words(2 * ring.words()),
        }
    }

    /// Scratch of a polynomial modulo Q.
    pub(crate) fn polynomial(&mut self) -> &mut [u64] {
        &mut self.digits
    }
}

impl<'p> ExtendedRing<'p> {
    /// That in which keys are switched.
    pub(crate) fn new(parameters: &'p Parameters, limbs: usize) -> Self {
        Self { parameters, limbs, special: parameters.special() }
    }

    /// Numbers of its primes, the special one last.
    pub(crate) fn primes(self) -> impl Iterator<Item = usize> + Clone {
        (0..self.limbs).chain(self.special)
    }

    /// Words of one polynomial modulo QP.
    pub(crate) fn words(self) -> usize {
        self.primes().count() * self.parameters.degree()
    }

    /// Writes `P x` modulo one prime, N values.
    pub(crate) fn scale(self, prime: usize, x: &mut [u64]) {
        match self.special {
            Some(special) if special == prime => x.fill(0),
            Some(special) => {
                let (q, p) =
                    (self.parameters.all_transforms()[prime].modulus(), self.parameters.residue(special, prime));
                for x in x {
                    *x = q.mul_factor(*x, p.value);
                }
            }
            None => {}
        }
    }

    /// Divides a polynomial modulo QP by P, with rounding: its first limbs are the result.
    /// `extended` is scratch of a polynomial modulo Q.
    pub(crate) fn divide(self, polynomial: &mut [u64], extended: &mut [u64]) {
        let Some(special) = self.special else { return };
        let (n, kernel) = (self.parameters.degree(), self.parameters.kernel());
        let transforms = self.parameters.all_transforms();
        let (rest, last) = polynomial.split_at_mut(self.limbs * n);
        transforms[special].inverse(last);
        let last = &*last;
        let limbs = rest.par_chunks_exact_mut(n).zip(extended.par_chunks_exact_mut(n)).enumerate();
        limbs.for_each(|(limb, (values, extended))| {
            let (p, t) = (transforms[special].modulus(), &transforms[limb]);
            kernel.base_extend(BaseChange { from: p, to: t.modulus() }, last, extended);
            t.forward(extended);
            kernel.mod_down_step(t.modulus(), values, extended, self.parameters.residue(special, limb).inverse);
        });
    }

    /// Turns the values of a polynomial modulo Q, `[limb][N]`, into its digits: for each limb N
    /// coefficients modulo the limb's prime.
    pub(crate) fn decompose(self, values: &mut [u64]) {
        let n = self.parameters.degree();
        values.par_chunks_exact_mut(n).zip(self.parameters.transforms(self.limbs)).for_each(|(d, t)| t.inverse(d));
    }

    /// The values of one digit, from its coefficients, modulo another prime than its limb's.
    pub(crate) fn extend(self, digit: usize, prime: usize, coefficients: &[u64], out: &mut [u64]) {
        let transforms = self.parameters.all_transforms();
        let change = BaseChange { from: transforms[digit].modulus(), to: transforms[prime].modulus() };
        self.parameters.kernel().base_extend(change, coefficients, out);
        transforms[prime].forward(out);
    }

    /// Switches keys of digits modulo one prime and rotates: adds the products of `[limb][N]`
    /// extended digits with the key to `sums`, and writes the rotated sums to `pair`, N values
    /// each.
    pub(crate) fn switch_and_rotate(
        self,
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
        let q = self.parameters.all_transforms()[prime].modulus();
        self.parameters.kernel().add_products(q, &terms, [first, second]);
        for (sum, out) in [first, second].into_iter().zip(pair) {
            self.parameters.kernel().permute(key.permutation(prime), sum, out);
        }
    }

    /// Rotates a ciphertext, `[2][prime][N]`: the first component is modulo QP and stays so; of the
    /// second one only the limbs count, which are modulo Q, and afterwards it is modulo QP, too.
    pub(crate) fn rotate(self, key: &GaloisKey, pair: &mut [u64], space: &mut RotationSpace<'_>) {
        let (n, words) = (self.parameters.degree(), self.limbs * self.parameters.degree());
        let (first, second) = pair.split_at_mut(self.words());
        let RotationSpace { digits, extended, sums } = space;
        digits.copy_from_slice(&second[..words]);
        self.decompose(digits);
        let (digits, values, primes) = (&**digits, &*second, self.primes().collect::<Vec<_>>());
        extended.par_chunks_exact_mut(n).enumerate().for_each(|(i, out)| {
            let (prime, digit) = (primes[i / self.limbs], i % self.limbs);
            let range = digit * n..(digit + 1) * n;
            if digit == prime {
                out.copy_from_slice(&values[range]);
            } else {
                self.extend(digit, prime, &digits[range], out);
            }
        });
        let polynomials = first.par_chunks_exact_mut(n).zip(second.par_chunks_exact_mut(n));
        let spaces = extended.par_chunks_exact(words).zip(sums.par_chunks_exact_mut(2 * n));
        polynomials.zip(spaces).zip(primes).for_each(|(((first, second), (extended, sums)), prime)| {
            let (sum0, sum1) = sums.split_at_mut(n);
            sum0.copy_from_slice(first);
            sum1.fill(0);
            self.switch_and_rotate(key, prime, extended, [sum0, sum1], [first, second]);
        });
    }

    /// `sums += x`, `[component][prime][N]`.
    pub(crate) fn add(self, sums: &mut [u64], x: &[u64]) {
        let n = self.parameters.degree();
        let polynomials = sums.chunks_exact_mut(n).zip(x.chunks_exact(n));
        for (prime, (sums, x)) in self.primes().cycle().zip(polynomials) {
            let q = self.parameters.all_transforms()[prime].modulus();
            for (s, &x) in sums.iter_mut().zip(x) {
                *s = q.add(*s, x);
            }
        }
    }
}
