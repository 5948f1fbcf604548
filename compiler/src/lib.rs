//! Internal crate of beaa: lowers a [`Model`](beaa_ir::Model) to a program of homomorphic
//! operations, and says what it will cost and how precise it will be. Two targets share the front
//! half: [`ckks`] runs batches of images, [`tfhe`] single ones.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod cost;
mod error;
mod network;
mod options;
mod packing;
mod pass_runner;
mod passes;
mod pipeline;
mod plan;
mod samples;
#[cfg(test)]
#[allow(dead_code, reason = "shared with the tests of the whole crate")]
#[path = "../tests/kit/mod.rs"]
mod testing;
pub mod tfhe;

pub use cost::machine::{BootstrapRates, Machine, MachineError, MachineLiteral, Rates, plausible_speed_up};
pub use error::{Error, Result, UnsupportedLayer};

/// Programs for the `ckks` backend: one ciphertext holds one element of a feature map for every
/// image of a batch.
pub mod ckks {
    pub use crate::cost::coverage::Coverage;
    pub use crate::cost::forecast::{Forecast, forecast};
    pub use crate::cost::report::{Agreement, LayerCost, PassTime, PlannedImages, Report, Totals, cost};
    pub use crate::cost::text::{explain, explain_choices};
    pub use crate::options::Options;
    pub use crate::packing::Packing;
    pub use crate::pipeline::{Compiled, compile, compile_for, compile_until};
    #[doc(hidden)]
    pub use crate::pipeline::{compile_observed, compile_without_security};
    pub use crate::samples::Samples;
}
