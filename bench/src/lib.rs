//! Measures what the toolchain does on this machine: kernels against the processor's peak, a whole network against the
//! same network in plain f32, sweeps over batch, depth, ring and sparsity. Must never judge a time by the clock alone:
//! checks compare ratios within one run.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod account;
mod calibrate;
mod clock;
mod error;
mod kernels;
mod network;
mod operations;
mod plain;
mod prepared;
mod run;

pub use account::PartFigures;
pub use calibrate::calibrate;
pub use clock::{Effort, Sample};
pub use error::{Error, Result};
pub use kernels::{KernelFigures, PassFigures, kernels};
pub use network::{Recipe, images, random};
pub use operations::OperationFigures;
pub use plain::Plain;
pub use run::{Memory, NetworkFigures, PlainFigures, Setting, network};
