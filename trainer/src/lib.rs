//! Trains a ReLU teacher and distils it into a student whose activations are quadratics, with Burn, and writes both in the
//! model language. It must never know a ciphertext: no crate of homomorphic encryption is a dependency.
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

pub use config::{
    AddConfig, Augmentation, AvgPoolConfig, BatchNormConfig, CoefficientInit, Conv2dConfig, DataConfig, DeviceKind,
    LayerConfig, LayerPruning, LinearConfig, OptimiserConfig, OptimiserKind, Outputs, Pair, PruneConfig, PruneScope,
    PruneScore, QuantiseConfig, Replacement, StudentActivation, StudentConfig, TeacherConfig, Text, TrainConfig,
    TrainLiteral,
};
pub use device::find_device;
pub use distil::activation_stats::PolynomialSample;
pub use error::{Error, Problem, Result};

pub use predict::predict;
pub use train::completion::{Completion, Interruption};
pub use train::events::{EpochMetrics, Event, Observer, Phase, Silent};
pub use train::student::Trained;
pub use trainer::Trainer;
