//! The number-theoretic transform of the conjugate-invariant ring: a fold, a twist, and the
//! negacyclic transform of `tfhe-ntt`. All residues are canonical.
//!
//! An element is `a_0 + sum_{j=1}^{N-1} a_j (X^j + X^-j)` with `X^2N = -1`. Let `z` be a primitive
//! 4N-th root of unity modulo q and `i = z^N`. Then `h_j = (a_j - i a_(N-j)) z^-j` (and `h_0 =
//! a_0`) is a polynomial modulo `Y^N + 1` whose transform holds the values of the element at the
//! odd powers of a root, where products are pointwise. (Kim and Song 2018, "Approximate Homomorphic
//! Encryption over the Conjugate-invariant Ring"; the inverse is `a_j = (h_j z^j - h_(N-j) z^-j) /
//! 2`.)

use tfhe_ntt::prime64::Plan;

use crate::kernel::{Kernel, TwistFactors};
use crate::ring::modulus::{Factors, Modulus};

/// The transform for one degree and one prime.
pub(crate) struct Transform {
    modulus: Modulus,
    kernel: Kernel,
    degree: usize,
    plan: Plan,
    /// `z`.
    twist_root: u64,
    /// `z^-j`, and `-z^j` for the mirror image.
    forward: TwistFactors,
    /// `z^j / 2N`, and `-z^-j / 2N` for the mirror image; the first is `1 / N`.
    inverse: TwistFactors,
}

/// What determines the transform of one prime: with it others compute the same values, in the same
/// order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransformRoots {
    /// `z`, of order 4N, of the twist: `h_0 = a_0` and `h_j = (a_j - z^N a_(N-j)) z^-j`.
    pub twist: u64,
    /// `w`, of order 2N: value number i is that of h at `w^(2 r + 1)`, where r is i with its log2 N
    /// bits in reverse.
    pub negacyclic: u64,
}

impl std::fmt::Debug for Transform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Transform(N = {}, q = {})", self.degree, self.modulus.value())
    }
}

impl Transform {
    /// `None` when the prime is not 1 modulo 4N.
    pub(crate) fn try_new(degree: usize, modulus: Modulus, kernel: Kernel) -> Option<Self> {
        let plan = Plan::try_new(degree, modulus.value())?;
        let z = primitive_root(modulus, 4 * degree as u64)?;
        let z_inverse = modulus.inverse(z);
        let i = modulus.pow(z, degree as u64);
        let half = modulus.inverse(modulus.reduce(2 * degree as u64));
        let [mut forward, mut inverse] = std::array::from_fn(|_| [Factors::default(), Factors::default()]);
        let (mut power, mut power_inverse) = (1, 1);
        for j in 0..degree / 2 {
            // Half of it twice, where there is no mirror image.
            let direct = if j == 0 { modulus.add(half, half) } else { modulus.mul(power, half) };
            let back = modulus.neg(modulus.mul(power_inverse, half));
            for (table, pair) in [(&mut forward, [power_inverse, modulus.neg(power)]), (&mut inverse, [direct, back])] {
                table.iter_mut().zip(pair).for_each(|(factors, value)| factors.push(modulus.factor(value)));
            }
            power = modulus.mul(power, z);
            power_inverse = modulus.mul(power_inverse, z_inverse);
        }
        // The middle coefficient is its own mirror image.
        let middle_forward = modulus.mul(modulus.sub(1, i), power_inverse);
        let middle_inverse = modulus.mul(modulus.sub(power, power_inverse), half);
        let factors = |[first, second]: [Factors; 2], middle| {
            let [middle, i] = [middle, i].map(|value| modulus.factor(value));
            TwistFactors { first, second, middle, i }
        };
        let (forward, inverse) = (factors(forward, middle_forward), factors(inverse, middle_inverse));
        Some(Self { modulus, kernel, degree, plan, twist_root: z, forward, inverse })
    }

