//! The two languages of the toolchain: [`Model`] (trainer -> compiler) and [`Program`] (compiler -> runtime), with
//! their files. Plain data with checked invariants; this crate must never know Burn, a ciphertext or a key.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod ckks;
pub mod container;
mod error;
mod model;
mod sparse;
mod tensor;
mod tfhe;

pub use ckks::{
    Alternative, Interface, LayerNote, LinearTerm, Machine, Outcome, Outline, OutlineStep, ParameterSet, Part, Program,
    ProgramLiteral, Schedule, Signature, Step, StepKind, StepOp, ValueId, ValueInfo, dump, infer, load_interface,
    load_program, program_hash, save_interface, save_program, schedule,
};
pub use error::{Error, Result};
pub use model::{
    Accuracy, Activation, Conv2d, InputSpec, Layer, LayerOp, Linear, Model, ModelLiteral, Polynomial, Pool2d, Range,
    Trace, evaluate, evaluate_traced, load_model, save_model,
};
pub use sparse::SparseMatrix;
pub use tensor::{Shape, Tensor};
pub use tfhe::{
    DECOMPOSITIONS, Levels, LookupInterface, LookupLiteral, LookupParameters, LookupProgram, LookupSet,
    LookupSignature, SET, Stage, evaluate_lookup, load_lookup, load_lookup_interface, lookup_hash, quantise_pixels,
    save_lookup, save_lookup_interface,
};
