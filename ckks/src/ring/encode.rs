//! Encoding of N real slots as an integer element of the ring, and back. Must never wrap silently: what does not fit
//! the integers or the modulus is an error.
//!
//! Slot m holds `a_0 + 2 sum_j a_j cos(pi j (2m + 1) / 2N)`, so decoding is a DCT-III and encoding a DCT-II.

use std::sync::Arc;

use rustdct::{DctPlanner, TransformType2And3};

use crate::ring::modulus::Modulus;
use crate::{Error, Result};

/// Encodes and decodes at one degree; cheap to clone.
#[derive(Clone)]
pub struct Encoder {
    dct: Arc<dyn TransformType2And3<f64>>,
    degree: usize,
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Encoder(N = {})", self.degree)
    }
}

impl Encoder {
    /// For `degree` slots.
    pub fn new(degree: usize) -> Self {
        Self { dct: DctPlanner::new().plan_dct2(degree), degree }
    }

    /// Integer coefficients of `slots * scale`, rounded. Missing slots are zero. Coefficients must stay below 2^62, and
    /// every slot must be finite.
    pub fn encode(&self, slots: &[f64], scale: f64) -> Result<Vec<i64>> {
        if slots.len() > self.degree {
            return Err(crate::error::operand(
                "encoding",
                format!("{} slots", slots.len()),
                format!("at most {}", self.degree),
            ));
        }
        let mut buffer = vec![0.0; self.degree];
        for (to, from) in buffer.iter_mut().zip(slots) {
            *to = *from;
        }
        self.dct.process_dct2(&mut buffer);
        let factor = scale / self.degree as f64;
        let mut coefficients = Vec::with_capacity(self.degree);
        for value in buffer {
            let scaled = (value * factor).round();
            if scaled.is_nan() || scaled.abs() >= (1_u64 << 62) as f64 {
                let found_bits = scaled.abs().log2().ceil() as i32;
                return Err(Error::Overflow { operation: "encoding", found_bits, allowed_bits: 62 });
            }
            coefficients.push(scaled as i64);
        }
        Ok(coefficients)
    }

    /// Slots of integer coefficients held as `f64`.
    pub fn decode(&self, mut coefficients: Vec<f64>, scale: f64) -> Result<Vec<f64>> {
        if coefficients.len() != self.degree {
            return Err(crate::error::operand(
                "decoding",
                format!("{} coefficients", coefficients.len()),
                format!("{}", self.degree),
            ));
        }
        self.dct.process_dct3(&mut coefficients);
        for v in &mut coefficients {
            *v *= 2.0 / scale;
        }
        Ok(coefficients)
    }
}

/// Joins residues of the same integer modulo several primes to the integer of least absolute value, as the nearest
/// `f64`. Mixed radix (Garner): exact until the last step, for any number of limbs.
#[derive(Debug)]
pub(crate) struct CrtReconstructor {
    moduli: Vec<Modulus>,
    /// For limb k, the inverses of the earlier primes' product modulo prime k, and of that product each prefix.
    prefixes: Vec<Vec<u64>>,
    inverses: Vec<u64>,
}

impl CrtReconstructor {
    pub(crate) fn new(moduli: impl Iterator<Item = Modulus>) -> Self {
        let moduli: Vec<Modulus> = moduli.collect();
        let (mut prefixes, mut inverses) = (Vec::new(), Vec::new());
        for (k, &q) in moduli.iter().enumerate() {
            let mut product = 1;
            let mut row = Vec::with_capacity(k);
            for p in moduli.iter().take(k) {
                row.push(product);
                product = q.mul(product, q.reduce(p.value()));
            }
            prefixes.push(row);
            inverses.push(q.inverse(product));
        }
        Self { moduli, prefixes, inverses }
    }

    /// The signed integer with these residues, one per modulus.
    pub(crate) fn reconstruct(&self, residues: &[u64], digits: &mut Vec<u64>) -> f64 {
        digits.clear();
        for (((&r, &q), row), &inverse) in residues.iter().zip(&self.moduli).zip(&self.prefixes).zip(&self.inverses) {
            let known = digits.iter().zip(row).fold(0, |s, (&d, &p)| q.add(s, q.mul(q.reduce(d), p)));
            digits.push(q.mul(q.sub(r, known), inverse));
        }
        // x = d_0 + q_0 (d_1 + q_1 (...)) lies in 0..Q. A negative number -y is Q - y: in mixed radix its complement
        // has digits q_k - 1 - d_k, and y is that plus one. This keeps small negative numbers exact.
        let top = digits.last().zip(self.moduli.last());
        let negative = top.is_some_and(|(&d, q)| d > q.value() / 2);
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
    fn slots_follow_the_definition() {
        let n = 32;
        let encoder = Encoder::new(n);
        let slots: Vec<f64> = (0..n).map(|i| (i as f64 * 1.7).sin() * 3.0).collect();
        let a = encoder.encode(&slots, 2_f64.powi(40)).unwrap();
        for (m, slot) in slots.iter().enumerate() {
            let angle = std::f64::consts::PI * (2 * m + 1) as f64 / (2 * n) as f64;
            let sum: f64 = (1..n).map(|j| 2.0 * a[j] as f64 * (angle * j as f64).cos()).sum::<f64>() + a[0] as f64;
            assert!((sum / 2_f64.powi(40) - slot).abs() < 1e-9);
        }
        let back = encoder.decode(a.iter().map(|&v| v as f64).collect(), 2_f64.powi(40)).unwrap();
        assert!(back.iter().zip(&slots).all(|(x, y)| (x - y).abs() < 1e-9));
    }

    #[test]
    fn overflow_and_nonsense_are_errors() {
        let encoder = Encoder::new(32);
        assert!(matches!(encoder.encode(&[1.0; 32], 2_f64.powi(63)), Err(Error::Overflow { .. })));
        assert!(encoder.encode(&[f64::NAN], 1.0).is_err());
        assert!(encoder.encode(&[0.0; 33], 1.0).is_err());
        assert!(encoder.decode(vec![0.0; 31], 1.0).is_err());
    }

    #[test]
    fn joining_is_exact_for_integers_that_f64_holds() {
        let moduli: Vec<Modulus> = ntt_primes(64, 36, 3, &[]).unwrap().into_iter().map(Modulus::new).collect();
        let crt = CrtReconstructor::new(moduli.iter().copied());
        let mut digits = Vec::new();
        for x in [0_i128, 1, -1, 77, -123_456_789_012, 1 << 52, -(1 << 52), 1 << 100, -(1 << 100)] {
            let residues: Vec<u64> = moduli.iter().map(|q| q.reduce_i128(x)).collect();
            assert_eq!(crt.reconstruct(&residues, &mut digits), x as f64, "{x}");
        }
    }
}
