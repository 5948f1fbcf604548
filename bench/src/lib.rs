//! Measures what the toolchain does on this machine: kernels against the processor's peak, a whole network against the
//! same network in plain f32, sweeps over batch, depth, ring and sparsity. Must never judge a time by the clock alone:
//! checks compare ratios within one run.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod account;
mod clock;
mod error;
mod network;
mod operations;
mod plain;
mod run;

pub use account::PartFigures;
pub use clock::{Effort, Sample};
pub use error::{Error, Result};
pub use network::{Recipe, images, random};
pub use operations::OperationFigures;
pub use plain::Plain;
pub use run::{Memory, NetworkFigures, PlainFigures, Setting, network};
