//! The states of a job, and what brings it from one to the next: one table, and the only statement
//! that changes a state.

use beaa_protocol::JobState::{self, Answered, Cancelled, Failed, Queued, Running};

use super::database::{Transaction, values};
use crate::{Error, RefusalKind, Result};

/// What happens to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobEvent {
    /// A worker gets a lease on it.
    Lease,
    /// The worker gives it back unfinished.
    Release,
    /// The worker was not heard of until its lease ended.
    Expire,
    /// Its answers are there.
    Answer,
    /// It cannot be run.
    Fail,
    /// The client wants it no more.
    Cancel,
}

/// Every way of a job from one state to another. A final state has none that leads on.
pub const TRANSITIONS: [(JobState, JobEvent, JobState); 8] = [
    (Queued, JobEvent::Lease, Running),
    (Queued, JobEvent::Cancel, Cancelled),
    (Queued, JobEvent::Fail, Failed),
    (Running, JobEvent::Release, Queued),
    (Running, JobEvent::Expire, Queued),
    (Running, JobEvent::Answer, Answered),
    (Running, JobEvent::Fail, Failed),
    (Running, JobEvent::Cancel, Cancelled),
];

/// Where `event` leads from `state`, if it can happen there.
pub(super) fn after(state: JobState, event: JobEvent) -> Option<JobState> {
    TRANSITIONS.into_iter().find(|(from, with, _)| (*from, *with) == (state, event)).map(|(_, _, to)| to)
}

/// Lets `event` happen to the job of that number, and gives its new state.
///
/// # Errors
/// [`RefusalKind::Conflict`] where it cannot happen in the job's state.
pub(super) fn happen(transaction: &Transaction<'_>, seq: i64, event: JobEvent, now: i64) -> Result<JobState> {
    let operation = "changing the state of a job";
    let row = transaction.only(operation, "SELECT state FROM jobs WHERE seq = ?", values![seq])?;
    let state = state(&row.get::<String>(0)?)?;
    let Some(next) = after(state, event) else {
        return Err(Error::refused(
            RefusalKind::Conflict,
            format!("changing a job: found it {}, in which {event:?} cannot happen", state.name()),
            "look at the job's state again",
        ));
    };
    let finished = next.is_final().then_some(now);
    let changed = transaction.execute(
        operation,
        "UPDATE jobs SET state = ?, version = version + 1, finished_ms = ?, worker = NULL, host = NULL,
             lease_until_ms = NULL, lease_ms = NULL
         WHERE seq = ?",
        values![next.name(), finished, seq],
    )?;
    assert_eq!(changed, 1, "jobs of number {seq}");
    if next == JobState::Queued {
        // What the last run was given is more than another needs, perhaps.
        transaction.execute(operation, "UPDATE jobs SET planned_bytes = NULL WHERE seq = ?", values![seq])?;
    }
    Ok(next)
}

/// The state of a name in the database.
pub(super) fn state(name: &str) -> Result<JobState> {
    JobState::of_name(name).ok_or_else(|| Error::Damaged { found: name.to_owned(), expected: "the state of a job" })
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENTS: [JobEvent; 6] =
        [JobEvent::Lease, JobEvent::Release, JobEvent::Expire, JobEvent::Answer, JobEvent::Fail, JobEvent::Cancel];

    #[test]
    fn final_states_stay_and_all_others_can_end() {
        for state in JobState::ALL {
            let next: Vec<JobState> = EVENTS.into_iter().filter_map(|event| after(state, event)).collect();
            assert_eq!(next.is_empty(), state.is_final(), "{state:?}");
            assert_eq!(next.contains(&Cancelled), !state.is_final(), "{state:?}");
        }
        assert_eq!(after(Queued, JobEvent::Answer), None, "answers of a job that nobody runs");
    }

    #[test]
    fn each_event_leads_to_one_state() {
        for (from, event, _) in TRANSITIONS {
            let ways = TRANSITIONS.iter().filter(|t| (t.0, t.1) == (from, event)).count();
            assert_eq!(ways, 1, "{from:?} {event:?}");
        }
    }
}
