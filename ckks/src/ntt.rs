//! The number-theoretic transform of the conjugate-invariant ring: a fold, a twist, and the negacyclic transform of
//! `tfhe-ntt`, which only this file names. Must never hand out residues that are not canonical.
//!
//! An element is `a_0 + sum_{j=1}^{N-1} a_j (X^j + X^-j)` with `X^2N = -1`. Let `z` be a primitive 4N-th root of unity
//! modulo q and `i = z^N`. Then `h_j = (a_j - i a_(N-j)) z^-j` (and `h_0 = a_0`) is a polynomial modulo `Y^N + 1`
//! whose transform holds the values of the element at the odd powers of a root, where products are pointwise.
//! (Kim and Song 2018, "Approximate Homomorphic Encryption over the Conjugate-invariant Ring"; the inverse is
//! `a_j = (h_j z^j - h_(N-j) z^-j) / 2`.)

use tfhe_ntt::prime64::Plan;

use crate::modulus::{Factor, Modulus};

/// The transform for one degree and one prime.
pub(crate) struct Transform {
    modulus: Modulus,
    plan: Plan,
    /// `z^-j` and `i z^-j`.
    forward: Vec<(Factor, Factor)>,
    /// `z^j / 2N` and `-z^-j / 2N`; the first is `1 / N` and zero.
    inverse: Vec<(Factor, Factor)>,
}

impl std::fmt::Debug for Transform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Transform(N = {}, q = {})", self.forward.len(), self.modulus.value())
    }
}

impl Transform {
    /// `None` when the prime is not 1 modulo 4N.
    pub(crate) fn try_new(degree: usize, modulus: Modulus) -> Option<Self> {
        let plan = Plan::try_new(degree, modulus.value())?;
        let z = primitive_root(modulus, 4 * degree as u64)?;
        let z_inverse = modulus.inverse(z);
        let i = modulus.pow(z, degree as u64);
        let half = modulus.inverse(modulus.reduce(2 * degree as u64));
        let (mut forward, mut inverse) = (Vec::with_capacity(degree), Vec::with_capacity(degree));
        let (mut power, mut power_inverse) = (1, 1);
        for j in 0..degree {
            let scaled_inverse = modulus.mul(power_inverse, half);
            if j == 0 {
                forward.push((modulus.factor(1), modulus.factor(0)));
                inverse.push((modulus.factor(modulus.add(half, half)), modulus.factor(0)));
            } else {
                forward.push((modulus.factor(power_inverse), modulus.factor(modulus.mul(i, power_inverse))));
                inverse.push((modulus.factor(modulus.mul(power, half)), modulus.factor(modulus.neg(scaled_inverse))));
            }
            power = modulus.mul(power, z);
            power_inverse = modulus.mul(power_inverse, z_inverse);
        }
        Some(Self { modulus, plan, forward, inverse })
    }

    pub(crate) fn modulus(&self) -> Modulus {
        self.modulus
    }

    /// Coefficients to values, in place; both canonical.
    pub(crate) fn forward(&self, a: &mut [u64]) {
        let q = self.modulus;
        twist(a, &self.forward, |x, y, (w, iw)| q.sub(q.mul_factor(x, w), q.mul_factor(y, iw)));
        self.plan.fwd(a);
    }

    /// Values to coefficients, in place; both canonical.
    pub(crate) fn inverse(&self, a: &mut [u64]) {
        let q = self.modulus;
        self.plan.inv(a);
        twist(a, &self.inverse, |x, y, (w, v)| q.add(q.mul_factor(x, w), q.mul_factor(y, v)));
    }
}

