//! Trains a ReLU teacher and distils it into a student whose activations are quadratics, with Burn, and writes both in the
//! model language. It must never know a ciphertext: no crate of homomorphic encryption is a dependency.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod augment;
mod check;
mod checkpoint;
mod codesign;
mod config;
mod data;
mod device;
mod error;
mod feed;
mod fit;
mod given;
mod initial;
mod inputs;
mod learn;
mod loss;
mod masks;
mod measure;
mod network;
mod objective;
mod observe;
mod ops;
mod optim;
mod polynomial;
mod predict;
mod prune;
mod quantise;
mod random;
mod run;
mod student;

pub use check::TrainConfig;
pub use codesign::{LayerPruning, PruneConfig, PruneScope, PruneScore, QuantiseConfig};
pub use config::{
    AddConfig, Augmentation, AvgPoolConfig, BatchNormConfig, CoefficientInit, Conv2dConfig, DataConfig, DeviceKind,
    LayerConfig, LinearConfig, OptimiserConfig, OptimiserKind, Outputs, Pair, Replacement, StudentActivation,
    StudentConfig, TeacherConfig, Text, TrainLiteral,
};
pub use device::find_device;
pub use error::{Error, Problem, Result};
pub use inputs::PolynomialSample;
pub use observe::{EpochMetrics, Event, Observer, Phase, Silent};
pub use polynomial::Polynomial;
pub use predict::predict;
pub use run::{Outcome, Taught, Trained, distil, teach, train};
