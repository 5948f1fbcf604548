//! Experiments as matrices: a base experiment, axes of named variations, one row of results for each combination. Must never
//! print a figure that no run measured.

mod cost;
mod encrypted;
mod figures;
mod matrix;
mod only;
mod plots;
mod run;
mod store;
mod table;

pub(crate) use matrix::{Matrix, Planned};
pub(crate) use only::Only;
pub(crate) use plots::plots;
pub(crate) use run::{Runner, finished_rows};
pub(crate) use store::{Row, Store};
pub(crate) use table::{markdown, summarise};
