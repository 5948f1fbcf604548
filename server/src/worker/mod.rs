//! A worker: takes jobs whose planned memory fits, runs them as `beaa run` does, and keeps the
//! answers. It may end at any moment: its lease then ends, too, and another runs the job again.

mod heartbeat;
mod loaded;
mod plan;
mod progress;
mod run;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use beaa_cuda::CudaDevice;
use beaa_memory::Limit;
use beaa_protocol::Problem;

use crate::store::{Candidate, Lease, Store, WorkerId};
use crate::{Error, Refusal, RefusalKind, Result, clock, random, told};
use heartbeat::Heartbeat;
use loaded::LoadedProgram;
use plan::{Plan, plans};
use progress::JobProgress;
use run::run;

/// How long a worker waits before it looks for work again.
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);
/// How long a worker waits when the store fails.
const AFTER_FAILURE: Duration = Duration::from_secs(1);
/// How long a job waits that could not be run for want of space or of a file's being read.
const BEFORE_ANOTHER_TRY_MS: i64 = 10_000;

/// How a worker works.
pub struct Work {
    /// Jobs and files.
    pub store: Arc<Store>,
    /// How long a lease lasts, in milliseconds.
    pub lease_ms: i64,
    /// Becomes true when the worker is to end.
    pub stop: Arc<AtomicBool>,
    /// The graphics card on which it runs what that can run; the processor runs the rest.
    pub card: Option<CudaDevice>,
}

/// Runs jobs until the worker is to end.
///
/// # Errors
/// When the store fails before the first job.
pub fn work(work: &Work) -> Result<()> {
    let worker = WorkerId { name: format!("worker-{}", &random::id()?.to_string()[..8]), host: host() };
    let budget = Limit::resident().map_or(u64::MAX, |limit| limit.bytes);
    tracing::info!(worker = worker.name, budget, threads = rayon::current_num_threads(), "worker started");
    let mut loaded = None;
    let stopped = || work.stop.load(Ordering::Relaxed);
    while !stopped() {
        let busy = match next(work, &worker, budget, &mut loaded) {
            Ok(busy) => busy,
            Err(error) => {
                tracing::error!("looking for work: {error}");
                // Its memory counts for nobody, perhaps.
                loaded = None;
                std::thread::sleep(AFTER_FAILURE);
                false
            }
        };
        if !busy {
            std::thread::sleep(BETWEEN_LOOKS);
        }
    }
    drop(loaded);
    if let Err(error) = work.store.let_go(&worker) {
        tracing::warn!("what this worker kept counts as its own for some minutes still: {error}");
    }
    Ok(())
}

/// Takes and runs one job, if one waits that fits; whether it did.
fn next(work: &Work, worker: &WorkerId, budget: u64, loaded: &mut Option<LoadedProgram>) -> Result<bool> {
    let store = &work.store;
    if let Some(program) = loaded.as_mut().filter(|program| program.has_rested()) {
        program.drop_kept();
        store.let_go(worker)?;
    }
    store.expire_leases(clock::now_ms())?;
    let Some(candidate) = store.candidate(clock::now_ms(), budget)? else { return Ok(false) };
    let another = |program: &&mut LoadedProgram| program.keeps() && !program.is(&candidate.job.view.program);
    if let Some(program) = loaded.as_mut().filter(another) {
        program.drop_kept();
        store.let_go(worker)?;
    }
    let program = match LoadedProgram::of(store, &candidate.job.view.program, loaded.take()) {
        Ok(program) => loaded.insert(program),
        // The disk may answer again, the job waits.
        Err(error) if passes(&error) => return Err(error),
        Err(error) => return refuse(store, &candidate, &error),
    };
    // With a card, too: the processor is to have room for what the card fails to run.
    let plans = plans(program, candidate.job.view.images, budget, work.card.is_some());
    let least = plans.iter().map(|plan| plan.bytes).fold(u64::MAX, u64::min);
    store.note_planned(&candidate, least)?;
    if least > budget {
        let job = candidate.job.view.id;
        tracing::warn!(%job, planned = least, budget, "a job takes more memory than this worker has");
        return Ok(false);
    }
    for plan in plans {
        let now = clock::now_ms();
        let times = [now, now.saturating_add(work.lease_ms)];
        if let Some(lease) = store.lease(&candidate, worker, [plan.bytes, budget], times)? {
            finish(work, worker, &lease, (program, plan))?;
            return Ok(true);
        }
    }
    Ok(false)
}

