//! What a server does: run a program on ciphertexts with the evaluation key. It takes no secret
//! key, and holds none.

use beaa_ir::ckks::Program;

use super::{ArrangedWeights, EncryptedInput, EncryptedOutput, PreparedProgram, RunReport, ServerKey};
use crate::{Progress, Result};

/// Runs `program` once on each batch of encrypted images, on all threads of the current pool.
/// [`PreparedProgram`] runs it many times.
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
    let prepared = PreparedProgram::new(program, ArrangedWeights::PerPart)?;
    let (output, report) = prepared.run(key, input, progress)?;
    Ok((output, RunReport { seconds: prepared.seconds() + report.seconds, ..report }))
}
