//! Internal crate of beaa: networks trained elsewhere become [`Model`](beaa_ir::Model)s. It reads
//! ONNX files, and PyTorch state dictionaries with their architecture as JSON. Whatever it does not
//! understand it refuses, and it lists all of that at once.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod error;
mod onnx;
mod options;
mod ranges;
mod state_dict;

pub use error::{Error, Problem, Result};
pub use onnx::{import_onnx, import_onnx_bytes};
pub use options::{Imported, Options};
pub use ranges::measure_ranges;
pub use state_dict::import_state_dict;
