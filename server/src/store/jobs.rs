//! Jobs as their tenants see them: creating, looking, cancelling, deleting.

use beaa_protocol::{Digest, Id, JobState, JobView, NewJob, ProgressView};

use super::database::{Record, Transaction, Value, values};
use super::transitions::{JobEvent, happen, state};
use super::{Caller, Store, audit, blobs, digest, id, json, keys, programs, signed, tenants, to_json, unsigned};
use crate::{Error, RefusalKind, Result, clock, random};

/// The columns of a [`StoredJob`], in order.
const COLUMNS: &str = "seq, id, tenant, state, version, program, key_sha256, images_sha256, images, \
     images_bytes, attempts, progress, planned_bytes, answers_sha256, answers_bytes, problem, created_ms, started_ms, \
     finished_ms";

/// A job, and whose it is.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredJob {
    /// Its number, in the order of coming.
    pub seq: i64,
    /// Number of the tenant.
    pub tenant: i64,
    /// What the tenant sees.
    pub view: JobView,
}

impl Store {
    /// Queues a job on images that were uploaded, and returns it with whether it is new: the same
    /// upload gives the same job, however often it is sent.
    ///
    /// # Errors
    /// [`RefusalKind::NotFound`] without such an upload, program or key of the tenant;
    /// [`RefusalKind::Conflict`] where they do not belong together or the upload is not complete;
    /// [`RefusalKind::OverLimit`] for more jobs than the tenant may have.
    pub fn create_job(&self, caller: &Caller, new: &NewJob) -> Result<(JobView, bool)> {
        let (id, now) = (random::id()?, clock::now_ms());
        self.write(|transaction| {
            if let Some(job) = of_upload(transaction, caller.tenant, &new.upload)? {
                return Ok((job.view, false));
            }
            let images = images_of(transaction, caller.tenant, &new.upload)?;
            let program = programs::program(transaction, &new.program, true)?;
            check_together(transaction, caller.tenant, new, &images, program.view.needs_key)?;
            let usage = tenants::usage(transaction, caller.tenant)?;
            if usage.jobs >= usage.jobs_limit {
                let remedy = "delete jobs whose answers you have";
                return Err(tenants::over_limit("queueing a job", "jobs", usage.jobs_limit, remedy));
            }
            if usage.active_jobs >= usage.active_jobs_limit {
                return Err(Error::refused(
                    RefusalKind::OverLimit,
                    format!(
                        "queueing a job: found {} that are queued or running, expected fewer than {}",
                        usage.active_jobs, usage.active_jobs_limit
                    ),
                    "wait for one to end, or cancel one",
                ));
            }
            insert(transaction, caller.tenant, &id, new, &images, now)?;
            audit::note(transaction, Some(caller.tenant), &caller.label, "job queued", &id.to_string())?;
            Ok((by_id(transaction, caller.tenant, &id)?.view, true))
        })
    }

    /// A job of the tenant.
    ///
    /// # Errors
    /// [`RefusalKind::NotFound`] without one.
    pub fn job(&self, caller: &Caller, id: &Id) -> Result<JobView> {
        self.read(|transaction| Ok(by_id(transaction, caller.tenant, id)?.view))
    }

    /// Jobs of the tenant, the newest first, `most` at most, those before the job `before` if one
    /// is named; and whether more follow.
    ///
    /// # Errors
    /// [`RefusalKind::NotFound`] without a job `before`.
    pub fn jobs(&self, caller: &Caller, before: Option<&Id>, most: u32) -> Result<(Vec<JobView>, bool)> {
        self.read(|transaction| {
            let below = match before {
                Some(id) => by_id(transaction, caller.tenant, id)?.seq,
                None => i64::MAX,
            };
            let query = format!("SELECT {COLUMNS} FROM jobs WHERE tenant = ? AND seq < ? ORDER BY seq DESC LIMIT ?");
            let rows = transaction.rows("reading jobs", &query, values![caller.tenant, below, i64::from(most) + 1])?;
            let mut jobs = rows.iter().map(job).collect::<Result<Vec<_>>>()?;
            let more = jobs.len() > most as usize;
            jobs.truncate(most as usize);
            Ok((jobs.into_iter().map(|job| job.view).collect(), more))
        })
    }

