//! How workers take jobs from the queue. A worker has a lease, which it renews while it works; one
//! that was not renewed has ended, and the job waits again. What a worker reports counts only while
//! its lease is the job's latest, so that a worker that was taken for dead changes nothing.

use beaa_protocol::{JobState, Problem, ProgressView};

use super::database::{Transaction, values};
use super::jobs::{self, StoredJob, one};
use super::transitions::{JobEvent, happen};
use super::worker_id::WorkerId;
use super::{Store, audit, holdings, signed, to_json};
use crate::{Refusal, RefusalKind, Result};

/// How often a job is begun at most: one that ends its worker each time must not do so for ever.
pub const MOST_ATTEMPTS: u64 = 5;

/// A job that could be next.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The job.
    pub job: StoredJob,
}

/// The right to work on a job.
#[derive(Debug, Clone, PartialEq)]
pub struct Lease {
    /// The job.
    pub job: StoredJob,
    /// Which of its attempts this is; what an earlier one reports does not count.
    pub attempt: u64,
}

impl Store {
    /// Puts jobs back whose leases have ended by the clock `now`, in milliseconds since 1970, or
    /// would end later than twice their own length allows: somebody set the clock back. How long a
    /// lease is, its worker has said, so that servers with other settings agree. Jobs that were
    /// begun [`MOST_ATTEMPTS`] times have failed. Returns how many jobs that were.
    ///
    /// # Errors
    /// When the database fails.
    pub fn expire_leases(&self, now: i64) -> Result<usize> {
        let ended = "state = 'running' AND (lease_until_ms < ?1 OR lease_until_ms - ?1 > 2 * lease_ms)";
        // Nearly always nothing has ended, and nobody need wait for this look.
        if self.read(|transaction| one(transaction, ended, values![now]))?.is_none() {
            return Ok(0);
        }
        self.write(|transaction| {
            let expired = jobs::all(transaction, ended, values![now])?;
            for job in &expired {
                let name = job.view.id.to_string();
                audit::note(transaction, Some(job.tenant), "server", "lease ended", &name)?;
                give_up_or(transaction, job, JobEvent::Expire, now)?;
            }
            Ok(expired.len())
        })
    }

    /// The oldest job that waits, and that a worker with `budget` bytes of memory could ever run.
    ///
    /// # Errors
    /// When the database fails.
    pub fn candidate(&self, now: i64, budget: u64) -> Result<Option<Candidate>> {
        self.read(|transaction| {
            let waits = "state = 'queued' AND not_before_ms <= ?1 AND (planned_bytes IS NULL OR planned_bytes <= ?2)
                         ORDER BY seq";
            Ok(one(transaction, waits, values![now, signed(budget)])?.map(|job| Candidate { job }))
        })
    }

    /// Notes what a run of the job will take at its worst moment, at least.
    ///
    /// # Errors
    /// When the database fails.
    pub fn note_planned(&self, candidate: &Candidate, planned: u64) -> Result<()> {
        if candidate.job.view.planned_bytes == Some(planned) {
            return Ok(());
        }
        self.write(|transaction| {
            let query = "UPDATE jobs SET planned_bytes = ?, version = version + 1 WHERE seq = ? AND state = 'queued'";
            let values = values![signed(planned), candidate.job.seq];
            transaction.execute("noting the memory of a job", query, values).map(|_| ())
        })
    }

    /// Takes a job from `now` until a time, both in milliseconds since 1970: none where another
    /// worker has it by now, or where the jobs that run on this machine, and what its other workers
    /// keep, leave less than `planned` of the `budget` bytes.
    ///
    /// # Errors
    /// When the database fails.
    pub fn lease(
        &self,
        candidate: &Candidate,
        worker: &WorkerId,
        [planned, budget]: [u64; 2],
        [now, until]: [i64; 2],
    ) -> Result<Option<Lease>> {
        self.write(|transaction| {
            let (operation, length_ms) = ("taking a job", until.saturating_sub(now));
            let seq = candidate.job.seq;
            let waits = jobs::by_number(transaction, seq)?.is_some_and(|job| job.view.state == JobState::Queued);
            if !waits {
                return Ok(None);
            }
            let used = transaction.number(
                operation,
                "SELECT CAST(coalesce(sum(planned_bytes), 0) AS BIGINT) FROM jobs
                 WHERE state = 'running' AND host = ?",
                values![&worker.host],
            )?;
            let used = super::unsigned(used)?.saturating_add(holdings::of_others(transaction, worker, now)?);
            if used.saturating_add(planned) > budget {
                return Ok(None);
            }
            // What it keeps is a part of the job's memory now.
            holdings::let_go(transaction, worker)?;
            happen(transaction, seq, JobEvent::Lease, now)?;
            transaction.execute(
                operation,
                "UPDATE jobs SET attempts = attempts + 1, planned_bytes = ?, started_ms = ?, worker = ?, host = ?,
                     lease_until_ms = ?, lease_ms = ?, progress = ?
                 WHERE seq = ?",
                values![
                    signed(planned),
                    now,
                    &worker.name,
                    &worker.host,
                    until,
                    length_ms,
                    &to_json(&ProgressView::default())?,
                    seq
                ],
            )?;
            let Some(job) = jobs::by_number(transaction, seq)? else { return Ok(None) };
            audit::note(transaction, Some(job.tenant), &worker.name, "job begun", &job.view.id.to_string())?;
            Ok(Some(Lease { attempt: job.view.attempts, job }))
        })
    }

