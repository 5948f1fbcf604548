//! Experiments as matrices: a base experiment, axes of named variations, one row of results for
//! each combination.

mod cost_plot;
mod encrypted_run;
mod matrix_folder;
mod plots;
mod results;
mod run_filter;
mod runner;
mod spec;
mod statistics;
mod table;

pub use encrypted_run::EncryptedFigures;
pub use matrix_folder::claim;
pub use plots::plots;
pub use results::{ResultRow, Results, RunOutcome};
pub use run_filter::RunFilter;
pub use runner::{Runner, finished_rows};
pub use spec::{Axis, AxisVariation, Comparison, Matrix, PlannedRun};
pub use statistics::Spread;
pub use table::{Difference, Summary, TableCell, markdown, summarise};