    /// Cancels a job: one that is queued is never run, the worker of one that is running stops at
    /// the next part. One that was cancelled stays so.
    ///
    /// # Errors
    /// [`RefusalKind::NotFound`] without one, [`RefusalKind::Conflict`] when it has ended.
    pub fn cancel_job(&self, caller: &Caller, id: &Id) -> Result<JobView> {
        self.write(|transaction| {
            let job = by_id(transaction, caller.tenant, id)?;
            if job.view.state == JobState::Cancelled {
                return Ok(job.view);
            }
            happen(transaction, job.seq, JobEvent::Cancel, clock::now_ms())?;
            audit::note(transaction, Some(caller.tenant), &caller.label, "job cancelled", &id.to_string())?;
            Ok(by_id(transaction, caller.tenant, id)?.view)
        })
    }

    /// Deletes a job that has ended, its images and its answers.
    ///
    /// # Errors
    /// [`RefusalKind::NotFound`] without one, [`RefusalKind::Conflict`] when it has not ended.
    pub fn delete_job(&self, caller: &Caller, id: &Id) -> Result<()> {
        let released = self.write(|transaction| {
            let StoredJob { seq, view, .. } = by_id(transaction, caller.tenant, id)?;
            if !view.state.is_final() {
                return Err(Error::refused(
                    RefusalKind::Conflict,
                    format!("deleting a job: found it {}, expected one that has ended", view.state.name()),
                    "cancel it first",
                ));
            }
            transaction.execute("deleting a job", "DELETE FROM jobs WHERE seq = ?", values![seq])?;
            audit::note(transaction, Some(caller.tenant), &caller.label, "job deleted", &id.to_string())?;
            let files: Vec<Digest> = [Some(view.images_sha256), view.answers_sha256].into_iter().flatten().collect();
            blobs::release(transaction, &files)
        })?;
        self.remove_released(&released);
        Ok(())
    }

    /// How many jobs are in each state.
    ///
    /// # Errors
    /// When the database fails.
    pub fn jobs_by_state(&self) -> Result<Vec<(JobState, u64)>> {
        self.read(|transaction| {
            let count = |state: JobState| {
                let query = "SELECT count(*) FROM jobs WHERE state = ?";
                Ok((state, unsigned(transaction.number("counting jobs", query, values![state.name()])?)?))
            };
            JobState::ALL.into_iter().map(count).collect()
        })
    }
}

/// What is known of images that were uploaded.
struct UploadedImages {
    sha256: Digest,
    bytes: u64,
    program: String,
    key_name: String,
    images: u64,
}

fn images_of(transaction: &Transaction<'_>, tenant: i64, upload: &Id) -> Result<UploadedImages> {
    let found = transaction.first(
        "looking for an upload",
        "SELECT sha256, length, program, key_name, images FROM uploads
         WHERE id = ? AND tenant = ? AND purpose = 'images'",
        values![upload.bytes(), tenant],
    )?;
    let Some(row) = found else {
        return Err(crate::error::not_found("an upload of images"));
    };
    // Of complete ones alone.
    let (Some(program), Some(key_name), Some(images)) = (row.get(2)?, row.get(3)?, row.get(4)?) else {
        return Err(Error::refused(
            RefusalKind::Conflict,
            "queueing a job: found an upload that is not complete, expected the whole",
            "send the rest of it first",
        ));
    };
    Ok(UploadedImages {
        sha256: digest(row.get(0)?)?,
        bytes: unsigned(row.get(1)?)?,
        program,
        key_name,
        images: unsigned(images)?,
    })
}

/// Refuses images of another program, under another key, or without the key that is needed.
fn check_together(
    transaction: &Transaction<'_>,
    tenant: i64,
    new: &NewJob,
    images: &UploadedImages,
    needs_key: bool,
) -> Result<()> {
    let conflict = |detail: String, remedy: &str| Err(Error::refused(RefusalKind::Conflict, detail, remedy));
    if images.program != new.program {
        return conflict(
            format!("queueing a job: found images for program {}, expected {}", images.program, new.program),
            "encrypt the images with the signature of the program that is to run",
        );
    }
    let Some(sha256) = &new.key else {
        if needs_key {
            return conflict(
                "queueing a job: found no evaluation key, expected one, since the program switches keys".to_owned(),
                "upload the evaluation key, and name its SHA-256",
            );
        }
        return Ok(());
    };
    let key = keys::key(transaction, tenant, sha256)?;
    if key.key != images.key_name {
        return conflict(
            format!("queueing a job: found images under key {}, expected {}", images.key_name, key.key),
            "name the evaluation key of the pair with which the images were encrypted",
        );
    }
    Ok(())
}

