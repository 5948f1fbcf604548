//! Lowers a [`Model`](beaa_ir::Model) to a [`Program`](beaa_ir::Program) of homomorphic operations, and says what it will cost and how precise it
//! will be. Must never see a ciphertext, a key or an image.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod balance;
mod bounds;
mod clock;
mod cost;
mod emit;
mod error;
mod explain;
mod facts;
mod forecast;
mod graph;
mod import;
mod integers;
mod levels;
mod machine;
mod matrix;
mod merge;
mod noise;
mod options;
mod pipeline;
mod predict;
mod primes;
mod report;
mod search;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod vertex;

pub use error::{Error, Result, UnsupportedLayer};
pub use explain::explain;
pub use forecast::{Forecast, forecast};
pub use machine::{Machine, MachineError, MachineLiteral, Rates};
pub use options::Options;
pub use pipeline::compile;
pub use report::{LayerCost, PassTime, Report, Totals, cost};

/// What a compilation makes.
#[derive(Debug, Clone)]
pub struct Compiled {
    /// The program, with the signature that a client needs.
    pub program: beaa_ir::Program,
    /// What it costs and how precise it is.
    pub report: Report,
}
