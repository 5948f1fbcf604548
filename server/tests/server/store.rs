//! Nothing is lost, nothing is done twice, and nobody sees what is another's: the store, without
//! HTTP.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::kit::{Frame, LIMITS, Sample, append, bytes, chunk, file, kind, whole};
use beaa_ir::ckks::load_program;
use beaa_protocol::upload::Purpose;
use beaa_protocol::{Digest, JobState, NewJob, ProgressView, Scope};
use beaa_runtime::ckks::{ArrangedWeights, EncryptedInput, PreparedProgram, ServerKey};
use beaa_runtime::{Progress, Silent};
use beaa_server::RefusalKind;
use beaa_server::store::{Lease, MOST_ATTEMPTS, NewToken, NewUpload, Store, TenantLimits, WorkerId};
use beaa_server::worker::{Work, work};

fn worker(name: &str) -> WorkerId {
    WorkerId { name: name.to_owned(), host: "here".to_owned() }
}

/// Takes the next job as a worker with a budget that is enough.
fn lease(store: &Store, name: &str, now: i64, until: i64) -> Option<Lease> {
    let candidate = store.candidate(now, u64::MAX >> 1).unwrap()?;
    store.lease(&candidate, &worker(name), [1000, u64::MAX >> 1], [now, until]).unwrap()
}

/// What `beaa run` writes for the same files.
fn answers_of_the_runtime(folder: &std::path::Path) -> Vec<u8> {
    let program = load_program(&file("program.beaa")).unwrap();
    let key = ServerKey::load(&file("evaluation.key")).unwrap();
    let input = EncryptedInput::load(&file("images.ct")).unwrap();
    let prepared = PreparedProgram::new(&program, ArrangedWeights::PerPart).unwrap();
    let path = folder.join("expected.ct");
    prepared.run_to_file(&path, &key, &input, &Silent).unwrap().0.commit().unwrap();
    std::fs::read(path).unwrap()
}

