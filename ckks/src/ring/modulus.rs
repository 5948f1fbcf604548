//! Arithmetic modulo one prime below 2^50: canonical residues in, canonical residues out. Whole
//! polynomials and tiles have kernels of their own.

/// A prime modulus below 2^50.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Modulus {
    q: u64,
    /// `floor(2^64 / q)`.
    barrett: u64,
    /// `floor(2^(51 + k) / q)`, where q has k bits.
    ratio: u64,
}

impl Modulus {
    /// `q` must be an odd number between 3 and 2^50.
    pub(crate) fn new(q: u64) -> Self {
        assert!(q > 2 && q < 1 << 50 && q % 2 == 1, "{q} is not an odd number between 3 and 2^50");
        let bits = 64 - q.leading_zeros();
        Self { q, barrett: (u64::MAX) / q, ratio: ((1_u128 << (51 + bits)) / u128::from(q)) as u64 }
    }

    /// Returns the prime.
    pub fn value(self) -> u64 {
        self.q
    }

    /// Returns the number of bits of the prime.
    pub fn bits(self) -> u32 {
        64 - self.q.leading_zeros()
    }

    /// `floor(2^(51 + k) / q)`, where q has k bits: for Barrett reduction with 52-bit products.
    #[inline]
    pub(crate) fn ratio(self) -> u64 {
        self.ratio
    }

    /// `x mod q` for any `x`.
    #[inline]
    pub(crate) fn reduce(self, x: u64) -> u64 {
        let quotient = ((u128::from(x) * u128::from(self.barrett)) >> 64) as u64;
        let r = x.wrapping_sub(quotient.wrapping_mul(self.q));
        // The quotient is at most one too small. Which of the two it is nothing foretells: a branch
        // would be mispredicted.
        r.min(r.wrapping_sub(self.q))
    }

    /// `x mod q` for any `x`.
    pub(crate) fn reduce_u128(self, x: u128) -> u64 {
        (x % u128::from(self.q)) as u64
    }

    /// The residue of a signed integer.
    pub(crate) fn reduce_i128(self, x: i128) -> u64 {
        x.rem_euclid(i128::from(self.q)) as u64
    }

    /// The residues of signed integers, many times as fast as one by one.
    pub(crate) fn reduce_all(self, integers: &[i128]) -> Vec<u64> {
        let word = self.factor(self.reduce_u128(1 << 64));
        let residue = |x: &i128| {
            let magnitude = x.unsigned_abs();
            let (high, low) = ((magnitude >> 64) as u64, magnitude as u64);
            let residue = self.add(self.mul_factor(high, word), self.reduce(low));
            if *x < 0 { self.neg(residue) } else { residue }
        };
        integers.iter().map(residue).collect()
    }

    /// The residue of a signed integer.
    #[inline]
    pub(crate) fn reduce_i64(self, x: i64) -> u64 {
        // All ones for negative integers. Signs of residues are as good as random, so that a branch
        // on them would be mispredicted half the time.
        let sign = (x >> 63).cast_unsigned();
        let magnitude = self.reduce((x.cast_unsigned() ^ sign).wrapping_sub(sign));
        let r = (magnitude ^ sign).wrapping_sub(sign);
        r.min(r.wrapping_add(self.q))
    }

    /// The residue of a signed integer of less than q in absolute value.
    #[inline]
    pub(crate) fn lift(self, x: i64) -> u64 {
        debug_assert!(x.unsigned_abs() < self.q, "{x} modulo {}", self.q);
        x.cast_unsigned().wrapping_add((x >> 63).cast_unsigned() & self.q)
    }

    /// `a + b`.
    #[inline]
    pub(crate) fn add(self, a: u64, b: u64) -> u64 {
        let s = a + b;
        if s >= self.q { s - self.q } else { s }
    }

    /// `a - b`.
    #[inline]
    pub(crate) fn sub(self, a: u64, b: u64) -> u64 {
        if a >= b { a - b } else { a + self.q - b }
    }

    /// `-a`.
    #[inline]
    pub(crate) fn neg(self, a: u64) -> u64 {
        if a == 0 { 0 } else { self.q - a }
    }

    /// `a * b`.
    #[inline]
    pub(crate) fn mul(self, a: u64, b: u64) -> u64 {
        self.reduce_u128(u128::from(a) * u128::from(b))
    }

