//! One run, as `beaa run` does it: the same functions of the runtime, and so the same bits.

use std::path::Path;

use beaa_ir::ckks::{self, Program};
use beaa_runtime::ckks::{ArrangedWeights, EncryptedInput, PreparedProgram, ServerKey};

use super::Work;
use super::progress::JobProgress;
use crate::Result;
use crate::store::{Lease, Store};

/// The program that ran last: the next job is often of the same.
pub(super) struct LoadedProgram {
    pub(super) program: Program,
    fingerprint: String,
}

impl LoadedProgram {
    /// The program of that fingerprint: the one that is `loaded`, or read from the store.
    pub(super) fn of(store: &Store, fingerprint: &str, loaded: Option<Self>) -> Result<Self> {
        if let Some(loaded) = loaded.filter(|loaded| loaded.fingerprint == fingerprint) {
            return Ok(loaded);
        }
        let stored = store.program_of_job(fingerprint)?;
        let program = ckks::load_program(&store.blob(&stored.file))?;
        Ok(Self { program, fingerprint: fingerprint.to_owned() })
    }
}

/// Runs the job of a lease, on the worker's card if it has one, and writes its answers to `file`.
/// What the card has no memory for, or fails to run, the processor runs: the bits are the same.
pub(super) fn run(
    work: &Work,
    lease: &Lease,
    (program, weights): (&LoadedProgram, ArrangedWeights),
    file: &Path,
    progress: &JobProgress,
) -> Result<()> {
    let (store, job) = (&work.store, &lease.job.view);
    let key = job.key.as_ref().map(|sha256| ServerKey::load(&store.blob(sha256))).transpose()?;
    let input = EncryptedInput::load(&store.blob(&job.images_sha256))?;
    progress.set_batches(input.batches());
    if let Some(card) = &work.card {
        // Weights are arranged for the card, where they are needed.
        let prepared = PreparedProgram::new(&program.program, ArrangedWeights::PerPart)?;
        match beaa_cuda::run_to_file(card, &prepared, file, key.as_ref(), &input, progress) {
            Ok((answers, _)) => {
                answers.commit()?;
                return Ok(());
            }
            Err(beaa_runtime::Error::Device(error)) => {
                tracing::warn!(job = %job.id, card = card.name(), "running on the processor instead: {error}");
            }
            Err(error) => return Err(error.into()),
        }
    }
    let prepared = PreparedProgram::new(&program.program, weights)?;
    let (answers, _) = prepared.run_to_file(file, key.as_ref(), &input, progress)?;
    answers.commit()?;
    Ok(())
}
