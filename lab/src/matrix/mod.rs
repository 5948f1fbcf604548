//! Experiments as matrices: a base experiment, axes of named variations, one row of results for
//! each combination.

mod cost_plot;
mod encrypted_run;
mod headline;
mod headline_plot;
mod matrix_folder;
mod packing_results;
mod packing_runs;
mod packing_study;
mod planned;
mod plots;
mod results;
mod run_filter;
mod runner;
mod spec;
mod statistics;
mod table;

pub use encrypted_run::EncryptedFigures;
pub use matrix_folder::claim;
pub use packing_results::{PackingResults, packing_outputs};
pub use packing_runs::{PackingRow, measure as measure_packings};
pub use packing_study::{ClaimedSaving, PackingStudy};
pub use planned::{Axis, AxisVariation, PlannedRun};
pub use plots::plots;
pub use results::{ResultRow, Results, Row, Rows, RunOutcome};
pub use run_filter::RunFilter;
pub use runner::{Runner, finished_rows};
pub use spec::{Comparison, Matrix};
pub use statistics::Spread;
pub use table::{Difference, Summary, TableCell, markdown, summarise};