    /// `a^exponent`.
    pub(crate) fn pow(self, a: u64, mut exponent: u64) -> u64 {
        let (mut base, mut result) = (a, 1 % self.q);
        while exponent > 0 {
            if exponent & 1 == 1 {
                result = self.mul(result, base);
            }
            base = self.mul(base, base);
            exponent >>= 1;
        }
        result
    }

    /// The inverse of `a`, which must not be a multiple of the prime.
    pub(crate) fn inverse(self, a: u64) -> u64 {
        self.pow(a, self.q - 2)
    }

    /// A factor prepared for many products.
    pub(crate) fn factor(self, w: u64) -> Factor {
        let quotient = ((u128::from(w) << 64) / u128::from(self.q)) as u64;
        Factor { value: w, quotient }
    }

    /// `a * factor` by Shoup's method, for any `a`.
    #[inline]
    pub(crate) fn mul_factor(self, a: u64, factor: Factor) -> u64 {
        let quotient = ((u128::from(a) * u128::from(factor.quotient)) >> 64) as u64;
        let r = a.wrapping_mul(factor.value).wrapping_sub(quotient.wrapping_mul(self.q));
        r.min(r.wrapping_sub(self.q))
    }

    /// The residue as a signed integer of least absolute value.
    #[inline]
    pub(crate) fn centre(self, a: u64) -> i64 {
        if a > self.q / 2 { a.cast_signed() - self.q.cast_signed() } else { a.cast_signed() }
    }
}

/// A residue with its quotient by the modulus, prepared for multiplication by Shoup's method.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Factor {
    value: u64,
    quotient: u64,
}

impl Factor {
    pub(crate) fn value(self) -> u64 {
        self.value
    }

    /// `floor(2^64 value / q)`.
    pub(crate) fn quotient(self) -> u64 {
        self.quotient
    }
}

/// Many prepared factors, as the kernels read them: values and quotients apart.
#[derive(Debug, Clone, Default)]
pub(crate) struct Factors {
    values: Vec<u64>,
    quotients: Vec<u64>,
}

impl Factors {
    pub(crate) fn push(&mut self, factor: Factor) {
        self.values.push(factor.value);
        self.quotients.push(factor.quotient);
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    pub(crate) fn get(&self, index: usize) -> Factor {
        Factor { value: self.values[index], quotient: self.quotients[index] }
    }

    pub(crate) fn values(&self) -> &[u64] {
        &self.values
    }

    pub(crate) fn quotients(&self) -> &[u64] {
        &self.quotients
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};

    use super::*;

    const PRIMES: [u64; 3] = [65_537, 1_099_511_480_321, 1_125_899_906_826_241];

    #[test]
    fn arithmetic_agrees_with_remainders() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        for m in PRIMES.map(Modulus::new) {
            let q = m.value();
            for round in 0..2000 {
                // The ends of the range first, where carries go wrong.
                let ends = [0, 1, q - 1, q, u64::MAX];
                let mut draw = |k: usize| if round < 25 { ends[(round / k) % 5] } else { rng.random() };
                let (a, b) = (draw(1), draw(5));
                let (x, y) = (a.cast_signed(), (i128::from(b.cast_signed()) << 60) + i128::from(a));
                let (s, t) = (a % q, b % q);
                assert_eq!(m.reduce(a), s);
                assert_eq!(m.add(s, t), (s + t) % q);
                assert_eq!(m.sub(s, t), (s + q - t) % q);
                assert_eq!(m.mul(s, t), (u128::from(s) * u128::from(t) % u128::from(q)) as u64);
                assert_eq!(m.mul_factor(a, m.factor(t)), (u128::from(a) * u128::from(t) % u128::from(q)) as u64);
                assert_eq!(i128::from(m.reduce_i64(x)), i128::from(x).rem_euclid(i128::from(q)));
                assert_eq!(i128::from(m.reduce_i128(y)), y.rem_euclid(i128::from(q)));
                assert_eq!(m.reduce_all(&[y, -y]), [y, -y].map(|y| y.rem_euclid(i128::from(q)) as u64));
                assert_eq!(m.reduce_i64(m.centre(s)), s);
                assert_eq!(m.lift(m.centre(s)), s);
                assert!(m.centre(s).unsigned_abs() <= q / 2);
                if s != 0 {
                    assert_eq!(m.mul(s, m.inverse(s)), 1);
                }
            }
        }
    }
}
