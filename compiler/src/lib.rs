//! Lowers a [`Model`](beaa_ir::Model) to a [`Program`](beaa_ir::ckks::Program) of homomorphic operations, and says what it will cost and how precise it
//! will be. Must never see a ciphertext, a key or an image.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod balance;
mod bands;
mod bounds;
mod clock;
mod cost;
mod dead;
mod emit;
mod error;
mod explain;
mod facts;
mod forecast;
#[cfg(test)]
mod golden;
mod graph;
mod grid;
mod import;
mod integers;
mod levels;
mod lookup;
mod machine;
mod matrix;
mod merge;
mod noise;
mod options;
mod pipeline;
mod predict;
mod primes;
#[cfg(test)]
mod random;
mod report;
mod samples;
mod search;
mod settle;
mod target;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod trace;
mod vertex;
mod why;

pub use error::{Error, Result, UnsupportedLayer};
pub use explain::{explain, explain_choices};
pub use forecast::{Forecast, forecast};
pub use lookup::{LookupCompiled, LookupOptions, LookupReport, StageReport, compile_lookup, explain_lookup};
pub use machine::{LookupRates, Machine, MachineError, MachineLiteral, Rates};
pub use options::Options;
#[doc(hidden)]
pub use pipeline::compile_without_security;
pub use pipeline::{compile, compile_for};
pub use report::{LayerCost, PassTime, Report, Totals, cost};

/// What a compilation makes.
#[derive(Debug, Clone)]
pub struct Compiled {
    /// The program, with the signature that a client needs.
    pub program: beaa_ir::ckks::Program,
    /// What it costs and how precise it is.
    pub report: Report,
}
