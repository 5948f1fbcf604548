//! Reconstruction of an integer from its residues modulo several primes.

use crate::ring::modulus::Modulus;

/// Reconstructs the integer of least absolute value with given residues, as the nearest `f64`.
/// Mixed radix (Garner): exact until the last step, for any number of limbs.
#[derive(Debug)]
pub(crate) struct CrtReconstructor {
    moduli: Vec<Modulus>,
    /// `[k][i]`: the product of the first `i` primes modulo prime `k`.
    prefixes: Vec<Vec<u64>>,
    /// For limb `k` the inverse of the earlier primes' product modulo prime `k`.
    inverses: Vec<u64>,
}

impl CrtReconstructor {
    pub(crate) fn new(moduli: impl Iterator<Item = Modulus>) -> Self {
        let moduli: Vec<Modulus> = moduli.collect();
        let (mut prefixes, mut inverses) = (Vec::new(), Vec::new());
        for (k, &q) in moduli.iter().enumerate() {
            let mut product = 1;
            let mut row = Vec::with_capacity(k);
            for p in &moduli[..k] {
                row.push(product);
                product = q.mul(product, q.reduce(p.value()));
            }
            prefixes.push(row);
            inverses.push(q.inverse(product));
        }
        Self { moduli, prefixes, inverses }
    }

    /// The signed integer with these residues, one for each of the first moduli; `digits` is
    /// scratch.
    pub(crate) fn reconstruct(&self, residues: &[u64], digits: &mut Vec<u64>) -> f64 {
        let limbs = residues.len();
        assert!((1..=self.moduli.len()).contains(&limbs), "{limbs} residues of {} moduli", self.moduli.len());
        digits.clear();
        for (k, &r) in residues.iter().enumerate() {
            let q = self.moduli[k];
            let known = digits.iter().zip(&self.prefixes[k]).fold(0, |s, (&d, &p)| q.add(s, q.mul(q.reduce(d), p)));
            digits.push(q.mul(q.sub(r, known), self.inverses[k]));
        }
        // x = d_0 + q_0 (d_1 + q_1 (...)) lies in 0..Q. A negative number -y is Q - y: in mixed
        // radix its complement has digits q_k - 1 - d_k, and y is that plus one. This keeps small
        // negative numbers exact.
        let negative = digits[limbs - 1] > self.moduli[limbs - 1].value() / 2;
        let (mut value, mut weight) = (0.0, 1.0);
        for (&d, q) in digits.iter().zip(&self.moduli) {
            let (digit, radix) = (if negative { q.value() - 1 - d } else { d } as f64, q.value() as f64);
            value += digit * weight;
            weight *= radix;
        }
        if negative { -(value + 1.0) } else { value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::primes::ntt_primes;

    #[test]
    fn reconstruction_is_exact_for_integers_that_f64_holds() {
        let moduli: Vec<Modulus> = ntt_primes(64, 36, 3, &[]).unwrap().into_iter().map(Modulus::new).collect();
        let crt = CrtReconstructor::new(moduli.iter().copied());
        let mut digits = Vec::new();
        for x in [0_i128, 1, -1, 77, -123_456_789_012, 1 << 52, -(1 << 52), 1 << 100, -(1 << 100)] {
            let residues: Vec<u64> = moduli.iter().map(|q| q.reduce_i128(x)).collect();
            assert_eq!(crt.reconstruct(&residues, &mut digits), x as f64, "{x}");
        }
    }
}
