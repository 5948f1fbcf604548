//! The language between compiler and runtime for the `tfhe` backend: small integers, linear maps,
//! one look-up table per element. The program and its checker, its meaning, the parameters, files,
//! and the client's side.

mod check;
mod evaluate;
mod file;
mod parameters;
mod program;

pub use evaluate::{PlainOutputs, evaluate, quantise_pixels};
pub use file::{SignatureFile, load_program, load_signature, program_hash, save_program, save_signature};
pub use parameters::{DECOMPOSITIONS, PARAMETER_SET, ParameterSet};
pub use program::{Parameters, Program, ProgramLiteral, Signature, Stage};
