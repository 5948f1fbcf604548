//! Who may work on a job, and until when: the store, without HTTP.

use crate::kit::{Database, Sample, kind, on_both_databases};
use beaa_protocol::{Digest, JobState, ProgressView};
use beaa_server::RefusalKind;
use beaa_server::store::{Lease, MOST_ATTEMPTS, Store, WorkerId};

on_both_databases![
    a_dead_workers_job_runs_again_and_what_it_says_later_does_not_count,
    a_clock_that_is_set_back_keeps_no_job_for_ever,
    servers_with_leases_of_other_lengths_leave_each_others_alone,
    a_job_that_ends_its_workers_fails_after_some_tries,
    jobs_of_one_machine_share_its_memory,
    cancelled_jobs_are_neither_run_nor_answered,
];

fn worker(name: &str) -> WorkerId {
    WorkerId { name: name.to_owned(), host: "here".to_owned() }
}

/// Takes the next job as a worker with a budget that is enough.
pub(crate) fn lease(store: &Store, name: &str, now: i64, until: i64) -> Option<Lease> {
    let candidate = store.candidate(now, u64::MAX >> 1).unwrap()?;
    store.lease(&candidate, &worker(name), [1000, u64::MAX >> 1], [now, until]).unwrap()
}

fn a_dead_workers_job_runs_again_and_what_it_says_later_does_not_count(database: Database) {
    let sample = Sample::on(database);
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
    assert!(!store.answer(&first, &late, &ProgressView::default(), None, 1_060_003).unwrap());
    assert!(!store.release(&first, 1_060_003, 0).unwrap());
    assert_eq!((state().state, state().attempts), (JobState::Running, 2));
    let answers = store.answers_in_work(&second);
    std::fs::write(&answers, b"answers").unwrap();
    assert!(store.answer(&second, &answers, &ProgressView::default(), None, 1_060_004).unwrap());
    assert_eq!(state().answers_sha256, Some(Digest::of(b"answers")));
    std::fs::write(&answers, b"twice").unwrap();
    assert!(!store.answer(&second, &answers, &ProgressView::default(), None, 1_060_005).unwrap());
    assert_eq!(state().answers_sha256, Some(Digest::of(b"answers")));
}

fn a_clock_that_is_set_back_keeps_no_job_for_ever(database: Database) {
    let sample = Sample::on(database);
    let (store, job) = (&sample.store, sample.job());
    lease(store, "first", 9_000_000_000, 9_000_030_000).unwrap();
    // The clock is set back by a day; the lease would last that long.
    assert_eq!(store.expire_leases(8_913_600_000).unwrap(), 1);
    assert_eq!(store.job(&sample.caller, &job.id).unwrap().state, JobState::Queued);
}

fn servers_with_leases_of_other_lengths_leave_each_others_alone(database: Database) {
    let sample = Sample::on(database);
    let (store, job) = (&sample.store, sample.job());
    // An hour, of a server whose settings say so; the other looks whatever its own are.
    let held = lease(store, "patient", 1_000_000, 4_600_000).unwrap();
    let elsewhere = sample.another_store();
    assert_eq!(elsewhere.expire_leases(1_000_500).unwrap(), 0);
    assert!(elsewhere.renew(&held, 4_601_000, None).unwrap());
    assert_eq!(elsewhere.expire_leases(1_001_000).unwrap(), 0);
    assert_eq!(store.job(&sample.caller, &job.id).unwrap().state, JobState::Running);
    assert_eq!(elsewhere.expire_leases(4_601_001).unwrap(), 1, "and it ends all the same");
}

fn a_job_that_ends_its_workers_fails_after_some_tries(database: Database) {
    let sample = Sample::on(database);
    let (store, job) = (&sample.store, sample.job());
    for attempt in 0..MOST_ATTEMPTS as i64 {
        lease(store, "w", attempt * 100, attempt * 100 + 10).unwrap();
        assert_eq!(store.expire_leases(attempt * 100 + 11).unwrap(), 1);
    }
    let failed = store.job(&sample.caller, &job.id).unwrap();
    assert_eq!(failed.state, JobState::Failed);
    assert!(failed.problem.unwrap().detail.contains("begun 5 times"));
}

fn jobs_of_one_machine_share_its_memory(database: Database) {
    let sample = Sample::on(database);
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

fn cancelled_jobs_are_neither_run_nor_answered(database: Database) {
    let sample = Sample::on(database);
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
    assert!(!store.answer(&held, &answers, &ProgressView::default(), None, 1).unwrap());
    assert!(!store.renew(&held, 60_000, None).unwrap(), "the worker hears of it");
    assert_eq!(store.job(caller, &running.id).unwrap().state, JobState::Cancelled);
    assert_eq!(kind(store.answers(caller, &running.id)), RefusalKind::Conflict);
}
