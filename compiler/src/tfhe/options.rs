//! What the user may ask of the lowering for the `tfhe` backend.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// What the user may ask of the lowering.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// The share of samples, other than those calibrated on, that must keep the class that the
    /// model gives them.
    pub agreement: f64,
    /// Bits of a table's entries, 2 to 6; searched when absent.
    pub activation_bits: Option<u32>,
    /// Bits of a pixel, for a model that was trained on such; searched when absent.
    pub pixel_bits: Option<u32>,
    /// log2 of the largest probability that any integer of one image comes out wrong.
    pub log2_failure: f64,
    /// How much wider than seen on samples the sums of later stages may get before they wrap.
    pub margin: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self { agreement: 0.985, activation_bits: None, pixel_bits: None, log2_failure: -40.0, margin: 1.25 }
    }
}

impl Options {
    /// Refuses what makes no sense.
    ///
    /// # Errors
    /// [`Error::Option`] for the first option that is out of range.
    pub fn check(&self) -> Result<()> {
        let refuse =
            |option, found: String, expected: &str| Err(Error::Option { option, found, expected: expected.into() });
        if !(0.0..1.0).contains(&self.agreement) {
            return refuse("agreement", self.agreement.to_string(), "at least 0, and below 1");
        }
        if self.activation_bits.is_some_and(|b| !(2..=6).contains(&b)) {
            return refuse("activation_bits", format!("{:?}", self.activation_bits), "2 to 6");
        }
        if self.pixel_bits.is_some_and(|b| !(1..=8).contains(&b)) {
            return refuse("pixel_bits", format!("{:?}", self.pixel_bits), "1 to 8");
        }
        if !(-128.0..=-10.0).contains(&self.log2_failure) {
            return refuse("log2_failure", self.log2_failure.to_string(), "-128 to -10");
        }
        if !(1.0..=16.0).contains(&self.margin) {
            return refuse("margin", self.margin.to_string(), "1 to 16");
        }
        Ok(())
    }
}
