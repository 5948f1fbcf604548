//! The language between compiler and runtime for the `tfhe` backend: small integers, linear maps, one look-up table per
//! element. The program and its checker, its meaning, the parameters, files, and the client's side.

mod check;
mod evaluate;
mod file;
mod parameters;
mod program;

pub use evaluate::{Levels, evaluate_lookup, quantise_pixels};
pub use file::{load_lookup, load_lookup_interface, lookup_hash, save_lookup, save_lookup_interface};
pub use parameters::{DECOMPOSITIONS, LookupSet, SET};
pub use program::{LookupInterface, LookupLiteral, LookupParameters, LookupProgram, LookupSignature, Stage};
