//! Seeds. Every use has a stream of its own, so that tests in parallel threads and resumed runs
//! draw the same numbers.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// What the numbers are for; separates the streams of one seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// First weights.
    Weights = 1,
    /// Augmentation of a teacher's batch.
    AugmentTeacher = 2,
    /// Augmentation of a student's batch.
    AugmentStudent = 3,
}

/// Gives the generator for `purpose` in `epoch` at `step` (both below 2^24; higher bits are cut).
pub(crate) fn stream(seed: u64, purpose: Purpose, epoch: usize, step: usize) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream((purpose as u64) << 48 | (epoch as u64 & 0xff_ffff) << 24 | (step as u64 & 0xff_ffff));
    rng
}

/// Epoch numbers for [`beaa_datasets::shuffled`], apart for each use.
pub(crate) mod order {
    /// The order of the teacher's epoch `e`.
    pub(crate) fn teacher(e: usize) -> u64 {
        e as u64
    }
    /// The order of the student's epoch `e`.
    pub(crate) fn student(e: usize) -> u64 {
        1 << 32 | e as u64
    }
    /// Choice of a limited number of images.
    pub(crate) const LIMIT: u64 = 1 << 40;
}