    pub(crate) fn modulus(&self) -> Modulus {
        self.modulus
    }

    /// The two roots that, with the order of values, are all there is to choose in the transform.
    pub(crate) fn roots(&self) -> TransformRoots {
        let mut values = vec![0; self.degree];
        values[1] = 1;
        // The values of `Y` are the points; the first one is the root itself.
        self.plan.fwd(&mut values);
        TransformRoots { twist: self.twist_root, negacyclic: values[0] }
    }

    /// Coefficients to values, in place; both canonical.
    pub(crate) fn forward(&self, a: &mut [u64]) {
        assert_eq!(a.len(), self.degree, "coefficients of an element");
        self.kernel.twist(self.modulus, &self.forward, a);
        self.plan.fwd(a);
    }

    /// Values to coefficients, in place; both canonical.
    pub(crate) fn inverse(&self, a: &mut [u64]) {
        assert_eq!(a.len(), self.degree, "values of an element");
        self.plan.inv(a);
        self.kernel.untwist(self.modulus, &self.inverse, a);
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

    fn kernels() -> impl Iterator<Item = Kernel> {
        Kernel::available().into_iter()
    }

    #[test]
    fn products_equal_the_schoolbook() {
        for (n, bits, kernel) in
            [(32, 20), (64, 33), (128, 50)].into_iter().flat_map(|(n, b)| kernels().map(move |k| (n, b, k)))
        {
            let q = Modulus::new(ntt_primes(n, bits, 1, &[]).unwrap()[0]);
            let t = Transform::try_new(n, q, kernel).unwrap();
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
        let a = random(n, q.value(), 3);
        let mut images = Vec::new();
        for kernel in kernels() {
            let t = Transform::try_new(n, q, kernel).unwrap();
            let mut b = a.clone();
            t.forward(&mut b);
            assert!(b.iter().all(|&v| v < q.value()));
            images.push(b.clone());
            t.inverse(&mut b);
            assert_eq!(a, b);
        }
        assert!(images.windows(2).all(|w| w[0] == w[1]), "every path gives the same bits");
    }

    #[test]
    fn values_are_those_at_powers_of_the_roots_in_the_order_that_they_say() {
        for (n, bits) in [(32, 20), (2048, 36), (8192, 50)] {
            let q = Modulus::new(ntt_primes(n, bits, 1, &[]).unwrap()[0]);
            let t = Transform::try_new(n, q, Kernel::Portable).unwrap();
            let TransformRoots { twist, negacyclic } = t.roots();
            assert_eq!(q.pow(twist, 2 * n as u64), q.value() - 1);
            let mut values = vec![0; n];
            values[3] = 7;
            t.forward(&mut values);
            // 7 (X^3 + X^-3) is 7 z^-3 Y^3 - 7 i z^(3 - N) Y^(N - 3).
            let inverse = q.inverse(twist);
            let direct = q.mul(7, q.pow(inverse, 3));
            let i = q.pow(twist, n as u64);
            let mirrored = q.mul(q.neg(q.mul(7, i)), q.pow(inverse, n as u64 - 3));
            for (number, &value) in values.iter().enumerate() {
                let reversed = number.reverse_bits() >> (usize::BITS - n.ilog2());
                let point = q.pow(negacyclic, 2 * reversed as u64 + 1);
                let expected = q.add(q.mul(direct, q.pow(point, 3)), q.mul(mirrored, q.pow(point, n as u64 - 3)));
                assert_eq!(value, expected, "value {number} at degree {n}");
            }
        }
    }

    #[test]
    fn a_constant_has_the_same_value_everywhere() {
        let n = 64;
        let q = Modulus::new(ntt_primes(n, 30, 1, &[]).unwrap()[0]);
        let mut a = vec![0; n];
        a[0] = 12_345;
        Transform::try_new(n, q, Kernel::Portable).unwrap().forward(&mut a);
        assert_eq!(a, vec![12_345; n]);
    }
}
