//! Internal crate of beaa: trains a ReLU teacher with Burn, distils it into a student whose
//! activations are quadratics, and gives both in the model language. It knows no ciphertext: no
//! crate of homomorphic encryption is a dependency.
#![warn(clippy::missing_errors_doc)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod compress;
mod config;
mod data;
mod device;
mod distil;
mod error;
mod model;
mod ops;
mod predict;
mod random;
mod session;
mod train;
mod trainer;

pub use config::*;
pub use device::find_device;
pub use distil::activation_stats::PolynomialSample;
pub use error::{Error, Problem, Result};

pub use predict::predict;
pub use train::checkpoint::remove_checkpoints;
pub use train::completion::{Completion, Interruption};
pub use train::evaluate::{Answers, LabelledLogits};
pub use train::events::{EpochMetrics, Event, Observer, Phase, Silent};
pub use train::student::Trained;
pub use trainer::Trainer;
