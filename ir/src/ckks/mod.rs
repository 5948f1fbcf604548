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
    Alternative, LayerNote, LinearTerm, Outcome, ParameterSet, Program, ProgramLiteral, Signature, Step, StepOp,
    ValueId,
};
pub use schedule::{Machine, Outline, OutlineStep, Part, Schedule, StepKind, schedule};
pub use signature::{Interface, load_interface, save_interface};
pub use text::dump;
