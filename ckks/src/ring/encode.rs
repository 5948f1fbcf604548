//! Encoding of N real slots as an integer element of the ring, and back. What does not fit is an
//! error.
//!
//! Slot m holds `a_0 + 2 sum_j a_j cos(pi j (2m + 1) / 2N)`, so decoding is a DCT-III and encoding
//! a DCT-II.

use std::sync::Arc;

use rustdct::{DctPlanner, TransformType2And3};
use zeroize::Zeroizing;

use crate::{Error, Result};

/// Encodes and decodes at one degree.
#[derive(Clone)]
pub(crate) struct Encoder {
    dct: Arc<dyn TransformType2And3<f64>>,
    degree: usize,
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Encoder(N = {})", self.degree)
    }
}

impl Encoder {
    /// Prepares for `degree` slots.
    pub(crate) fn new(degree: usize) -> Self {
        Self { dct: DctPlanner::new().plan_dct2(degree), degree }
    }

    /// Encodes `slots * scale` as N integer coefficients, rounded, in `message`, and returns the
    /// largest absolute value. Missing slots are zero.
    ///
    /// # Errors
    /// When there are more than N slots, one is not finite, or a coefficient reaches 2^62.
    pub(crate) fn encode_into(
        &self,
        slots: &[f64],
        scale: f64,
        buffers: &mut EncodeBuffers,
        message: &mut [i64],
    ) -> Result<u64> {
        assert_eq!(message.len(), self.degree, "coefficients of an element");
        let EncodeBuffers { slots: buffer, scratch } = buffers;
        self.fill(buffer, slots)?;
        self.each_integer(buffer, scale, scratch, |i, _, integer| message[i] = integer)
    }

    /// Memory for [`Self::encode_into`].
    pub(crate) fn buffers(&self) -> EncodeBuffers {
        EncodeBuffers { slots: Zeroizing::new(vec![0.0; self.degree]), scratch: Zeroizing::new(self.scratch()) }
    }

    /// Encodes as [`Self::encode_into`] does, with coefficients up to 2^`bits`, which are exact as
    /// far as doubles are.
    ///
    /// # Errors
    /// When there are more than N slots, one is not finite, or a coefficient reaches 2^`bits`.
    pub(crate) fn encode_wide(&self, slots: &[f64], bits: i32) -> Result<Vec<i128>> {
        assert!(bits < 127, "coefficients of {bits} bits");
        let mut buffer = vec![0.0; self.degree];
        self.fill(&mut buffer, slots)?;
        self.dct.process_dct2_with_scratch(&mut buffer, &mut self.scratch());
        let (factor, limit) = (1.0 / self.degree as f64, f64::from(bits).exp2());
        let integer = |value: f64| {
            let whole = (value * factor).round();
            if whole.abs() < limit { Ok(whole as i128) } else { Err(overflow(whole, bits)) }
        };
        buffer.into_iter().map(integer).collect()
    }

    /// Makes N slots the N coefficients of [`Self::encode_into`], in place, for who encodes many:
    /// `scratch` is [`Self::scratch`] and keeps its memory.
    ///
    /// # Errors
    /// As [`Self::encode_into`].
    pub(crate) fn encode_in_place(&self, slots: &mut [f64], scale: f64, scratch: &mut [f64]) -> Result<()> {
        self.each_integer(slots, scale, scratch, |_, slot, integer| *slot = integer as f64)?;
        Ok(())
    }

    /// Memory for [`Self::encode_in_place`].
    pub(crate) fn scratch(&self) -> Vec<f64> {
        vec![0.0; self.dct.get_scratch_len()]
    }

    /// Copies at most N slots to the first of `buffer`, and zeros to the rest.
    fn fill(&self, buffer: &mut [f64], slots: &[f64]) -> Result<()> {
        if slots.len() > self.degree {
            return Err(Error::Slots { operation: "encoding", found: slots.len(), expected: self.degree });
        }
        let (first, rest) = buffer.split_at_mut(slots.len());
        first.copy_from_slice(slots);
        rest.fill(0.0);
        Ok(())
    }

    /// Transforms N slots and calls `write` with the number of each coefficient, its place, and its
    /// integer below 2^62; returns the largest absolute value.
    fn each_integer(
        &self,
        buffer: &mut [f64],
        scale: f64,
        scratch: &mut [f64],
        mut write: impl FnMut(usize, &mut f64, i64),
    ) -> Result<u64> {
        assert_eq!(buffer.len(), self.degree, "slots of an element");
        self.dct.process_dct2_with_scratch(buffer, scratch);
        let factor = scale / self.degree as f64;
        let limit = 62_f64.exp2();
        let (mut largest, mut fits) = (0.0_f64, true);
        for (i, value) in buffer.iter_mut().enumerate() {
            let scaled = *value * factor;
            largest = if scaled.abs() > largest { scaled.abs() } else { largest };
            // False for what is no number.
            fits &= scaled.abs() < limit;
            write(i, value, rounded(scaled));
        }
        if fits { Ok(rounded(largest).unsigned_abs()) } else { Err(overflow(largest, 62)) }
    }

