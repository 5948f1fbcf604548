//! Integers by their digits to the base of several primes (Garner 1959, "The Residue Number
//! System"): `x = d_last + p_last (d_before + p_before (... d_first))`, where each digit is of
//! least absolute value, and so is then x. From these it is reached exactly modulo any other prime.

use crate::Parameters;
use crate::kernel::{BaseChange, BaseTerm};

/// The primes that polynomials are converted from.
#[derive(Debug, Clone)]
pub(super) struct MixedRadix<'p> {
    parameters: &'p Parameters,
    /// Numbers among all primes; at least one.
    primes: Vec<usize>,
}

impl<'p> MixedRadix<'p> {
    pub(super) fn new(parameters: &'p Parameters, primes: Vec<usize>) -> Self {
        assert!(!primes.is_empty(), "no prime to convert from");
        Self { parameters, primes }
    }

    pub(super) fn primes(&self) -> &[usize] {
        &self.primes
    }

    /// Turns a polynomial's values, `[prime][N]`, into digits of its coefficients. `scratch` is
    /// memory of N words.
    pub(super) fn digits(&self, values: &mut [u64], scratch: &mut [u64]) {
        let (n, kernel) = (self.parameters.degree(), self.parameters.kernel());
        let transforms = self.parameters.all_transforms();
        assert_eq!(values.len(), self.primes.len() * n, "values of a polynomial of {} primes", self.primes.len());
        for (&prime, values) in self.primes.iter().zip(values.chunks_exact_mut(n)) {
            transforms[prime].inverse(values);
        }
        for number in (1..self.primes.len()).rev() {
            let (below, digits) = values.split_at_mut(number * n);
            let from = self.primes[number];
            for (&to, residues) in self.primes.iter().zip(below.chunks_exact_mut(n)) {
                kernel.base_extend(self.change(from, to), &digits[..n], scratch);
                let inverse = self.parameters.residue(from, to).inverse;
                kernel.mod_down_step(transforms[to].modulus(), residues, scratch, inverse);
            }
        }
    }

    /// Writes the values modulo another prime of what has these digits.
    pub(super) fn extend(&self, digits: &[u64], prime: usize, out: &mut [u64]) {
        let (n, kernel) = (self.parameters.degree(), self.parameters.kernel());
        let t = &self.parameters.all_transforms()[prime];
        if let [one] = *self.primes {
            kernel.base_extend(self.change(one, prime), digits, out);
        } else {
            let mut terms = Vec::with_capacity(self.primes.len());
            let mut factor = 1;
            for (&from, residues) in self.primes.iter().zip(digits.chunks_exact(n)).rev() {
                terms.push(BaseTerm { from: self.parameters.all_transforms()[from].modulus(), factor, residues });
                factor = t.modulus().mul(factor, self.parameters.residue(from, prime).value.value());
            }
            kernel.base_combine(t.modulus(), &terms, out);
        }
        t.forward(out);
    }

    fn change(&self, from: usize, to: usize) -> BaseChange {
        let [from, to] = [from, to].map(|prime| self.parameters.all_transforms()[prime].modulus());
        BaseChange { from, to }
    }
}
