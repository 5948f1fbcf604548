//! What a server does: run a program on ciphertexts with the evaluation key. There is no way to hand it a secret, and
//! there must never be one.

use std::time::Instant;

use beaa_ir::ckks::{Program, program_hash};
use serde::Serialize;

use super::ciphertexts::{CiphertextHeader, expect_key, expect_program};
use super::{CkksBackend, CkksValue, EncryptedInput, EncryptedOutput, ServerKey, schedule};
use crate::execute::{LayerTime, execute};
use crate::{Progress, Result};

/// What a run took.
#[derive(Debug, Clone, Serialize)]
pub struct RunReport {
    /// Part by part.
    pub layers: Vec<LayerTime>,
    /// Wall-clock seconds in all.
    pub seconds: f64,
    /// Bytes of ciphertexts at the worst moment, as planned.
    pub peak_bytes_planned: u64,
}

/// Runs `program` on encrypted images.
pub fn run(
    program: &Program,
    key: &ServerKey,
    input: &EncryptedInput,
    progress: &dyn Progress,
) -> Result<(EncryptedOutput, RunReport)> {
    let started = Instant::now();
    let signature = program.signature();
    key.expect_parameters("running a program", &signature.parameters)?;
    let fingerprint = program_hash(program);
    expect_program("running a program", input.header(), &fingerprint)?;
    expect_key("running a program", input.header(), key.id())?;
    let schedule = schedule(program);
    tracing::info!(parts = schedule.parts.len(), peak_bytes = schedule.peak_bytes, "schedule");
    let first = CkksValue::packed(input.packed(&key.parameters)?, signature.input_scale);
    let backend = CkksBackend::new(&key.parameters, &key.key)?;
    let (output, layers) = execute(&backend, program, &schedule, first, progress, |_, _| Ok(()))?;
    let output = output.batch()?;
    let header = CiphertextHeader {
        program: fingerprint,
        key: key.id().into(),
        images: input.images(),
        ciphertexts: output.len(),
        limbs: output.limbs(),
        stored_components: output.components(),
        seed: None,
    };
    let output = EncryptedOutput::pack(header, &key.parameters, &output)?;
    let report =
        RunReport { layers, seconds: started.elapsed().as_secs_f64(), peak_bytes_planned: schedule.peak_bytes };
    Ok((output, report))
}
