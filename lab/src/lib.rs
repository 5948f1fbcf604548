//! Internal crate of beaa: experiments. Configurations, the network that suits a folder of images,
//! run folders, metrics, matrices of runs with their tables and plots, and the report page of the
//! demonstration.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod auto_config;
pub mod demonstration;
pub mod experiment;
pub mod json_lines;
pub mod matrix;
pub mod report;
mod reporter;
pub mod run_folder;

pub use reporter::TrainingReporter;