fn insert(
    transaction: &Transaction<'_>,
    tenant: i64,
    id: &Id,
    new: &NewJob,
    images: &UploadedImages,
    now: i64,
) -> Result<()> {
    let operation = "queueing a job";
    transaction.execute(
        operation,
        "INSERT INTO jobs (id, tenant, upload, state, version, program, key_sha256, images_sha256, images,
             images_bytes, attempts, progress, created_ms, not_before_ms)
         VALUES (?, ?, ?, ?, 1, ?, ?, ?, ?, ?, 0, ?, ?, 0)",
        values![
            id.bytes(),
            tenant,
            new.upload.bytes(),
            JobState::Queued.name(),
            &new.program,
            new.key.as_ref().map(|key| key.bytes().as_slice()),
            images.sha256.bytes(),
            signed(images.images),
            signed(images.bytes),
            &to_json(&ProgressView::default())?,
            now
        ],
    )?;
    // The bytes are the job's from now on.
    transaction.execute(operation, "DELETE FROM uploads WHERE id = ?", values![new.upload.bytes()])?;
    Ok(())
}

fn of_upload(transaction: &Transaction<'_>, tenant: i64, upload: &Id) -> Result<Option<StoredJob>> {
    one(transaction, "tenant = ?1 AND upload = ?2", values![tenant, upload.bytes()])
}

pub(super) fn by_id(transaction: &Transaction<'_>, tenant: i64, id: &Id) -> Result<StoredJob> {
    let found = one(transaction, "tenant = ?1 AND id = ?2", values![tenant, id.bytes()])?;
    found.ok_or_else(|| crate::error::not_found("a job"))
}

pub(super) fn by_number(transaction: &Transaction<'_>, seq: i64) -> Result<Option<StoredJob>> {
    one(transaction, "seq = ?1", values![seq])
}

/// The first job of which `condition` holds.
pub(super) fn one(transaction: &Transaction<'_>, condition: &str, values: &[Value<'_>]) -> Result<Option<StoredJob>> {
    let query = format!("SELECT {COLUMNS} FROM jobs WHERE {condition} LIMIT 1");
    transaction.first("looking for a job", &query, values)?.as_ref().map(job).transpose()
}

/// All jobs of which `condition` holds.
pub(super) fn all(transaction: &Transaction<'_>, condition: &str, values: &[Value<'_>]) -> Result<Vec<StoredJob>> {
    let query = format!("SELECT {COLUMNS} FROM jobs WHERE {condition}");
    transaction.rows("reading jobs", &query, values)?.iter().map(job).collect()
}

/// A job of the columns [`COLUMNS`].
fn job(row: &Record) -> Result<StoredJob> {
    let bytes = |column: usize| row.get::<Vec<u8>>(column);
    let whole = |column: usize| row.get::<i64>(column);
    let perhaps = |column: usize| row.get::<Option<i64>>(column);
    let hash = |column: usize| row.get::<Option<Vec<u8>>>(column)?.map(digest).transpose();
    let text = |column: usize| row.get::<String>(column);
    let problem = row.get::<Option<String>>(15)?;
    let view = JobView {
        id: id(bytes(1)?)?,
        state: state(&text(3)?)?,
        version: whole(4)?,
        program: text(5)?,
        key: hash(6)?,
        images_sha256: digest(bytes(7)?)?,
        images: unsigned(whole(8)?)?,
        images_bytes: unsigned(whole(9)?)?,
        attempts: unsigned(whole(10)?)?,
        progress: json(&text(11)?, "the progress of a job")?,
        planned_bytes: perhaps(12)?.map(unsigned).transpose()?,
        answers_sha256: hash(13)?,
        answers_bytes: perhaps(14)?.map(unsigned).transpose()?,
        problem: problem.map(|text| json(&text, "a problem")).transpose()?,
        created_ms: whole(16)?,
        started_ms: perhaps(17)?,
        finished_ms: perhaps(18)?,
    };
    Ok(StoredJob { seq: whole(0)?, tenant: whole(2)?, view })
}
