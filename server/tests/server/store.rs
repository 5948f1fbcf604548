//! Nothing is lost, nothing is done twice, and nobody sees what is another's: the store, without
//! HTTP.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::kit::{Database, Frame, LIMITS, Sample, append, bytes, chunk, file, kind, on_both_databases, whole};
use crate::leases::lease;
use beaa_ir::ckks::load_program;
use beaa_protocol::upload::Purpose;
use beaa_protocol::{Digest, JobState, NewJob, ProgressView, Scope};
use beaa_runtime::ckks::{ArrangedWeights, EncryptedInput, PreparedProgram, ServerKey};
use beaa_runtime::{Progress, Silent};
use beaa_server::RefusalKind;
use beaa_server::store::{NewToken, NewUpload, Store, TenantLimits};
use beaa_server::worker::{Work, work};

on_both_databases![
    a_worker_gives_the_bits_of_a_run_and_says_how_far_it_is,
    an_upload_goes_on_where_it_was_interrupted,
    two_requests_cannot_add_to_one_upload_at_once,
    a_failure_between_last_byte_and_entry_loses_nothing,
    what_is_no_key_or_was_made_with_a_seed_is_refused_and_forgotten,
    the_same_upload_gives_the_same_job,
    jobs_of_parts_that_do_not_belong_together_are_refused,
    deletion_deletes,
    other_tenants_ids_are_not_there,
    tokens_end_and_their_secrets_are_not_in_the_store,
    a_tenant_uses_no_more_than_its_limits,
    limits_hold_for_requests_that_come_at_once,
    what_failures_leave_is_swept_and_nothing_else,
    a_job_whose_images_are_damaged_fails_with_its_reason,
];

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
    let job = Work { store: Arc::clone(&sample.store), lease_ms: 5000, stop: Arc::clone(&stop), card: None };
    let thread = std::thread::spawn(move || work(&job).unwrap());
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < Duration::from_secs(60), "the worker does nothing");
        std::thread::sleep(Duration::from_millis(20));
    }
    stop.store(true, Ordering::Relaxed);
    thread.join().unwrap();
}

fn a_worker_gives_the_bits_of_a_run_and_says_how_far_it_is(database: Database) {
    let sample = Sample::on(database);
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

fn an_upload_goes_on_where_it_was_interrupted(database: Database) {
    let sample = Sample::on(database);
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
    let again = sample.another_store();
    assert_eq!(again.upload(caller, &id).unwrap().received, half as u64);
    let view = append(&again, caller, &id, &chunk(half as u64, &all[half..]), whole(&all[half..])).unwrap();
    assert!(view.complete);
    assert_eq!(std::fs::read(again.blob(&new.sha256)).unwrap(), all);
    assert!(!path.exists());
    // The last chunk once more, since its answer was lost.
    let last = append(&again, caller, &id, &chunk(all.len() as u64, &[]), whole(&[])).unwrap();
    assert!(last.complete);
}

fn two_requests_cannot_add_to_one_upload_at_once(database: Database) {
    let sample = Sample::on(database);
    let (store, caller) = (&sample.store, &sample.caller);
    let all = bytes("images.ct");
    let new = NewUpload { purpose: Purpose::Images, length: all.len() as u64, sha256: Digest::of(&all) };
    let id = store.begin_upload(caller, &new, 0).unwrap();
    // While the frames of one are being read, the other is refused, also by another server.
    let elsewhere = sample.another_store();
    let frames = whole(&all).inspect(|_| {
        let other = append(&elsewhere, caller, &id, &chunk(0, &all), whole(&all));
        assert_eq!(kind(other), RefusalKind::Locked);
    });
    assert!(append(store, caller, &id, &chunk(0, &all), frames).unwrap().complete);
}

fn a_failure_between_last_byte_and_entry_loses_nothing(database: Database) {
    let sample = Sample::on(database);
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
    sample.sql("UPDATE uploads SET received = length");
    assert!(store.keys(caller).unwrap().is_empty());
    assert!(store.complete_upload(caller, &id).unwrap().complete);
    assert_eq!(store.keys(caller).unwrap().len(), 1);
}

fn what_is_no_key_or_was_made_with_a_seed_is_refused_and_forgotten(database: Database) {
    let sample = Sample::on(database);
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

fn the_same_upload_gives_the_same_job(database: Database) {
    let sample = Sample::on(database);
    let job = sample.job();
    assert_eq!(sample.store.jobs(&sample.caller, None, 100).unwrap().0.len(), 1);
    let upload = sample.upload(&sample.caller, "images.ct", Purpose::Images, 1000);
    let new = NewJob { program: sample.program.clone(), upload, key: job.key };
    let (first, is_new) = sample.store.create_job(&sample.caller, &new).unwrap();
    let (second, again) = sample.store.create_job(&sample.caller, &new).unwrap();
    assert_eq!((is_new, again, first.id), (true, false, second.id));
    assert_ne!(first.id, job.id, "another upload of the same bytes is another job");
}

fn jobs_of_parts_that_do_not_belong_together_are_refused(database: Database) {
    let sample = Sample::on(database);
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

fn deletion_deletes(database: Database) {
    let sample = Sample::on(database);
    let (store, caller) = (&sample.store, &sample.caller);
    let published = sample.blobs();
    let job = sample.job();
    let held = lease(store, "w", 0, 30_000).unwrap();
    let answers = store.answers_in_work(&held);
    std::fs::write(&answers, b"answers").unwrap();
    assert!(store.answer(&held, &answers, &ProgressView::default(), None, 1).unwrap());
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

fn other_tenants_ids_are_not_there(database: Database) {
    let sample = Sample::on(database);
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

fn tokens_end_and_their_secrets_are_not_in_the_store(database: Database) {
    let sample = Sample::on(database);
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
    for bytes in sample.contents() {
        seen += bytes.len();
        assert!(!bytes.windows(secret.len()).any(|w| w == secret), "the database holds a token");
    }
    assert!(seen > 1000, "{seen} bytes of the database were looked at");
}

fn a_tenant_uses_no_more_than_its_limits(database: Database) {
    let sample = Sample::on(database);
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

fn limits_hold_for_requests_that_come_at_once(database: Database) {
    const AT_ONCE: usize = 40;
    let sample = Sample::on(database);
    let (store, caller) = (&sample.store, &sample.caller);
    store.set_tenant("clinic", TenantLimits { uploads: 25, ..LIMITS }).unwrap();
    let new = NewUpload { purpose: Purpose::Images, length: 10, sha256: Digest::of(b"x") };
    let begun: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(|| store.begin_upload(caller, &new, 0))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let (ids, refused): (Vec<_>, Vec<_>) = begun.into_iter().partition(std::result::Result::is_ok);
    assert_eq!((ids.len(), refused.len()), (25, AT_ONCE - 25));
    assert!(refused.into_iter().all(|refusal| kind(refusal) == RefusalKind::OverLimit));
    // What was told is there, what was refused has left nothing.
    for id in ids {
        assert_eq!(store.upload(caller, &id.unwrap()).unwrap().received, 0);
    }
    assert_eq!(store.account(caller).unwrap().usage.uploads, 25);
    assert_eq!(sample.count("SELECT COUNT(*) FROM uploads"), 25);
    assert_eq!(sample.count("SELECT COUNT(*) FROM audit WHERE action = 'upload begun'"), 25);
}

fn what_failures_leave_is_swept_and_nothing_else(database: Database) {
    let sample = Sample::on(database);
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

fn a_job_whose_images_are_damaged_fails_with_its_reason(database: Database) {
    let sample = Sample::on(database);
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
