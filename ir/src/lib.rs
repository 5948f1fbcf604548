//! The two languages of the toolchain: [`Model`] (trainer -> compiler) and [`Program`] (compiler -> runtime), with
//! their files. Plain data with checked invariants; this crate must never know Burn, a ciphertext or a key.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod ckks;
pub mod container;
mod error;
pub mod images;
mod model;
mod sparse;
pub mod stats;
mod tensor;
pub mod text;
pub mod tfhe;

pub use error::{Error, Result};
pub use model::{
    Accuracy, Activation, Conv2d, InputSpec, Layer, LayerOp, Linear, Model, ModelLiteral, Polynomial, Pool2d,
    Provenance, Range, Trace, TrainingData, WeightGrid, evaluate, evaluate_traced, load_model, output_shape,
    save_model,
};
pub use sparse::SparseMatrix;
pub use tensor::{Shape, Tensor};
