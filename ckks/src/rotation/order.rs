//! In which order rotations move slots, and which of the transform's values they move where.
//!
//! The automorphism X -> X^k maps an element to the one whose value at any root is its value at the
//! root's k-th power. Slots are values at `exp(i pi (2m + 1) / 2N)` and at its inverse, so that the
//! powers of 5, which are all odd numbers modulo 4N up to their sign, reach every slot: one cycle
//! of length N (Kim and Song 2018).

use crate::Parameters;
use crate::kernel::Permutation;
use crate::ring::ntt::Transform;

/// Returns the encoder's slot at each position of the rotation order, N numbers: position t is the
/// slot of exponent 5^t. A rotation by r moves to position t what position t + r held, modulo N.
///
/// # Panics
/// When the degree is no power of two, or larger than 65536.
pub fn rotation_order(degree: usize) -> Vec<u32> {
    assert!(degree.is_power_of_two() && degree <= 1 << 16, "a ring of degree {degree}");
    let roots = 4 * degree as u32;
    let mut exponent = 1;
    (0..degree)
        .map(|_| {
            let slot = (exponent.min(roots - exponent) - 1) / 2;
            exponent = exponent * 5 % roots;
            slot
        })
        .collect()
}

/// The transform's values in rotation order, from one of them on. Each prime has another.
pub(crate) struct ValueOrder {
    /// The value at each position.
    values: Vec<u32>,
    /// The position of each value.
    positions: Vec<u32>,
}

impl ValueOrder {
    /// Of all primes, the special ones last.
    pub(crate) fn of_all(parameters: &Parameters) -> Vec<Self> {
        parameters.all_transforms().iter().map(|t| Self::new(t, parameters.degree())).collect()
    }

    fn new(t: &Transform, n: usize) -> Self {
        // Each value of X + 1/X is at another root. The value at the root's fifth power is v^5 - 5
        // v^3 + 5 v (Dickson's polynomial).
        let q = t.modulus();
        let mut element = vec![0; n];
        element[1] = 1;
        t.forward(&mut element);
        let mut sorted: Vec<(u64, u32)> = element.iter().copied().zip(0..).collect();
        sorted.sort_unstable();
        let (mut value, five) = (element[0], q.reduce(5));
        let (mut values, mut positions) = (Vec::with_capacity(n), vec![0; n]);
        for position in 0..n as u32 {
            let (found, index) = sorted[sorted.partition_point(|(v, _)| *v < value)];
            assert_eq!(found, value, "a value of X + 1/X at position {position}");
            values.push(index);
            positions[index as usize] = position;
            let square = q.mul(value, value);
            let inner = q.add(q.mul(square, q.sub(square, five)), five);
            value = q.mul(value, inner);
        }
        assert_eq!(value, element[0], "the order is one cycle");
        Self { values, positions }
    }

    /// Where each value of a rotated element comes from; a rotation by less than N slots to the
    /// left.
    ///
    /// In the bit-reversed order of the transform eight values from a multiple of eight on have the
    /// same exponents but for multiples of N / 2, before and after a rotation: they stay together.
    pub(crate) fn permutation(&self, rotation: usize) -> Permutation {
        let n = self.values.len();
        assert!(rotation < n, "a rotation by {rotation} of {n} slots");
        let sources: Vec<u32> = self.positions.iter().map(|&p| self.values[(p as usize + rotation) % n]).collect();
        Permutation::new(&sources)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{N, parameters};
    use crate::{Encoder, Modulus};

    /// The automorphism X -> X^k by its definition, on the coefficients of `Z[X]/(X^2N + 1)`.
    fn automorphism(q: Modulus, k: usize, a: &[u64]) -> Vec<u64> {
        let n = a.len();
        let mut full = vec![0; 2 * n];
        full[..n].copy_from_slice(a);
        for j in 1..n {
            full[2 * n - j] = q.neg(a[j]);
        }
        let mut image = vec![0; 2 * n];
        for (j, &c) in full.iter().enumerate() {
            let power = j * k % (4 * n);
            image[power % (2 * n)] = if power < 2 * n { c } else { q.neg(c) };
        }
        for j in 1..n {
            assert_eq!(image[2 * n - j], q.neg(image[j]), "the image is conjugate-invariant");
        }
        image.truncate(n);
        image
    }

    fn power_of_5(rotation: usize) -> usize {
        (0..rotation).fold(1, |power, _| power * 5 % (4 * N))
    }

    #[test]
    fn a_rotation_of_values_is_the_automorphism_of_coefficients() {
        let p = parameters(1);
        for (t, order) in p.all_transforms().iter().zip(ValueOrder::of_all(&p)) {
            let q = t.modulus();
            let coefficients: Vec<u64> =
                (1..=N as u64).map(|i| q.reduce(i.wrapping_mul(0x9E37_79B9_7F4A_7C15))).collect();
            let mut values = coefficients.clone();
            t.forward(&mut values);
            for rotation in [0, 1, 2, 5, N / 2, N - 1] {
                let mut rotated = vec![0; N];
                p.kernel().permute(&order.permutation(rotation), &values, &mut rotated);
                t.inverse(&mut rotated);
                assert_eq!(rotated, automorphism(q, power_of_5(rotation), &coefficients), "by {rotation}");
            }
        }
    }

    #[test]
    fn the_automorphism_rotates_slots_in_rotation_order() {
        let order = rotation_order(N);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..N as u32), "every slot once");
        let encoder = Encoder::new(N);
        let q = parameters(0).moduli(1).next().unwrap();
        let mut slots = vec![0.0; N];
        for (position, &slot) in order.iter().enumerate() {
            slots[slot as usize] = position as f64;
        }
        let coefficients: Vec<u64> = encoder.encode(&slots, 1000.0).unwrap().iter().map(|&c| q.reduce_i64(c)).collect();
        for rotation in [1, 7, N - 1] {
            let image = automorphism(q, power_of_5(rotation), &coefficients);
            let back = encoder.decode(image.iter().map(|&c| q.centre(c) as f64).collect(), 1000.0);
            for (position, &slot) in order.iter().enumerate() {
                let expected = (position + rotation) % N;
                assert!((back[slot as usize] - expected as f64).abs() < 0.1, "position {position} by {rotation}");
            }
        }
    }
}
