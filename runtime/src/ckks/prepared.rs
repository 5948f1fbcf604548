//! The schedule of a program on this machine's threads, with the scheme's tiles: by the same account the compiler chose
//! bands.

use beaa_ckks::{CHUNK, TILE};
use beaa_ir::ckks::{MemoryModel, Program, ProgramShape, Schedule};

/// The schedule by which [`run`](super::run) runs `program`.
pub fn schedule(program: &Program) -> Schedule {
    let machine = MemoryModel { threads: rayon::current_num_threads(), tile: TILE, chunk: CHUNK, input_in_place: true };
    beaa_ir::ckks::schedule(&ProgramShape::from(program), &machine, true)
}
