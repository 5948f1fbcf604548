//! The configuration of an experiment: as written, checked, and what makes a student cheaper.

mod check;
mod compression;
mod literal;

pub use check::TrainConfig;
pub use compression::{LayerPruning, PruneConfig, PruneScope, PruneScore, QuantiseConfig};
pub use literal::{
    AddConfig, Augmentation, AvgPoolConfig, BatchNormConfig, CoefficientInit, Conv2dConfig, DataConfig, DeviceKind,
    LayerConfig, LinearConfig, OptimiserConfig, OptimiserKind, Outputs, Pair, Replacement, StudentActivation,
    StudentConfig, TeacherConfig, Text, TrainLiteral,
};
