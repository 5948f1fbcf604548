//! What workers keep in memory between jobs: it is theirs, for a while, and the bits are the same.

use beaa_protocol::{Digest, JobState};
use beaa_server::store::{HOLD_MS, WorkerId};

use crate::kit::{Database, Sample, on_both_databases};
use crate::running::Worker;

on_both_databases![what_a_worker_keeps_is_left_to_it, jobs_after_the_first_have_the_same_answers];

fn what_a_worker_keeps_is_left_to_it(database: Database) {
    let sample = Sample::on(database);
    let store = &sample.store;
    let worker = |name: &str, host: &str| WorkerId { name: name.to_owned(), host: host.to_owned() };
    let (keeper, other) = (worker("keeper", "here"), worker("other", "here"));
    let take = |worker: &WorkerId, now: i64| {
        let candidate = store.candidate(now, 1000).unwrap().unwrap();
        store.lease(&candidate, worker, [600, 1000], [now, now + 30_000]).unwrap()
    };
    let give_back = |lease| assert!(store.release(&lease, 1, 0).unwrap());
    sample.job();
    store.hold(&keeper, 500, 1_000_000).unwrap();
    assert!(take(&other, 1_000_001).is_none(), "both take more than the machine has");
    assert!(take(&other, 1_000_000 + HOLD_MS).is_none(), "until then");
    give_back(take(&worker("other", "elsewhere"), 1_000_001).unwrap());
    give_back(take(&other, 1_000_001 + HOLD_MS).unwrap());
    // For much longer than anything is kept: the clock was set back.
    give_back(take(&other, 900_000).unwrap());
    // Its own next job uses what it keeps, and then it keeps nothing else.
    give_back(take(&keeper, 1_000_001).unwrap());
    give_back(take(&other, 1_000_001).unwrap());
    store.hold(&keeper, 300, 1_000_000).unwrap();
    store.hold(&keeper, 500, 1_000_000).unwrap();
    assert!(take(&other, 1_000_001).is_none(), "the newest counts");
    store.let_go(&keeper).unwrap();
    give_back(take(&other, 1_000_001).unwrap());
}

fn jobs_after_the_first_have_the_same_answers(database: Database) {
    let sample = Sample::on(database);
    let worker = Worker::new(&sample);
    let held = || sample.count("SELECT count(*) FROM holdings");
    let mut answers: Vec<Digest> = Vec::new();
    for _ in 0..3 {
        let job = sample.job();
        let state = || sample.store.job(&sample.caller, &job.id).unwrap();
        let started = std::time::Instant::now();
        while !state().state.is_final() {
            assert!(started.elapsed().as_secs() < 60, "the worker does nothing");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let job = state();
        assert_eq!(job.state, JobState::Answered);
        assert_eq!(held(), 1, "kept before the job was answered");
        answers.extend(job.answers_sha256);
    }
    assert!(answers.len() == 3 && answers.iter().all(|a| *a == answers[0]), "{answers:?}");
    drop(worker);
    assert_eq!(held(), 0);
}
