//! Internal crate of beaa: the languages between its parts, and their files. A [`Model`] goes from
//! the trainer to the compiler, a [`ckks::Program`] or a [`tfhe::Program`] from the compiler to the
//! runtime. Plain data with checked invariants; neither Burn nor a ciphertext nor a key is known
//! here.

#![warn(clippy::missing_errors_doc)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod ckks;
mod class_map;
mod classes;
pub mod container;
mod error;
pub mod images;
mod model;
mod payload;
pub mod promise;
mod scattered;
mod sparse;
pub mod stats;
mod tensor;
pub mod text;
pub mod tfhe;

pub use class_map::ClassMap;
pub use classes::Classes;
pub use error::{Error, Result};
pub use model::{
    Accuracy, Activation, Conv2d, InputSpec, InputValues, Layer, LayerOp, Linear, Model, ModelLiteral, OutOfRange,
    Polynomial, Pool2d, Provenance, Range, RealChannels, Trace, TrainingData, WeightGrid, evaluate, evaluate_traced,
    is_model, load_model, model_from_bytes, model_to_bytes, output_shape, save_model, window_positions,
};
pub use scattered::{Scattered, compose_scattered};
pub use sparse::SparseMatrix;
pub use tensor::{Shape, Tensor};
