//! The language between compiler and runtime for the `ckks` backend: a program is a list of
//! homomorphic operations on vectors of ciphertexts. The program and its checker, the order of
//! work, text, files, and the client's side.

mod check;
mod check_packing;
mod file;
mod packing;
mod program;
mod reads;
mod schedule;
mod signature;
mod text;
mod value;

pub use check::infer_values;
pub use file::{
    SignatureFile, load_program, load_signature, program_from_bytes, program_hash, program_to_bytes, save_program,
    save_signature, signature_from_bytes, signature_to_bytes,
};
pub use packing::{ClientPacking, Diagonal, Layout, MapSize, PackedMap, Packing, Place, keyed_rotations};
pub use program::{Alternative, AlternativeCost, LayerNote, LinearTerm, Program, ProgramLiteral, Step, StepOp};
pub use reads::ReadElements;
pub use schedule::{MemoryModel, PackedShape, Part, ProgramShape, Schedule, StepShape, schedule};
pub use signature::{ParameterSet, Signature, switching_digits, switching_key_polynomials};
pub use text::dump;
pub use value::{ValueId, ValueInfo};