/// Runs a job and says what came of it.
fn finish(work: &Work, worker: &WorkerId, lease: &Lease, (program, plan): (&mut LoadedProgram, Plan)) -> Result<()> {
    let (store, job) = (&work.store, lease.job.view.id);
    let progress = JobProgress::new(Arc::clone(&work.stop));
    tracing::info!(%job, attempt = lease.attempt, "job begun");
    let file = store.answers_in_work(lease);
    let heartbeat = Heartbeat::start(Arc::clone(store), lease.clone(), work.lease_ms, Arc::clone(&progress));
    let ran = run(work, lease, (program, plan), &file, &progress);
    let keeper = program.keeps().then_some(worker);
    let outcome = ran.and_then(|()| store.answer(lease, &file, &progress.view(), keeper, clock::now_ms()));
    if !matches!(outcome, Ok(true)) {
        // Whose memory it is now, nobody has noted.
        program.drop_kept();
    }
    // Hashing large answers takes its time, too.
    drop(heartbeat);
    if outcome.is_err() {
        let _ = std::fs::remove_file(&file);
    }
    let now = clock::now_ms();
    match outcome {
        Ok(true) => tracing::info!(%job, "job answered"),
        Ok(false) => tracing::info!(%job, "job is another's by now, or was cancelled"),
        // Cancelled, taken over, or the worker is to end.
        Err(Error::Runtime(beaa_runtime::Error::Stopped { .. })) => {
            let released = store.release(lease, now, now)?;
            tracing::info!(%job, released, "job stopped");
        }
        Err(error) => match problem_of(&error, &files_of(store, lease)) {
            Some(problem) => {
                tracing::warn!(%job, "job failed: {error}");
                store.fail(lease, &problem, now)?;
            }
            None => {
                tracing::error!(%job, "job could not be run now: {error}");
                store.release(lease, now, now.saturating_add(BEFORE_ANOTHER_TRY_MS))?;
            }
        },
    }
    Ok(())
}

/// Ends a job whose program cannot be read.
fn refuse(store: &Store, candidate: &Candidate, error: &Error) -> Result<bool> {
    tracing::error!(job = %candidate.job.view.id, "job failed: {error}");
    let refusal = Refusal {
        kind: RefusalKind::Conflict,
        detail: "running a job: found a program that cannot be read any more, expected it published".to_owned(),
        remedy: "tell the operator, who publishes it again".to_owned(),
    };
    store.fail_candidate(candidate, &refusal.problem(), clock::now_ms())?;
    Ok(true)
}

/// The files that a run reads and writes.
fn files_of(store: &Store, lease: &Lease) -> Vec<PathBuf> {
    let job = &lease.job.view;
    let read = job.key.iter().chain([&job.images_sha256]).map(|sha256| store.blob(sha256));
    read.chain([store.answers_in_work(lease)]).collect()
}

/// What the client is told of an error that comes again with every try; none of one that passes.
fn problem_of(error: &Error, files: &[PathBuf]) -> Option<Problem> {
    let Error::Runtime(cause) = error else { return None };
    (!passes(error)).then(|| {
        let remedy = if told::is_of_the_server(cause) {
            "tell the operator that the store lacks a file, and send images and key again"
        } else {
            "encrypt the images with the signature of this program and the secret key of this evaluation key, and send \
             them again"
        };
        let detail = format!("running a job: {}", told::words(cause, files));
        Refusal { kind: RefusalKind::Unfit, detail, remedy: remedy.to_owned() }.problem()
    })
}

/// Whether the same may succeed later: it is the server's memory, disk or database that failed.
fn passes(error: &Error) -> bool {
    let there = |source: &std::io::Error| source.kind() != std::io::ErrorKind::NotFound;
    match error {
        Error::Runtime(beaa_runtime::Error::Memory(_)) | Error::Database { .. } | Error::Io { .. } => true,
        Error::File(beaa_ir::Error::Io { source, .. }) => there(source),
        Error::Runtime(beaa_runtime::Error::File(beaa_ir::Error::Io { source, .. })) => there(source),
        other => other.is_disk_full(),
    }
}

/// The machine as it runs now: processes of one machine share its memory, also in containers.
fn host() -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    boot.map_or_else(|_| "local".to_owned(), |text| text.trim().to_owned())
}
