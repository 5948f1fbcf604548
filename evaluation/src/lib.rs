//! Internal crate of beaa: samples as a network takes them, their labels, and how good answers are;
//! whatever of it a client needs as well as an experiment.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod classes;
mod error;
pub mod files;
pub mod labels;
pub mod metrics;
pub mod model_images;
mod reporter;

pub use error::{Fault, bad_input, bad_setting, interrupted};
pub use reporter::{Quiet, Reporter};
