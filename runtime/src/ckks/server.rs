//! What a server does: run a program on ciphertexts with the evaluation key. It takes no secret
//! key, and holds none.

use beaa_ir::ckks::Program;
use serde::Serialize;

use super::{ArrangedWeights, EncryptedInput, EncryptedOutput, PreparedProgram, ServerKey};
use crate::execute::LayerTime;
use crate::{Progress, Result};

/// What a run took.
#[derive(Debug, Clone, Serialize)]
pub struct RunReport {
    /// Part by part.
    pub layers: Vec<LayerTime>,
    /// Wall-clock seconds in all.
    pub seconds: f64,
    /// Bytes of program, evaluation key and ciphertexts at the worst moment, as planned.
    pub peak_bytes_planned: u64,
}

/// Runs `program` once on encrypted images, on all threads of the current pool. [`PreparedProgram`]
/// runs it many times.
///
/// # Errors
/// When the key has other parameters than the program, when the images are encrypted for another
/// program or under another key, or when their file is damaged.
pub fn run(
    program: &Program,
    key: &ServerKey,
    input: &EncryptedInput,
    progress: &dyn Progress,
) -> Result<(EncryptedOutput, RunReport)> {
    PreparedProgram::new(program, ArrangedWeights::PerPart)?.run(key, input, progress)
}
