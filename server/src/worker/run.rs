//! One run, as `beaa run` does it: the same functions of the runtime, and so the same bits.

use std::path::Path;

use beaa_cuda::CudaDevice;
use beaa_ir::ckks::{self, Program};
use beaa_runtime::ckks::{EncryptedInput, PreparedProgram, ServerKey};

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

/// Runs the job of a lease, on a card if there is one, and writes its answers to `file`.
pub(super) fn run(
    store: &Store,
    lease: &Lease,
    (program, card): (&PreparedProgram<&Program>, Option<&CudaDevice>),
    file: &Path,
    progress: &JobProgress,
) -> Result<()> {
    let job = &lease.job.view;
    let key = job.key.as_ref().map(|sha256| ServerKey::load(&store.blob(sha256))).transpose()?;
    let input = EncryptedInput::load(&store.blob(&job.images_sha256))?;
    progress.set_batches(input.batches());
    let (answers, _) = match card {
        Some(card) => beaa_cuda::run_to_file(card, program, file, key.as_ref(), &input, progress)?,
        None => program.run_to_file(file, key.as_ref(), &input, progress)?,
    };
    answers.commit()?;
    Ok(())
}
