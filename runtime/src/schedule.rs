//! What this machine's threads and the scheme's tiles make of a program's schedule. Must never decide anything itself: the
//! compiler chose bands by the same account.

use beaa_ckks::{CHUNK, TILE};
use beaa_ir::ckks::{MemoryModel, Program, ProgramShape, Schedule, schedule};

/// The schedule; without `fuse` every step is a part of its own, so that each value can be looked at.
pub fn plan(program: &Program, fuse: bool) -> Schedule {
    let machine = MemoryModel { threads: rayon::current_num_threads(), tile: TILE, chunk: CHUNK, input_in_place: fuse };
    schedule(&ProgramShape::from(program), &machine, fuse)
}