#[test]
fn a_run_that_nobody_wants_stops_and_leaves_no_file() {
    struct Unwanted;
    impl Progress for Unwanted {
        fn begin(&self, _what: &str, _steps: u64) {}
        fn advance(&self, _steps: u64) {}
        fn end(&self) {}
        fn is_stopped(&self) -> bool {
            true
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let program = load_program(&file("program.beaa")).unwrap();
    let key = ServerKey::load(&file("evaluation.key")).unwrap();
    let input = EncryptedInput::load(&file("images.ct")).unwrap();
    let prepared = PreparedProgram::new(&program, ArrangedWeights::PerPart).unwrap();
    let stopped = prepared.run_to_file(&folder.path().join("answers.ct"), &key, &input, &Unwanted);
    assert!(matches!(stopped.err().unwrap(), beaa_runtime::Error::Stopped { .. }));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// Lets a worker run until `done`.
fn work_until(sample: &Sample, done: impl Fn() -> bool) {
    let stop = Arc::new(AtomicBool::new(false));
    let job = Work { store: Arc::clone(&sample.store), lease_ms: 5000, stop: Arc::clone(&stop) };
    let thread = std::thread::spawn(move || work(&job).unwrap());
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < Duration::from_secs(60), "the worker does nothing");
        std::thread::sleep(Duration::from_millis(20));
    }
    stop.store(true, Ordering::Relaxed);
    thread.join().unwrap();
}

#[test]
fn a_worker_gives_the_bits_of_a_run_and_says_how_far_it_is() {
    let sample = Sample::new();
    let job = sample.job();
    assert_eq!((job.state, job.images, job.attempts), (JobState::Queued, 3, 0));
    let state = || sample.store.job(&sample.caller, &job.id).unwrap();
    work_until(&sample, || state().state.is_final());
    let answered = state();
    assert_eq!((answered.state, answered.problem), (JobState::Answered, None));
    let (path, size, hash) = sample.store.answers(&sample.caller, &job.id).unwrap();
    let found = std::fs::read(path).unwrap();
    assert_eq!((size, hash), (found.len() as u64, Digest::of(&found).to_string()));
    assert!(found == answers_of_the_runtime(sample.folder.path()), "other bits than those of a run");
    let progress = &answered.progress;
    assert!(progress.parts > 0 && progress.done == progress.parts && !progress.layers.is_empty(), "{progress:?}");
    assert!(answered.planned_bytes.unwrap() > 0 && answered.version > job.version);
}

#[test]
fn an_upload_goes_on_where_it_was_interrupted() {
    let sample = Sample::new();
    let (store, caller) = (&sample.store, &sample.caller);
    let all = bytes("images.ct");
    let new = NewUpload { purpose: Purpose::Images, length: all.len() as u64, sha256: Digest::of(&all) };
    let id = store.begin_upload(caller, &new, 0).unwrap();
    let half = all.len() / 2;
    append(store, caller, &id, &chunk(0, &all[..half]), whole(&all[..half])).unwrap();
    // The client vanishes amid a chunk: nothing of it counts.
    let torn = vec![Frame::Bytes(all[half..half + 10].to_vec())].into_iter();
    assert_eq!(kind(append(store, caller, &id, &chunk(half as u64, &all[half..]), torn)), RefusalKind::TooSlow);
    // Bytes change on their way.
    let mut changed = all[half..].to_vec();
    changed[3] ^= 1;
    let wrong = append(store, caller, &id, &chunk(half as u64, &all[half..]), whole(&changed));
    assert_eq!(kind(wrong), RefusalKind::WrongChecksum);
    // A chunk comes twice, or too early.
    for offset in [0, half as u64 + 1] {
        let wrong = append(store, caller, &id, &chunk(offset, &all[..half]), whole(&all[..half]));
        assert_eq!(kind(wrong), RefusalKind::WrongOffset);
    }
    // More than the whole.
    let mut more = all[half..].to_vec();
    more.push(0);
    let wrong = append(store, caller, &id, &chunk(half as u64, &more), whole(&more));
    assert_eq!(kind(wrong), RefusalKind::TooLarge);
    // A server that was killed amid a chunk leaves bytes that nobody confirmed.
    let path = store.folder().join("uploads").join(id.to_string());
    let mut file = std::fs::read(&path).unwrap();
    file.extend([7; 100]);
    std::fs::write(&path, file).unwrap();
    let again = Store::open(store.folder()).unwrap();
    assert_eq!(again.upload(caller, &id).unwrap().received, half as u64);
    let view = append(&again, caller, &id, &chunk(half as u64, &all[half..]), whole(&all[half..])).unwrap();
    assert!(view.complete);
    assert_eq!(std::fs::read(again.blob(&new.sha256)).unwrap(), all);
    assert!(!path.exists());
    // The last chunk once more, since its answer was lost.
    let last = append(&again, caller, &id, &chunk(all.len() as u64, &[]), whole(&[])).unwrap();
    assert!(last.complete);
}

#[test]
fn two_requests_cannot_add_to_one_upload_at_once() {
    let sample = Sample::new();
    let (store, caller) = (&sample.store, &sample.caller);
    let all = bytes("images.ct");
    let new = NewUpload { purpose: Purpose::Images, length: all.len() as u64, sha256: Digest::of(&all) };
    let id = store.begin_upload(caller, &new, 0).unwrap();
    // While the frames of one are being read, the other is refused, also by another server.
    let elsewhere = Store::open(store.folder()).unwrap();
    let frames = whole(&all).inspect(|_| {
        let other = append(&elsewhere, caller, &id, &chunk(0, &all), whole(&all));
        assert_eq!(kind(other), RefusalKind::Locked);
    });
    assert!(append(store, caller, &id, &chunk(0, &all), frames).unwrap().complete);
}

#[test]
fn a_failure_between_last_byte_and_entry_loses_nothing() {
    let sample = Sample::new();
    let (store, caller) = (&sample.store, &sample.caller);
    let all = bytes("evaluation.key");
    let new = NewUpload { purpose: Purpose::Key, length: all.len() as u64, sha256: Digest::of(&all) };
    let id = store.begin_upload(caller, &new, 0).unwrap();
    append(store, caller, &id, &chunk(0, &all[..10]), whole(&all[..10])).unwrap();
    // As a killed server leaves it: all bytes are noted, the file has its name by its hash, and the
    // entry of the key is missing.
    std::fs::write(store.folder().join("uploads").join(id.to_string()), &all).unwrap();
    std::fs::create_dir_all(store.blob(&new.sha256).parent().unwrap()).unwrap();
    std::fs::write(store.blob(&new.sha256), &all).unwrap();
    let database = rusqlite::Connection::open(store.folder().join("beaa.sqlite")).unwrap();
    database.execute("UPDATE uploads SET received = length", []).unwrap();
    assert!(store.keys(caller).unwrap().is_empty());
    assert!(store.complete_upload(caller, &id).unwrap().complete);
    assert_eq!(store.keys(caller).unwrap().len(), 1);
}

#[test]
fn what_is_no_key_or_was_made_with_a_seed_is_refused_and_forgotten() {
    let sample = Sample::new();
    let (store, caller) = (&sample.store, &sample.caller);
    for (name, purpose) in [
        ("secret.key", Purpose::Key),
        ("images.ct", Purpose::Key),
        ("answers.ct", Purpose::Images),
        ("program.beaa", Purpose::Images),
    ] {
        let all = bytes(name);
        let new = NewUpload { purpose, length: all.len() as u64, sha256: Digest::of(&all) };
        let id = store.begin_upload(caller, &new, 0).unwrap();
        assert_eq!(kind(append(store, caller, &id, &chunk(0, &all), whole(&all))), RefusalKind::Unfit, "{name}");
        assert_eq!(kind(store.upload(caller, &id)), RefusalKind::NotFound);
        assert!(!store.blob(&new.sha256).exists() || name == "program.beaa", "{name}");
    }
    // A whole that is not the one that was promised.
    let all = bytes("images.ct");
    let new = NewUpload { purpose: Purpose::Images, length: all.len() as u64, sha256: Digest::of(b"another") };
    let id = store.begin_upload(caller, &new, 0).unwrap();
    assert_eq!(kind(append(store, caller, &id, &chunk(0, &all), whole(&all))), RefusalKind::Unfit);
    assert_eq!(std::fs::read_dir(store.folder().join("uploads")).unwrap().count(), 0);
}

#[test]
fn the_same_upload_gives_the_same_job() {
    let sample = Sample::new();
    let job = sample.job();
    assert_eq!(sample.store.jobs(&sample.caller, None, 100).unwrap().0.len(), 1);
    let upload = sample.upload(&sample.caller, "images.ct", Purpose::Images, 1000);
    let new = NewJob { program: sample.program.clone(), upload, key: job.key };
    let (first, is_new) = sample.store.create_job(&sample.caller, &new).unwrap();
    let (second, again) = sample.store.create_job(&sample.caller, &new).unwrap();
    assert_eq!((is_new, again, first.id), (true, false, second.id));
    assert_ne!(first.id, job.id, "another upload of the same bytes is another job");
}

#[test]
fn jobs_of_parts_that_do_not_belong_together_are_refused() {
    let sample = Sample::new();
    let upload = sample.upload(&sample.caller, "images.ct", Purpose::Images, usize::MAX);
    let key = Some(Digest::of(&bytes("evaluation.key")));
    let create = |program: &str, key| {
        sample.store.create_job(&sample.caller, &NewJob { program: program.to_owned(), upload, key })
    };
    assert_eq!(kind(create(&sample.program, key)), RefusalKind::NotFound, "a key that was never sent");
    assert_eq!(kind(create("0", None)), RefusalKind::NotFound, "a program that is not published");
    assert_eq!(kind(create(&sample.program, None)), RefusalKind::Conflict, "no key for a program that switches keys");
    sample.upload(&sample.caller, "evaluation.key", Purpose::Key, usize::MAX);
    sample.store.withdraw(&sample.program).unwrap();
    assert_eq!(kind(create(&sample.program, key)), RefusalKind::NotFound, "a program that was withdrawn");
    sample.store.publish(&file("program.beaa")).unwrap();
    create(&sample.program, key).unwrap();
}

#[test]
fn a_dead_workers_job_runs_again_and_what_it_says_later_does_not_count() {
    let sample = Sample::new();
    let (store, job) = (&sample.store, sample.job());
    let state = || store.job(&sample.caller, &job.id).unwrap();
    let first = lease(store, "first", 1_000_000, 1_030_000).unwrap();
    assert_eq!((state().state, state().attempts), (JobState::Running, 1));
    assert!(lease(store, "second", 1_000_001, 1_030_000).is_none(), "two workers of one job");
    assert_eq!(store.expire_leases(1_029_999).unwrap(), 0);
    assert!(store.renew(&first, 1_060_000, None).unwrap());
    assert_eq!(store.expire_leases(1_031_000).unwrap(), 0, "renewed");
    assert_eq!(store.expire_leases(1_060_001).unwrap(), 1);
    assert_eq!(state().state, JobState::Queued);
    let second = lease(store, "second", 1_060_002, 1_090_000).unwrap();
    // The first was only slow.
    let late = store.answers_in_work(&first);
    std::fs::write(&late, b"late").unwrap();
    assert!(!store.renew(&first, 2_000_000, None).unwrap());
    assert!(!store.answer(&first, &late, &ProgressView::default(), 1_060_003).unwrap());
    assert!(!store.release(&first, 1_060_003, 0).unwrap());
    assert_eq!((state().state, state().attempts), (JobState::Running, 2));
    let answers = store.answers_in_work(&second);
    std::fs::write(&answers, b"answers").unwrap();
    assert!(store.answer(&second, &answers, &ProgressView::default(), 1_060_004).unwrap());
    assert_eq!(state().answers_sha256, Some(Digest::of(b"answers")));
    std::fs::write(&answers, b"twice").unwrap();
    assert!(!store.answer(&second, &answers, &ProgressView::default(), 1_060_005).unwrap());
    assert_eq!(state().answers_sha256, Some(Digest::of(b"answers")));
}

#[test]
fn a_clock_that_is_set_back_keeps_no_job_for_ever() {
    let sample = Sample::new();
    let (store, job) = (&sample.store, sample.job());
    lease(store, "first", 9_000_000_000, 9_000_030_000).unwrap();
    // The clock is set back by a day; the lease would last that long.
    assert_eq!(store.expire_leases(8_913_600_000).unwrap(), 1);
    assert_eq!(store.job(&sample.caller, &job.id).unwrap().state, JobState::Queued);
}

#[test]
fn servers_with_leases_of_other_lengths_leave_each_others_alone() {
    let sample = Sample::new();
    let (store, job) = (&sample.store, sample.job());
    // An hour, of a server whose settings say so; the other looks whatever its own are.
    let held = lease(store, "patient", 1_000_000, 4_600_000).unwrap();
    let elsewhere = Store::open(store.folder()).unwrap();
    assert_eq!(elsewhere.expire_leases(1_000_500).unwrap(), 0);
    assert!(elsewhere.renew(&held, 4_601_000, None).unwrap());
    assert_eq!(elsewhere.expire_leases(1_001_000).unwrap(), 0);
    assert_eq!(store.job(&sample.caller, &job.id).unwrap().state, JobState::Running);
    assert_eq!(elsewhere.expire_leases(4_601_001).unwrap(), 1, "and it ends all the same");
}

#[test]
fn a_job_that_ends_its_workers_fails_after_some_tries() {
    let sample = Sample::new();
    let (store, job) = (&sample.store, sample.job());
    for attempt in 0..MOST_ATTEMPTS as i64 {
        lease(store, "w", attempt * 100, attempt * 100 + 10).unwrap();
        assert_eq!(store.expire_leases(attempt * 100 + 11).unwrap(), 1);
    }
    let failed = store.job(&sample.caller, &job.id).unwrap();
    assert_eq!(failed.state, JobState::Failed);
    assert!(failed.problem.unwrap().detail.contains("begun 5 times"));
}

#[test]
fn jobs_of_one_machine_share_its_memory() {
    let sample = Sample::new();
    let (store, _) = (&sample.store, [sample.job(), sample.job()]);
    let take = |host: &str, planned: u64| {
        let candidate = store.candidate(0, 1000).unwrap()?;
        let worker = WorkerId { name: "w".to_owned(), host: host.to_owned() };
        store.lease(&candidate, &worker, [planned, 1000], [0, 30_000]).unwrap()
    };
    let first = take("here", 600).unwrap();
    assert!(take("here", 600).is_none(), "both take more than the machine has");
    assert!(take("here", 400).is_some(), "what fits is taken");
    assert!(store.release(&first, 1, 0).unwrap());
    assert!(take("elsewhere", 600).is_some(), "another machine has memory of its own");
    // What no worker of this size can ever run does not keep others waiting.
    let third = sample.job();
    let candidate = store.candidate(0, 1000).unwrap().unwrap();
    assert_eq!(candidate.job.view.id, third.id);
    store.note_planned(&candidate, 5000).unwrap();
    let fourth = sample.job();
    assert_eq!(store.candidate(0, 1000).unwrap().unwrap().job.view.id, fourth.id);
    assert_eq!(store.candidate(0, 5000).unwrap().unwrap().job.view.id, third.id);
}

#[test]
fn cancelled_jobs_are_neither_run_nor_answered() {
    let sample = Sample::new();
    let (store, caller, job) = (&sample.store, &sample.caller, sample.job());
    assert_eq!(kind(store.delete_job(caller, &job.id)), RefusalKind::Conflict, "not ended");
    store.cancel_job(caller, &job.id).unwrap();
    assert!(lease(store, "w", 0, 30_000).is_none());
    let running = sample.job();
    let held = lease(store, "w", 0, 30_000).unwrap();
    store.cancel_job(caller, &running.id).unwrap();
    store.cancel_job(caller, &running.id).unwrap();
    let answers = store.answers_in_work(&held);
    std::fs::write(&answers, b"answers").unwrap();
    assert!(!store.answer(&held, &answers, &ProgressView::default(), 1).unwrap());
    assert!(!store.renew(&held, 60_000, None).unwrap(), "the worker hears of it");
    assert_eq!(store.job(caller, &running.id).unwrap().state, JobState::Cancelled);
    assert_eq!(kind(store.answers(caller, &running.id)), RefusalKind::Conflict);
}

#[test]
fn deletion_deletes() {
    let sample = Sample::new();
    let (store, caller) = (&sample.store, &sample.caller);
    let published = sample.blobs();
    let job = sample.job();
    let held = lease(store, "w", 0, 30_000).unwrap();
    let answers = store.answers_in_work(&held);
    std::fs::write(&answers, b"answers").unwrap();
    assert!(store.answer(&held, &answers, &ProgressView::default(), 1).unwrap());
    assert_eq!(sample.blobs(), published + 3, "key, images, answers");
    store.delete_job(caller, &job.id).unwrap();
    assert_eq!(sample.blobs(), published + 1);
    store.delete_key(caller, &job.key.unwrap()).unwrap();
    assert_eq!(sample.blobs(), published);
    assert_eq!(kind(store.job(caller, &job.id)), RefusalKind::NotFound);
    assert_eq!(store.account(caller).unwrap().usage.stored_bytes, 0);
    // Two tenants with one file: it stays until both have deleted it.
    for who in [caller, &sample.other] {
        sample.upload(who, "evaluation.key", Purpose::Key, usize::MAX);
    }
    store.delete_key(caller, &job.key.unwrap()).unwrap();
    assert_eq!((sample.blobs(), store.keys(&sample.other).unwrap().len()), (published + 1, 1));
    // Nothing of contents is in the log.
    let log: Vec<String> = store.audit(100).unwrap().into_iter().map(|entry| entry.action).collect();
    for action in ["program published", "upload complete", "job queued", "job begun", "job answered", "job deleted"] {
        assert!(log.iter().any(|a| a == action), "{action} in {log:?}");
    }
}

#[test]
fn other_tenants_ids_are_not_there() {
    let sample = Sample::new();
    let (store, other, job) = (&sample.store, &sample.other, sample.job());
    let upload = sample.upload(&sample.caller, "images.ct", Purpose::Images, usize::MAX);
    assert_eq!(kind(store.job(other, &job.id)), RefusalKind::NotFound);
    assert_eq!(kind(store.cancel_job(other, &job.id)), RefusalKind::NotFound);
    assert_eq!(kind(store.delete_job(other, &job.id)), RefusalKind::NotFound);
    assert_eq!(kind(store.answers(other, &job.id)), RefusalKind::NotFound);
    assert_eq!(kind(store.jobs(other, Some(&job.id), 10)), RefusalKind::NotFound);
    assert_eq!(kind(store.upload(other, &upload)), RefusalKind::NotFound);
    assert_eq!(kind(store.delete_upload(other, &upload)), RefusalKind::NotFound);
    assert_eq!(kind(append(store, other, &upload, &chunk(0, b"x"), whole(b"x"))), RefusalKind::NotFound);
    let key = job.key.unwrap();
    assert_eq!(kind(store.key(other, &key)), RefusalKind::NotFound);
    assert_eq!(kind(store.delete_key(other, &key)), RefusalKind::NotFound);
    let new = NewJob { program: sample.program.clone(), upload, key: Some(key) };
    assert_eq!(kind(store.create_job(other, &new)), RefusalKind::NotFound);
    assert!(store.jobs(other, None, 10).unwrap().0.is_empty() && store.keys(other).unwrap().is_empty());
}

#[test]
fn tokens_end_and_their_secrets_are_not_in_the_store() {
    let sample = Sample::new();
    let store = &sample.store;
    assert_eq!(kind(store.caller("beaa_unknown")), RefusalKind::Unauthorised);
    assert_eq!(kind(store.caller("")), RefusalKind::Unauthorised);
    let new = |label, lifetime_ms| NewToken { tenant: "clinic", label, scope: Scope::Read, lifetime_ms };
    let short = store.add_token(&new("short", Some(-1))).unwrap();
    assert_eq!(kind(store.caller(&short)), RefusalKind::Unauthorised);
    let good = store.add_token(&new("good", Some(60_000))).unwrap();
    assert_eq!(store.caller(&good).unwrap().scope, Scope::Read);
    assert_eq!(kind(store.add_token(&new("good", None))), RefusalKind::Conflict);
    store.revoke_token("good").unwrap();
    assert_eq!(kind(store.caller(&good)), RefusalKind::Unauthorised);
    assert_eq!(kind(store.revoke_token("good")), RefusalKind::NotFound);
    let (secret, mut seen) = (good.as_bytes(), 0);
    for name in ["beaa.sqlite", "beaa.sqlite-wal"] {
        // The second is gone while nobody has the database open.
        let Ok(bytes) = std::fs::read(store.folder().join(name)) else { continue };
        seen += bytes.len();
        assert!(!bytes.windows(secret.len()).any(|w| w == secret), "{name} holds a token");
    }
    assert!(seen > 10_000, "{seen} bytes of the database were looked at");
}

#[test]
fn a_tenant_uses_no_more_than_its_limits() {
    let sample = Sample::new();
    let (store, caller) = (&sample.store, &sample.caller);
    let length = bytes("images.ct").len() as u64;
    store.set_tenant("clinic", TenantLimits { stored_bytes: length + length / 2, ..LIMITS }).unwrap();
    let new = NewUpload { purpose: Purpose::Images, length, sha256: Digest::of(b"x") };
    let id = store.begin_upload(caller, &new, 0).unwrap();
    assert_eq!(kind(store.begin_upload(caller, &new, 0)), RefusalKind::OverLimit, "bytes count from the beginning");
    store.delete_upload(caller, &id).unwrap();
    store.begin_upload(caller, &new, 0).unwrap();
    store.set_tenant("clinic", TenantLimits { active_jobs: 1, ..LIMITS }).unwrap();
    let job = sample.job();
    let upload = sample.upload(caller, "images.ct", Purpose::Images, usize::MAX);
    let second = NewJob { program: sample.program.clone(), upload, key: job.key };
    assert_eq!(kind(store.create_job(caller, &second)), RefusalKind::OverLimit);
    store.cancel_job(caller, &job.id).unwrap();
    store.create_job(caller, &second).unwrap();
}

#[test]
fn what_failures_leave_is_swept_and_nothing_else() {
    let sample = Sample::new();
    let (store, job) = (&sample.store, sample.job());
    let held = lease(store, "w", 0, 30_000).unwrap();
    std::fs::write(store.answers_in_work(&held), b"at work").unwrap();
    let stray = Digest::of(b"stray");
    std::fs::create_dir_all(store.blob(&stray).parent().unwrap()).unwrap();
    let strays = [store.blob(&stray), store.work_folder().join("left"), store.folder().join("uploads/left")];
    // Answers have a temporary name until they are whole.
    let unfinished = store.work_folder().join(".beaa-unfinished.tmp");
    std::fs::write(&unfinished, b"at work").unwrap();
    let kept =
        [store.answers_in_work(&held), unfinished, store.blob(&job.images_sha256), store.blob(&job.key.unwrap())];
    for path in &strays {
        std::fs::write(path, b"stray").unwrap();
    }
    assert_eq!(store.sweep(i64::MAX / 2).unwrap(), 0, "young files may be at work");
    let old = std::time::SystemTime::now() - Duration::from_secs(3600);
    for path in strays.iter().chain(&kept) {
        std::fs::File::options().append(true).open(path).unwrap().set_modified(old).unwrap();
    }
    assert_eq!(store.sweep(i64::MAX / 2).unwrap(), 3);
    assert!(strays.iter().all(|p| !p.exists()) && kept.iter().all(|p| p.exists()));
    // Uploads that nobody goes on with.
    let new = NewUpload { purpose: Purpose::Images, length: 5, sha256: stray };
    let id = store.begin_upload(&sample.caller, &new, 0).unwrap();
    std::thread::sleep(Duration::from_millis(5));
    store.sweep(1).unwrap();
    assert_eq!(kind(store.upload(&sample.caller, &id)), RefusalKind::NotFound);
}

#[test]
fn a_job_whose_images_are_damaged_fails_with_its_reason() {
    let sample = Sample::new();
    let job = sample.job();
    let path = sample.store.blob(&job.images_sha256);
    let mut damaged = std::fs::read(&path).unwrap();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    std::fs::write(&path, damaged).unwrap();
    let state = || sample.store.job(&sample.caller, &job.id).unwrap();
    work_until(&sample, || state().state.is_final());
    assert_eq!(state().state, JobState::Failed);
    let problem = state().problem.unwrap();
    assert!(!problem.remedy.is_empty() && problem.detail.contains("running a job"), "{problem:?}");
    assert!(!problem.detail.contains(sample.folder.path().to_str().unwrap()), "{problem:?}");
}

#[test]
fn a_folder_that_holds_something_else_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let notes = folder.path().join("work/notes.txt");
    std::fs::create_dir_all(notes.parent().unwrap()).unwrap();
    std::fs::write(&notes, "mine").unwrap();
    let refused = Store::open(folder.path()).err().unwrap().to_string();
    assert!(refused.contains("a folder of its own"), "{refused}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(std::fs::read_to_string(&notes).unwrap(), "mine");
}
