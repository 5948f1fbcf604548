//! What the user may ask of the compiler for the `ckks` backend, and what of that makes sense.

use std::ops::RangeInclusive;

use beaa_ckks::security::{self, Table};
use serde::{Deserialize, Serialize};

use crate::packing::Packing;
use crate::plan::weight_bits::{MAX_WEIGHT_BITS, MIN_WEIGHT_BITS};
use crate::{Error, Result};

/// log2 of the scales that a plan may have.
pub(crate) const SCALE_BITS: RangeInclusive<u32> = 10..=45;

/// Images that may be expected together.
const MOST_IMAGES: usize = 1 << 30;

/// What to compile for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Bits of security: 128, 192 or 256.
    pub security: u32,
    /// Whether attacks with quantum computers must take as long: a shorter modulus.
    pub quantum: bool,
    /// Images that are to be run together: the ring holds them in one batch, or in as many as are
    /// cheapest for all of them.
    pub batch: usize,
    /// How many elements of an image a ciphertext holds.
    pub packing: Packing,
    /// log2 of the scale of a fresh ciphertext; chosen when absent.
    pub input_bits: Option<u32>,
    /// Bits of a signed integer weight, the same in every layer; chosen per layer when absent.
    pub weight_bits: Option<u32>,
    /// Largest predicted error of the outputs, root mean square over outputs and images: encryption
    /// and rounding of weights together.
    pub logit_error: f64,
    /// Instead of an error: the share of images whose predicted class must stay that of the model.
    /// Needs images.
    pub agreement: Option<f64>,
    /// An activation whose vertex `|b / 2a|` is farther out than this, in units of its input's
    /// bound, is evaluated from `x^2` and `x` instead of from one shifted square: a shift by so
    /// much costs its logarithm in bits of this element, a split takes scaling and products of its
    /// own.
    pub vertex_limit: f64,
    /// How much wider than the range seen in training a value may get before it can overflow.
    pub range_safety: f64,
    /// Bytes of memory that a run may take: feature maps are cut into bands where it would take
    /// more. No limit when absent.
    pub memory: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            security: 128,
            quantum: false,
            batch: 4096,
            packing: Packing::Auto,
            input_bits: None,
            weight_bits: None,
            logit_error: 1.0 / 128.0,
            agreement: None,
            vertex_limit: 16.0,
            range_safety: 2.0,
            memory: None,
        }
    }
}

impl Options {
    /// The most bits of modulus that the security asked for leaves a ring of `degree`; none where
    /// it leaves no such ring.
    pub(crate) fn max_log_qp(&self, degree: usize) -> Option<u32> {
        let table = if self.quantum { Table::Quantum2024 } else { Table::IN_FORCE };
        table.max_log_qp(degree, self.security)
    }

    /// Refuses what no program can satisfy.
    ///
    /// # Errors
    /// [`Error::Option`] for the first option that is out of range.
    pub fn check(&self) -> Result<()> {
        let [.., largest] = security::DEGREES;
        if self.max_log_qp(largest).is_none() {
            return Err(refuse("security", self.security, "128, 192 or 256"));
        }
        if !(1..=MOST_IMAGES).contains(&self.batch) {
            return Err(refuse("batch", self.batch, format!("between 1 and {MOST_IMAGES} images")));
        }
        if let Packing::Block(positions) = self.packing
            && !(positions.is_power_of_two() && positions <= largest)
        {
            return Err(refuse("packing", self.packing, format!("a block of a power of two, at most {largest}")));
        }
        if let Some(bits) = self.input_bits.filter(|b| !SCALE_BITS.contains(b)) {
            let expected = format!("between {} and {}", SCALE_BITS.start(), SCALE_BITS.end());
            return Err(refuse("input_bits", bits, expected));
        }
        if let Some(bits) = self.weight_bits.filter(|b| !(MIN_WEIGHT_BITS..=MAX_WEIGHT_BITS).contains(b)) {
            return Err(refuse("weight_bits", bits, format!("between {MIN_WEIGHT_BITS} and {MAX_WEIGHT_BITS}")));
        }
        if let Some(share) = self.agreement.filter(|a| !(0.5..1.0).contains(a)) {
            return Err(refuse("agreement", share, "at least 0.5, and below 1"));
        }
        for (option, value, low) in [
            ("logit_error", self.logit_error, f64::MIN_POSITIVE),
            ("vertex_limit", self.vertex_limit, 0.0),
            ("range_safety", self.range_safety, 1.0),
        ] {
            if !value.is_finite() || value < low {
                return Err(refuse(option, value, format!("a finite number of at least {low:e}")));
            }
        }
        Ok(())
    }
}

fn refuse(option: &'static str, found: impl ToString, expected: impl Into<String>) -> Error {
    Error::Option { option, found: found.to_string(), expected: expected.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_round_trip_and_missing_ones_take_their_default() {
        let options = Options { batch: 100, weight_bits: Some(9), ..Options::default() };
        let json = serde_json::to_string(&options).unwrap();
        assert_eq!(serde_json::from_str::<Options>(&json).unwrap(), options);
        assert_eq!(serde_json::from_str::<Options>("{}").unwrap(), Options::default());
        assert!(serde_json::from_str::<Options>(r#"{"securitee": 128}"#).is_err());
    }

    #[test]
    fn options_out_of_range_are_refused_by_name() {
        let good = Options::default();
        assert!(good.check().is_ok());
        for (bad, name) in [
            (Options { security: 100, ..good.clone() }, "security"),
            (Options { batch: 0, ..good.clone() }, "batch"),
            (Options { batch: usize::MAX, ..good.clone() }, "batch"),
            (Options { packing: Packing::Block(3), ..good.clone() }, "packing"),
            (Options { input_bits: Some(3), ..good.clone() }, "input_bits"),
            (Options { weight_bits: Some(33), ..good.clone() }, "weight_bits"),
            (Options { logit_error: f64::NAN, ..good.clone() }, "logit_error"),
            (Options { logit_error: 0.0, ..good.clone() }, "logit_error"),
            (Options { agreement: Some(1.0), ..good.clone() }, "agreement"),
            (Options { vertex_limit: -1.0, ..good.clone() }, "vertex_limit"),
            (Options { range_safety: 0.5, ..good.clone() }, "range_safety"),
        ] {
            let message = bad.check().unwrap_err().to_string();
            assert!(message.contains(&format!("`{name}`")), "{message}");
        }
    }
}
