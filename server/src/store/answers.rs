//! Answers: kept by their hash in the transaction that ends the job, so that a job is answered when
//! they are there, and only then.

use std::path::{Path, PathBuf};

use beaa_protocol::{Id, JobState, ProgressView};

use super::database::values;
use super::transitions::{JobEvent, happen};
use super::{Caller, Lease, Store, WorkerId, audit, blobs, holdings, jobs, signed, to_json};
use crate::{Error, RefusalKind, Result};

impl Store {
    /// Where a worker writes answers: named for job and attempt, so that no two write the same.
    pub fn answers_in_work(&self, lease: &Lease) -> PathBuf {
        self.work_folder().join(format!("{}.{}", lease.job.view.id, lease.attempt))
    }

    /// Keeps the answers in `file`, and ends the job; whether it was the worker's still. The file
    /// is gone afterwards. The job's memory is then `keeper`'s, if there is one.
    ///
    /// # Errors
    /// When the file cannot be read or kept; the job is as it was then.
    pub fn answer(
        &self,
        lease: &Lease,
        file: &Path,
        progress: &ProgressView,
        keeper: Option<&WorkerId>,
        now: i64,
    ) -> Result<bool> {
        blobs::synchronise(file)?;
        let (sha256, bytes) = blobs::hash_of(file)?;
        let text = to_json(progress)?;
        let answered = self.while_leased(lease, |transaction, job| {
            self.adopt(transaction, file, &sha256, bytes)?;
            transaction.execute(
                "noting answers",
                "UPDATE jobs SET answers_sha256 = ?, answers_bytes = ?, progress = ? WHERE seq = ?",
                values![sha256.bytes(), signed(bytes), &text, job.seq],
            )?;
            if let (Some(worker), Some(bytes)) = (keeper, job.view.planned_bytes) {
                holdings::hold(transaction, worker, bytes, now)?;
            }
            happen(transaction, job.seq, JobEvent::Answer, now)?;
            audit::note(transaction, Some(job.tenant), "server", "job answered", &job.view.id.to_string())
        })?;
        blobs::remove(file)?;
        Ok(answered)
    }

    /// The file of a job's answers, its size and its hash in text.
    ///
    /// # Errors
    /// [`RefusalKind::NotFound`] without such a job of the tenant, [`RefusalKind::Conflict`] before
    /// it is answered.
    pub fn answers(&self, caller: &Caller, id: &Id) -> Result<(PathBuf, u64, String)> {
        self.read(|transaction| {
            let job = jobs::by_id(transaction, caller.tenant, id)?.view;
            match (job.answers_sha256, job.answers_bytes) {
                (Some(sha256), Some(bytes)) if job.state == JobState::Answered => {
                    Ok((self.blob(&sha256), bytes, sha256.to_string()))
                }
                _ => Err(Error::refused(
                    RefusalKind::Conflict,
                    format!("downloading answers: found the job {}, expected it answered", job.state.name()),
                    "follow its events until it is answered",
                )),
            }
        })
    }

    /// Notes that answers were handed out.
    ///
    /// # Errors
    /// When the database fails.
    pub fn note_download(&self, caller: &Caller, id: &Id) -> Result<()> {
        self.write(|transaction| {
            audit::note(transaction, Some(caller.tenant), &caller.label, "answers downloaded", &id.to_string())
        })
    }
}
