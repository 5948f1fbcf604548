//! Internal crate of beaa: measures what the toolchain does on this machine.
//!
//! Kernels against the processor's peak, a whole network against the same network in plain `f32`,
//! sweeps over batch, depth, ring and sparsity, packings and the two backends side by side, and the
//! rates that predictions use. A time is judged by a ratio within one run ([`checks`]), never by a
//! time of another machine or another day.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod baseline_f32;
mod break_even;
mod calibrate;
mod card;
mod checks;
mod end_to_end;
mod error;
mod kernels;
mod microbench;
mod op_counts;
mod packings;
mod peak_throughput;
mod report;
mod settings;
mod sweep;
mod timing;
mod workloads;

pub use break_even::{BackendCost, BackendFigures, BackendPoint};
#[cfg(feature = "tfhe")]
pub use break_even::{BreakEvenCase, compare_backends};
pub use calibrate::calibrate;
pub use card::{CardFigures, measure_card};
pub use checks::{RatioCheck, checks};
pub use end_to_end::{BaselineFigures, NetworkFigures, measure_network};
pub use error::{Error, Result};
pub use kernels::{KernelFigures, PassFigures, measure_kernels};
pub use op_counts::{OperationFigures, PartFigures};
#[cfg(feature = "tfhe")]
pub use packings::measure_exact;
pub use packings::{PackingFigures, PackingMethod, PackingPoint, PackingTask, measure_packings};
pub use report::{
    Table, backend_plots, backend_tables, card_tables, check_table, fill_page, kernel_tables, network_tables,
    packing_plot, packing_tables, plots, sweep_tables,
};
pub use settings::{BenchSettings, MemoryProbe};
pub use sweep::{BatchPoint, DepthPoint, RingPoint, SparsityPoint, SweepFigures, measure_sweeps};
pub use timing::TimeSample;
pub use workloads::random_network::{NetworkRecipe, random_images, random_network, random_pixels};