/// Replaces each `a_j` by a function of itself and its mirror image `a_(N-j)`.
fn twist(a: &mut [u64], table: &[(Factor, Factor)], f: impl Fn(u64, u64, (Factor, Factor)) -> u64) {
    let Some(((first, a), (w0, table))) = a.split_first_mut().zip(table.split_first()) else { return };
    *first = f(*first, 0, *w0);
    let half = a.len() / 2;
    let (low, high) = a.split_at_mut(half);
    let (low_table, high_table) = table.split_at(half);
    // What is left after index 0 has an odd length: the middle is its own mirror image.
    let Some(((middle, high), (wm, high_table))) = high.split_first_mut().zip(high_table.split_first()) else { return };
    *middle = f(*middle, *middle, *wm);
    for (((x, wx), y), wy) in low.iter_mut().zip(low_table).zip(high.iter_mut().rev()).zip(high_table.iter().rev()) {
        (*x, *y) = (f(*x, *y, *wx), f(*y, *x, *wy));
    }
}

/// An element of exact order `order`, a power of two that divides q - 1.
fn primitive_root(q: Modulus, order: u64) -> Option<u64> {
    if !(q.value() - 1).is_multiple_of(order) {
        return None;
    }
    (2..1000).map(|g| q.pow(g, (q.value() - 1) / order)).find(|&r| q.pow(r, order / 2) == q.value() - 1)
}

/// Products by the definition, for tests: expands both factors into `Z[X]/(X^2N + 1)`.
#[cfg(test)]
pub(crate) fn schoolbook(q: Modulus, a: &[u64], b: &[u64]) -> Vec<u64> {
    let n = a.len();
    let expand = |a: &[u64]| {
        let mut full = vec![0; 2 * n];
        full[0] = a[0];
        for j in 1..n {
            full[j] = a[j];
            full[2 * n - j] = q.neg(a[j]);
        }
        full
    };
    let (a, b) = (expand(a), expand(b));
    let mut c = vec![0; 2 * n];
    for (i, &x) in a.iter().enumerate() {
        for (j, &y) in b.iter().enumerate() {
            let p = q.mul(x, y);
            let k = i + j;
            c[k % (2 * n)] = if k < 2 * n { q.add(c[k % (2 * n)], p) } else { q.sub(c[k % (2 * n)], p) };
        }
    }
    for j in 1..n {
        assert_eq!(c[2 * n - j], q.neg(c[j]), "the product is conjugate-invariant");
    }
    assert_eq!(c[n], 0, "X^N is mapped to its negative");
    c.truncate(n);
    c
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::primes::ntt_primes;

    fn random(n: usize, q: u64, seed: u64) -> Vec<u64> {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        (0..n).map(|_| rng.random_range(0..q)).collect()
    }

    #[test]
    fn products_equal_the_schoolbook() {
        for (n, bits) in [(32, 20), (64, 33), (128, 50)] {
            let q = Modulus::new(ntt_primes(n, bits, 1, &[]).unwrap()[0]);
            let t = Transform::try_new(n, q).unwrap();
            let (a, b) = (random(n, q.value(), 1), random(n, q.value(), 2));
            let expected = schoolbook(q, &a, &b);
            let (mut x, mut y) = (a, b);
            t.forward(&mut x);
            t.forward(&mut y);
            let mut product: Vec<u64> = x.iter().zip(&y).map(|(&x, &y)| q.mul(x, y)).collect();
            t.inverse(&mut product);
            assert_eq!(product, expected);
        }
    }

    #[test]
    fn inverse_undoes_forward_at_full_size() {
        let n = 8192;
        let q = Modulus::new(ntt_primes(n, 40, 1, &[]).unwrap()[0]);
        let t = Transform::try_new(n, q).unwrap();
        let a = random(n, q.value(), 3);
        let mut b = a.clone();
        t.forward(&mut b);
        assert!(b.iter().all(|&v| v < q.value()));
        t.inverse(&mut b);
        assert_eq!(a, b);
    }

    #[test]
    fn a_constant_has_the_same_value_everywhere() {
        let n = 64;
        let q = Modulus::new(ntt_primes(n, 30, 1, &[]).unwrap()[0]);
        let mut a = vec![0; n];
        a[0] = 12_345;
        Transform::try_new(n, q).unwrap().forward(&mut a);
        assert_eq!(a, vec![12_345; n]);
    }
}
