//! Experiments as matrices: a base experiment, axes of named variations, one row of results for each combination. Must never
//! print a figure that no run measured.

mod cost_plot;
mod encrypted_run;
mod plots;
mod results;
mod run_filter;
mod runner;
mod spec;
mod statistics;
mod table;

pub use encrypted_run::Encrypted;
pub use plots::plots;
pub use results::{Outcome, Row, Store};
pub use run_filter::Only;
pub use runner::{Runner, finished_rows};
pub use spec::{Axis, Comparison, Matrix, Planned, Variation};
pub use statistics::Figures;
pub use table::{Cell, Difference, Summary, markdown, summarise};