    /// Renews a lease, and notes how far the job is where that is new; whether it is the worker's
    /// still.
    ///
    /// # Errors
    /// When the database fails.
    pub fn renew(&self, lease: &Lease, until: i64, progress: Option<&ProgressView>) -> Result<bool> {
        let text = progress.map(to_json).transpose()?;
        self.write(|transaction| {
            let renewed = transaction.execute(
                "renewing a lease",
                "UPDATE jobs SET lease_until_ms = ?1, progress = coalesce(?2, progress),
                     version = version + CASE WHEN ?2 IS NULL THEN 0 ELSE 1 END
                 WHERE seq = ?3 AND attempts = ?4 AND state = 'running'",
                values![until, text.as_deref(), lease.job.seq, signed(lease.attempt)],
            )?;
            Ok(renewed == 1)
        })
    }

    /// Gives a job back unfinished, to be begun again from the time `not_before` on; whether it was
    /// the worker's still.
    ///
    /// # Errors
    /// When the database fails.
    pub fn release(&self, lease: &Lease, now: i64, not_before: i64) -> Result<bool> {
        self.while_leased(lease, |transaction, job| {
            let state = give_up_or(transaction, job, JobEvent::Release, now)?;
            if state == JobState::Queued {
                let query = "UPDATE jobs SET not_before_ms = ? WHERE seq = ?";
                transaction.execute("giving a job back", query, values![not_before, job.seq])?;
            }
            Ok(())
        })
    }

    /// Notes why a job cannot be run; whether it was the worker's still.
    ///
    /// # Errors
    /// When the database fails.
    pub fn fail(&self, lease: &Lease, problem: &Problem, now: i64) -> Result<bool> {
        self.while_leased(lease, |transaction, job| {
            set_problem(transaction, job, problem)?;
            happen(transaction, job.seq, JobEvent::Fail, now)?;
            audit::note(transaction, Some(job.tenant), "server", "job failed", &job.view.id.to_string())
        })
    }

    /// Notes why a job that waits cannot be run at all.
    ///
    /// # Errors
    /// When the database fails.
    pub fn fail_candidate(&self, candidate: &Candidate, problem: &Problem, now: i64) -> Result<()> {
        self.write(|transaction| {
            let Some(job) = jobs::by_number(transaction, candidate.job.seq)? else { return Ok(()) };
            if job.view.state != JobState::Queued {
                return Ok(());
            }
            set_problem(transaction, &job, problem)?;
            happen(transaction, job.seq, JobEvent::Fail, now)?;
            audit::note(transaction, Some(job.tenant), "server", "job failed", &job.view.id.to_string())
        })
    }

    /// Changes the job of a lease, if it is the job's latest.
    pub(super) fn while_leased(
        &self,
        lease: &Lease,
        change: impl FnOnce(&Transaction<'_>, &StoredJob) -> Result<()>,
    ) -> Result<bool> {
        self.write(|transaction| {
            let Some(job) = jobs::by_number(transaction, lease.job.seq)? else { return Ok(false) };
            if job.view.state != JobState::Running || job.view.attempts != lease.attempt {
                return Ok(false);
            }
            change(transaction, &job)?;
            Ok(true)
        })
    }
}

/// Puts a job back into the queue, or lets it fail when it was begun too often.
fn give_up_or(transaction: &Transaction<'_>, job: &StoredJob, event: JobEvent, now: i64) -> Result<JobState> {
    // A worker that gives a job back is alive: twice as often.
    let most = if event == JobEvent::Release { 2 * MOST_ATTEMPTS } else { MOST_ATTEMPTS };
    if job.view.attempts < most {
        return happen(transaction, job.seq, event, now);
    }
    let refusal = Refusal {
        kind: RefusalKind::NotReady,
        detail: format!("running a job: found it begun {} times and never finished", job.view.attempts),
        remedy: "tell the operator that workers end while they run it; send it again afterwards".to_owned(),
    };
    set_problem(transaction, job, &refusal.problem())?;
    audit::note(transaction, Some(job.tenant), "server", "job failed", &job.view.id.to_string())?;
    happen(transaction, job.seq, JobEvent::Fail, now)
}

fn set_problem(transaction: &Transaction<'_>, job: &StoredJob, problem: &Problem) -> Result<()> {
    let query = "UPDATE jobs SET problem = ? WHERE seq = ?";
    transaction.execute("noting a problem", query, values![&to_json(problem)?, job.seq]).map(|_| ())
}
