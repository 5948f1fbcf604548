//! Measures what the toolchain does on this machine: kernels against the processor's peak, a whole network against the
//! same network in plain f32, sweeps over batch, depth, ring and sparsity. Must never judge a time by the clock alone:
//! checks compare ratios within one run.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod baseline_f32;
mod break_even;
mod calibrate;
mod checks;
mod end_to_end;
mod error;
mod fixtures;
mod kernels;
mod op_counts;
mod report;
mod sweep;
mod timing;

pub use baseline_f32::Plain;
pub use break_even::{BackendFigures, BackendPoint, Side};
#[cfg(feature = "tfhe")]
pub use break_even::{Case, backends};
pub use calibrate::calibrate;
pub use checks::{Check, checks};
pub use end_to_end::{Memory, NetworkFigures, PlainFigures, Setting, network};
pub use error::{Error, Result};
pub use fixtures::random_network::{Recipe, images, pixels, random};
pub use kernels::{KernelFigures, PassFigures, kernels};
pub use op_counts::{OperationFigures, PartFigures};
pub use report::{
    Table, backend_plots, backend_tables, check_table, fill, kernel_tables, network_tables, plots, sweep_tables,
};
pub use sweep::{BatchPoint, DepthPoint, RingPoint, SparsityPoint, SweepFigures, batch, depth, ring, sparsity, sweep};
pub use timing::{Effort, Sample};
