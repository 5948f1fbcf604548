//! Lowers a [`Model`](beaa_ir::Model) to a [`Program`](beaa_ir::ckks::Program) of homomorphic operations, and says what it will cost and how precise it
//! will be. Must never see a ciphertext, a key or an image.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod cost;
mod error;
#[cfg(test)]
mod golden;
mod network;
mod options;
mod pass_timer;
mod passes;
mod pipeline;
mod plan;
#[cfg(test)]
mod random;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod tfhe;

pub use cost::forecast::{Forecast, forecast};
pub use cost::machine::{LookupRates, Machine, MachineError, MachineLiteral, Rates};
pub use cost::report::{LayerCost, PassTime, Report, Totals, cost};
pub use cost::text::{explain, explain_choices};
pub use error::{Error, Result, UnsupportedLayer};
pub use options::Options;
#[doc(hidden)]
pub use pipeline::compile_without_security;
pub use pipeline::{compile, compile_for};
pub use tfhe::{LookupCompiled, LookupOptions, LookupReport, StageReport, compile_lookup, explain_lookup};

/// What a compilation makes.
#[derive(Debug, Clone)]
pub struct Compiled {
    /// The program, with the signature that a client needs.
    pub program: beaa_ir::ckks::Program,
    /// What it costs and how precise it is.
    pub report: Report,
}
