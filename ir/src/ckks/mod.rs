//! The language between compiler and runtime for the `ckks` backend: a program is a list of homomorphic operations on
//! vectors of ciphertexts. The program and its checker, the order of work, text, files, and the client's side.

mod check;
mod file;
mod program;
mod schedule;
mod signature;
mod text;

pub use check::{ValueInfo, infer};
pub use file::{load_program, program_hash, save_program};
pub use program::{
    Alternative, AlternativeCost, LayerNote, LinearTerm, ParameterSet, Program, ProgramLiteral, Signature, Step,
    StepOp, ValueId,
};
pub use schedule::{MemoryModel, Part, ProgramShape, Schedule, StepKind, StepShape, schedule};
pub use signature::{SignatureFile, load_signature, save_signature};
pub use text::dump;
