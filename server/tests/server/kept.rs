//! What workers keep in memory between jobs: it is theirs, for a while, and the bits are the same.

use std::time::{Duration, Instant};

use beaa_protocol::{Digest, JobState, ProgressView};
use beaa_server::store::{HOLD_MS, Lease, WorkerId};

use crate::kit::{Database, Sample, on_both_databases};
use crate::running::Worker;

on_both_databases![
    what_a_worker_keeps_is_left_to_it,
    a_job_that_waits_again_is_for_workers_of_any_size,
    jobs_after_the_first_have_the_same_answers,
];

fn worker(name: &str, host: &str) -> WorkerId {
    WorkerId { name: name.to_owned(), host: host.to_owned() }
}

/// Takes the first job that waits, for which 600 of 1000 bytes are needed.
fn take(sample: &Sample, worker: &WorkerId, now: i64) -> Option<Lease> {
    let candidate = sample.store.candidate(now, 1000).unwrap().unwrap();
    sample.store.lease(&candidate, worker, [600, 1000], [now, now + 30_000]).unwrap()
}

/// Answers a job whose memory `keeper` goes on using.
fn answer(sample: &Sample, lease: &Lease, keeper: Option<&WorkerId>, now: i64) -> bool {
    let file = sample.store.answers_in_work(lease);
    std::fs::write(&file, b"answers").unwrap();
    sample.store.answer(lease, &file, &ProgressView::default(), keeper, now).unwrap()
}

fn what_a_worker_keeps_is_left_to_it(database: Database) {
    let sample = Sample::on(database);
    let (keeper, other) = (worker("keeper", "here"), worker("other", "here"));
    let (begin, free) = (1_000_000, 1_000_001 + 2 * HOLD_MS);
    let give_back = |lease: Lease| assert!(sample.store.release(&lease, 1, 0).unwrap());
    let keep = || {
        sample.job();
        let lease = take(&sample, &keeper, begin).unwrap();
        assert!(answer(&sample, &lease, Some(&keeper), begin));
    };
    keep();
    sample.job();
    assert!(take(&sample, &other, begin).is_none(), "both take more than the machine has");
    assert!(take(&sample, &other, free - 1).is_none(), "until then");
    give_back(take(&sample, &worker("other", "elsewhere"), begin).unwrap());
    give_back(take(&sample, &other, free).unwrap());
    // For more than twice as long as anything is kept: the clock was set back.
    give_back(take(&sample, &other, begin - 2 * HOLD_MS - 1).unwrap());
    assert!(take(&sample, &other, begin - 2 * HOLD_MS).is_none());
    // Its own next job uses what it keeps, and then it keeps nothing else.
    give_back(take(&sample, &keeper, begin).unwrap());
    let last = take(&sample, &other, begin).unwrap();
    assert!(answer(&sample, &last, None, begin), "whose memory nobody keeps");
    keep();
    keep();
    assert_eq!(sample.count("SELECT count(*) FROM holdings"), 1);
    sample.job();
    assert!(take(&sample, &other, begin).is_none());
    sample.store.let_go(&keeper).unwrap();
    let late = take(&sample, &other, begin).unwrap();
    // Of a job that is not its own any more, a worker keeps nothing.
    assert!(sample.store.release(&late, 1, 0).unwrap());
    assert!(!answer(&sample, &late, Some(&other), begin));
    assert_eq!(sample.count("SELECT count(*) FROM holdings"), 0);
}

fn a_job_that_waits_again_is_for_workers_of_any_size(database: Database) {
    let sample = Sample::on(database);
    let job = sample.job();
    let lease = take(&sample, &worker("large", "here"), 0).unwrap();
    assert_eq!(sample.store.job(&sample.caller, &job.id).unwrap().planned_bytes, Some(600));
    assert!(sample.store.candidate(0, 500).unwrap().is_none(), "it is being run");
    assert!(sample.store.release(&lease, 1, 0).unwrap());
    assert_eq!(sample.store.candidate(0, 500).unwrap().unwrap().job.view.id, job.id);
    take(&sample, &worker("large", "here"), 0).unwrap();
    assert_eq!(sample.store.expire_leases(30_001).unwrap(), 1);
    assert_eq!(sample.store.candidate(30_001, 500).unwrap().unwrap().job.view.id, job.id);
}

fn jobs_after_the_first_have_the_same_answers(database: Database) {
    let sample = Sample::on(database);
    let running = Worker::new(&sample);
    let held = || sample.count("SELECT count(*) FROM holdings");
    let mut answers: Vec<Digest> = Vec::new();
    for _ in 0..3 {
        let job = sample.job();
        let state = || sample.store.job(&sample.caller, &job.id).unwrap();
        let started = Instant::now();
        while !state().state.is_final() {
            assert!(started.elapsed() < Duration::from_secs(60), "the worker does nothing");
            std::thread::sleep(Duration::from_millis(20));
        }
        let job = state();
        assert_eq!(job.state, JobState::Answered);
        assert_eq!(held(), 1, "since the job was answered");
        answers.extend(job.answers_sha256);
    }
    assert!(answers.len() == 3 && answers.iter().all(|a| *a == answers[0]), "{answers:?}");
    drop(running);
    assert_eq!(held(), 0);
}