    /// Decodes N integer coefficients, held as `f64`, to N slots.
    pub(crate) fn decode(&self, mut coefficients: Vec<f64>, scale: f64) -> Vec<f64> {
        assert_eq!(coefficients.len(), self.degree, "coefficients of an element");
        self.dct.process_dct3(&mut coefficients);
        for v in &mut coefficients {
            *v *= 2.0 / scale;
        }
        coefficients
    }
}

/// Slots while they become coefficients; wiped when they are dropped.
pub(crate) struct EncodeBuffers {
    slots: Zeroizing<Vec<f64>>,
    scratch: Zeroizing<Vec<f64>>,
}

/// The nearest integer of at most 2^62 in absolute value, halves away from zero as by
/// [`f64::round`], which is a call where a processor's instructions for it may not be assumed.
fn rounded(value: f64) -> i64 {
    // The number before a half: one half would take the number before it up, too.
    (value + 0.5_f64.next_down().copysign(value)) as i64
}

fn overflow(coefficient: f64, allowed_bits: i32) -> Error {
    let found_bits = coefficient.abs().log2().ceil() as i32;
    Error::Overflow { operation: "encoding", found_bits, allowed_bits }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Encoder {
        pub(crate) fn encode(&self, slots: &[f64], scale: f64) -> Result<Vec<i64>> {
            let mut message = vec![0; self.degree];
            self.encode_into(slots, scale, &mut self.buffers(), &mut message)?;
            Ok(message)
        }
    }

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
        let back = encoder.decode(a.iter().map(|&v| v as f64).collect(), 2_f64.powi(40));
        assert!(back.iter().zip(&slots).all(|(x, y)| (x - y).abs() < 1e-9));
    }

    #[test]
    fn in_place_is_the_same_whatever_the_scratch_holds() {
        let encoder = Encoder::new(64);
        let slots: Vec<f64> = (0..64).map(|i| (i as f64 * 0.9).cos() * 5e3).collect();
        let expected: Vec<f64> = encoder.encode(&slots, 3.0).unwrap().iter().map(|&c| c as f64).collect();
        let mut scratch = encoder.scratch();
        for _ in 0..2 {
            let mut found = slots.clone();
            encoder.encode_in_place(&mut found, 3.0, &mut scratch).unwrap();
            assert_eq!(found, expected);
        }
        let wide: Vec<i128> = encoder.encode(&slots, 1.0).unwrap().into_iter().map(i128::from).collect();
        assert_eq!(encoder.encode_wide(&slots, 62).unwrap(), wide);
        let (mut buffers, mut message) = (encoder.buffers(), vec![7; 64]);
        for slots in [&slots[..], &[1.0; 64], &slots] {
            let largest = encoder.encode_into(slots, 3.0, &mut buffers, &mut message).unwrap();
            let mut rounded = slots.to_vec();
            encoder.encode_in_place(&mut rounded, 3.0, &mut scratch).unwrap();
            assert!(message.iter().map(|&c| c as f64).eq(rounded));
            assert_eq!(Some(largest), message.iter().map(|c| c.unsigned_abs()).max());
        }
        encoder.encode_into(&[2.0], 3.0, &mut buffers, &mut message).unwrap();
        assert_eq!(message, encoder.encode(&[2.0], 3.0).unwrap(), "slots that are missing are zero");
    }

    #[test]
    fn halves_are_rounded_away_from_zero() {
        let half = 0.5_f64;
        let near = [half, half.next_down(), half.next_up(), 1.5, 2.5, 1e6 + half, 52_f64.exp2() - half, 52_f64.exp2()];
        let large = [51_f64.exp2() + half, 52_f64.exp2() + 1.0, 53_f64.exp2() + 2.0, 61.9_f64.exp2(), 0.0];
        for value in near.into_iter().chain(large).chain((0..1000).map(|i| f64::from(i) * 0.37)) {
            for signed in [value, -value] {
                assert_eq!(rounded(signed), signed.round() as i64, "{signed}");
            }
        }
    }

    #[test]
    fn overflow_and_nonsense_are_errors() {
        let encoder = Encoder::new(32);
        assert!(matches!(encoder.encode(&[1.0; 32], 2_f64.powi(63)), Err(Error::Overflow { .. })));
        assert!(encoder.encode_wide(&[2_f64.powi(70); 32], 71).is_ok_and(|c| c[0] == 1 << 70));
        assert!(matches!(encoder.encode_wide(&[2_f64.powi(70); 32], 70), Err(Error::Overflow { .. })));
        assert!(encoder.encode(&[f64::NAN], 1.0).is_err());
        assert!(encoder.encode(&[0.0; 33], 1.0).is_err());
        let (mut buffers, mut message) = (encoder.buffers(), vec![0; 32]);
        let mut into = |slots: &[f64], scale| encoder.encode_into(slots, scale, &mut buffers, &mut message);
        assert!(matches!(into(&[1.0; 32], 2_f64.powi(63)), Err(Error::Overflow { found_bits: 63, .. })));
        assert!(matches!(into(&[f64::NAN], 1.0), Err(Error::Overflow { .. })));
        assert!(matches!(into(&[0.0; 33], 1.0), Err(Error::Slots { .. })));
        assert_eq!(into(&[1.0; 32], 2_f64.powi(61)).unwrap(), 1 << 61);
    }
}
