//! The two languages of the toolchain: [`Model`] (trainer -> compiler) and [`Program`] (compiler -> runtime), with
//! their files. Plain data with checked invariants; this crate must never know Burn, a ciphertext or a key.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod container;
mod error;
mod evaluate;
mod interface;
mod lookup;
mod model;
mod model_file;
mod program;
mod program_check;
mod program_file;
mod program_text;
mod schedule;
mod shapes;
mod sparse;
mod tensor;

pub use error::{Error, Result};
pub use evaluate::{Trace, evaluate, evaluate_traced};
pub use interface::{Interface, load_interface, save_interface};
pub use lookup::{
    DECOMPOSITIONS, Levels, LookupInterface, LookupLiteral, LookupParameters, LookupProgram, LookupSet,
    LookupSignature, SET, Stage, evaluate_lookup, load_lookup, load_lookup_interface, lookup_hash, quantise_pixels,
    save_lookup, save_lookup_interface,
};
pub use model::{
    Accuracy, Activation, Conv2d, InputSpec, Layer, LayerOp, Linear, Model, ModelLiteral, Polynomial, Pool2d, Range,
};
pub use model_file::{load_model, save_model};
pub use program::{
    Alternative, LayerNote, LinearTerm, Outcome, ParameterSet, Program, ProgramLiteral, Signature, Step, StepOp,
    ValueId,
};
pub use program_check::{ValueInfo, infer};
pub use program_file::{load_program, program_hash, save_program};
pub use program_text::dump;
pub use schedule::{Machine, Outline, OutlineStep, Part, Schedule, StepKind, schedule};
pub use sparse::SparseMatrix;
pub use tensor::{Shape, Tensor};
