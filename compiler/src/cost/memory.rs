//! The machine whose memory programs are planned for.

use beaa_ckks::{CHUNK, HELD_WORDS, SHORTEST_PERIOD, TILE};
use beaa_ir::ckks::MemoryModel;

/// Threads that memory is planned for: more than most machines have, and each takes a few megabytes
/// only.
const THREADS: usize = 16;

/// What schedules are made for here; a run makes its schedule for the threads that it has.
pub(crate) const PLANNED_MEMORY: MemoryModel = MemoryModel {
    threads: THREADS,
    tile: TILE,
    chunk: CHUNK,
    shortest_period: SHORTEST_PERIOD,
    held_words: HELD_WORDS,
    input_in_place: true,
    arranged_weights_kept: false,
};
