//! One run, as `beaa run` does it: the same functions of the runtime, and so the same bits.

use std::path::Path;

use beaa_runtime::ckks::{ArrangedWeights, EncryptedInput};

use super::Work;
use super::loaded::LoadedProgram;
use super::plan::Plan;
use super::progress::JobProgress;
use crate::Result;
use crate::store::Lease;

/// Runs the job of a lease, on the worker's card if it has one, and writes its answers to `file`.
/// What the card has no memory for, or fails to run, the processor runs: the bits are the same.
/// Weights and key stay for the next job where the plan says so.
pub(super) fn run(
    work: &Work,
    lease: &Lease,
    (program, plan): (&mut LoadedProgram, Plan),
    file: &Path,
    progress: &JobProgress,
) -> Result<()> {
    let (store, job) = (&work.store, &lease.job.view);
    let input = EncryptedInput::load(&store.blob(&job.images_sha256))?;
    progress.set_batches(input.batches());
    let (left, loaded) = program.take(store, job.key.as_ref())?;
    let key = loaded.as_ref().map(|loaded| &loaded.key);
    if let Some(card) = &work.card {
        // Weights are arranged for the card, where they are needed.
        let prepared = program.prepared(None, ArrangedWeights::PerPart)?;
        match beaa_cuda::run_to_file(card, &prepared, file, key, &input, progress) {
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
    let prepared = program.prepared(left, plan.weights)?;
    let (answers, _) = prepared.run_to_file(file, key, &input, progress)?;
    answers.commit()?;
    if plan.keeps {
        program.keep(prepared, loaded);
    }
    Ok(())
}
