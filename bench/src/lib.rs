//! Measures what the toolchain does on this machine: kernels against the processor's peak, a whole network against the
//! same network in plain f32, sweeps over batch, depth, ring and sparsity. Must never judge a time by the clock alone:
//! checks compare ratios within one run.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod account;
mod calibrate;
mod check;
mod clock;
mod crossing;
mod docs;
mod error;
mod kernels;
#[cfg(feature = "tfhe")]
mod lookup;
mod network;
mod operands;
mod plain;
mod plots;
mod prepared;
mod run;
mod sweep;
mod text;

pub use account::{OperationFigures, PartFigures};
pub use calibrate::calibrate;
pub use check::{Check, checks};
pub use clock::{Effort, Sample};
pub use crossing::{BackendFigures, BackendPoint, Side};
pub use docs::fill;
pub use error::{Error, Result};
pub use kernels::{KernelFigures, PassFigures, kernels};
#[cfg(feature = "tfhe")]
pub use lookup::{Case, backends};
pub use network::{Recipe, images, pixels, random};
pub use plain::Plain;
pub use plots::{backend_plots, plots};
pub use run::{Memory, NetworkFigures, PlainFigures, Setting, network};
pub use sweep::{BatchPoint, DepthPoint, RingPoint, SparsityPoint, SweepFigures, batch, depth, ring, sparsity, sweep};
pub use text::{Table, backend_tables, check_table, kernel_tables, network_tables, sweep_tables};
