//! Who writes: one change after the other, and those that wait for each other share a transaction,
//! so that one wait for the disk keeps them all (group commit, as in DeWitt et al. 1984).

use std::collections::VecDeque;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::{Connection, Database, Mode, Transaction};
use crate::database_error::DatabaseError;
use crate::{Error, Result};

/// Changes that share a transaction at most, so that another process's turn comes.
const MOST_CHANGES: usize = 16;

/// Whose turn it is to write, in this process.
#[derive(Default)]
pub(super) struct Writers(Mutex<Line>);

#[derive(Default)]
struct Line {
    is_taken: bool,
    /// Each gets its turn, with the transaction that those before it have begun, if there is one.
    waiting: VecDeque<SyncSender<Option<Group>>>,
}

/// A transaction that has begun, with changes that were made in it and not kept yet.
struct Group {
    connection: Connection,
    changes: usize,
    outcome: Arc<OnceLock<std::result::Result<(), DatabaseError>>>,
}

/// The turn to write. Where it ends without [`Turn::end`], nothing of its group is kept.
struct Turn<'d> {
    writers: &'d Writers,
    group: Option<Group>,
}

impl Database {
    /// Changes the database. What is made is on the disk when this returns, or nothing of it is.
    pub(in crate::store) fn write<T>(&self, change: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        let mut turn = self.writers.turn();
        let group = match turn.group.take() {
            Some(group) => group,
            None => Group { connection: self.begin(Mode::Write)?, changes: 0, outcome: Arc::default() },
        };
        let group = turn.group.insert(group);
        let outcome = Arc::clone(&group.outcome);
        let result = match group.make(change) {
            Ok(value) => {
                group.changes += 1;
                Ok(value)
            }
            Err(Failure::OfChange(error)) => Err(error),
            Err(Failure::OfGroup(error)) => {
                turn.fail(&error);
                return Err(error);
            }
        };
        turn.end(self);
        let value = result?;
        let kept = outcome.wait().clone();
        kept.map_err(|source| Error::Database { operation: "working on the store", source })?;
        Ok(value)
    }
}

/// What failed.
enum Failure {
    /// A change, of which nothing is there any more.
    OfChange(Error),
    /// The transaction, with all changes in it.
    OfGroup(Error),
}

impl Group {
    /// Makes a change, or nothing of it.
    fn make<T>(&self, change: impl FnOnce(&Transaction<'_>) -> Result<T>) -> std::result::Result<T, Failure> {
        const OPERATION: &str = "working on the store";
        // Where there is nothing else to be kept, the transaction itself is undone.
        let (before, kept, undone) = match self.changes {
            0 => ("", "", "ROLLBACK"),
            _ => ("SAVEPOINT change", "RELEASE change", "ROLLBACK TO change; RELEASE change"),
        };
        let script = |text: &str| self.connection.script(OPERATION, text);
        script(before).map_err(Failure::OfGroup)?;
        match change(&Transaction(&self.connection)) {
            Ok(value) => script(kept).map(|()| value).map_err(Failure::OfGroup),
            Err(error) => match self.connection.undo(OPERATION, undone) {
                Ok(()) => Err(Failure::OfChange(error)),
                // What made the change fail says more than that it cannot be undone.
                Err(_) => Err(Failure::OfGroup(error)),
            },
        }
    }
}

impl Writers {
    /// The turn, when those that came before have had theirs.
    fn turn(&self) -> Turn<'_> {
        let mut line = self.line();
        if !line.is_taken {
            line.is_taken = true;
            return Turn { writers: self, group: None };
        }
        let (give, turn) = sync_channel(1);
        line.waiting.push_back(give);
        drop(line);
        match turn.recv() {
            Ok(group) => Turn { writers: self, group },
            Err(_) => unreachable!("a turn that nobody passes on"),
        }
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the turn to who waits longest.
    fn pass_on(&self) {
        let mut line = self.line();
        match line.waiting.pop_front() {
            Some(next) => give(&next, None),
            None => line.is_taken = false,
        }
    }
}

/// Who waits does nothing else.
fn give(next: &SyncSender<Option<Group>>, group: Option<Group>) {
    assert!(next.send(group).is_ok(), "who waits for its turn went away");
}

impl Turn<'_> {
    /// Leaves the group to who waits, or keeps it where nobody does.
    fn end(mut self, database: &Database) {
        let Some(group) = &self.group else { unreachable!("a turn without a transaction") };
        let next = match group.changes {
            0 | MOST_CHANGES => None,
            _ => self.writers.line().waiting.pop_front(),
        };
        if let Some(next) = next {
            give(&next, self.group.take());
            std::mem::forget(self);
            return;
        }
        // Only once it is known whether changes are kept is the group taken, so that who waits for
        // them hears of a panic, too. A transaction without changes has been undone.
        let kept = if group.changes == 0 { Ok(()) } else { group.connection.commit() };
        let Some(Group { connection, outcome, .. }) = self.group.take() else { unreachable!("it was there") };
        if kept.is_ok() {
            database.keep(connection);
        }
        // The group's outcome is set here and in `fail` alone, and either takes the group.
        let _ = outcome.set(kept);
    }

    /// Tells the group's changes that none is kept.
    fn fail(&mut self, error: &Error) {
        let Some(group) = self.group.take() else { return };
        drop(group.connection);
        let source = match error {
            Error::Database { source, .. } => source.clone(),
            other => DatabaseError::Together { found: other.to_string() },
        };
        let _ = group.outcome.set(Err(source));
    }
}

/// Passes the turn on, also where a change panics.
impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(group) = self.group.take() {
            drop(group.connection);
            let found = "a change that stopped in the middle".to_owned();
            let _ = group.outcome.set(Err(DatabaseError::Together { found }));
        }
        self.writers.pass_on();
    }
}

#[cfg(test)]
mod tests;
