//! Changes that share a transaction are kept together, undone one by one, and all told of a
//! failure.

use std::sync::mpsc::channel;
use std::thread;

use super::super::{Database, Location, Transaction, values};
use crate::database_error::DatabaseError;
use crate::{Error, RefusalKind, Result};

const TESTING: &str = "testing";

/// A change that any thread may make.
type Change<'c> = &'c (dyn Fn(&Transaction<'_>) -> Result<()> + Sync);

fn database(folder: &tempfile::TempDir) -> Database {
    let database = Database::new(Location::Sqlite(folder.path().join("x")));
    database.write(|transaction| transaction.script(TESTING, "CREATE TABLE kept (number INTEGER)")).unwrap();
    database
}

fn add(transaction: &Transaction<'_>, number: i64) -> Result<()> {
    transaction.execute(TESTING, "INSERT INTO kept VALUES (?)", values![number]).map(drop)
}

fn kept(database: &Database) -> Vec<i64> {
    let rows = database.read(|transaction| transaction.rows(TESTING, "SELECT number FROM kept ORDER BY number", &[]));
    rows.unwrap().iter().map(|row| row.get(0).unwrap()).collect()
}

fn refusal() -> Error {
    Error::refused(RefusalKind::Malformed, "testing: found this, expected that", "nothing")
}

/// Begins a change that waits, queues the others one after the other behind it, lets it go, and
/// gives what became of all.
fn together(database: &Database, changes: &[Change<'_>]) -> Vec<Result<()>> {
    thread::scope(|scope| {
        let (begun, is_begun) = channel();
        let (go, may_go) = channel::<()>();
        let first = scope.spawn(move || {
            database.write(|transaction| {
                begun.send(()).unwrap();
                may_go.recv().unwrap();
                changes[0](transaction)
            })
        });
        is_begun.recv().unwrap();
        let mut threads = vec![first];
        for (k, change) in changes[1..].iter().enumerate() {
            threads.push(scope.spawn(move || database.write(change)));
            while database.writers.line().waiting.len() <= k {
                thread::yield_now();
            }
        }
        go.send(()).unwrap();
        let outcome = |thread: thread::ScopedJoinHandle<'_, Result<()>>| {
            let stopped = |_| Err(Error::Setting("the thread panicked".to_owned()));
            thread.join().unwrap_or_else(stopped)
        };
        threads.into_iter().map(outcome).collect()
    })
}

#[test]
fn changes_that_wait_for_each_other_are_kept_together_and_refused_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(&folder);
    let refused = |transaction: &Transaction<'_>| add(transaction, 3).and(Err(refusal()));
    // What the one before has made is there for the next, and for nobody else before it is kept.
    let looks = |transaction: &Transaction<'_>| {
        assert_eq!(transaction.number(TESTING, "SELECT COUNT(*) FROM kept", &[])?, 2);
        assert!(kept(&database).is_empty());
        add(transaction, 4)
    };
    let outcomes = together(&database, &[&|t| add(t, 1), &|t| add(t, 2), &refused, &looks, &refused]);
    let refused: Vec<bool> = outcomes.iter().map(Result::is_err).collect();
    assert_eq!(refused, [false, false, true, false, true], "{outcomes:?}");
    assert_eq!(kept(&database), [1, 2, 4]);
}

#[test]
fn a_first_change_that_is_refused_leaves_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(&folder);
    let outcomes = together(&database, &[&|t| add(t, 1).and(Err(refusal())), &|t| add(t, 2)]);
    assert!(outcomes[0].is_err() && outcomes[1].is_ok(), "{outcomes:?}");
    assert_eq!(kept(&database), [2]);
}

#[test]
fn changes_that_cannot_be_kept_are_all_told() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(&folder);
    // As SQLite does by itself when the disk is full.
    let ends = |transaction: &Transaction<'_>| transaction.script(TESTING, "ROLLBACK").and(Err(refusal()));
    let outcomes = together(&database, &[&|t| add(t, 1), &|t| add(t, 2), &ends, &|t| add(t, 4)]);
    for lost in &outcomes[..2] {
        let is_together = matches!(lost, Err(Error::Database { source: DatabaseError::Together { .. }, .. }));
        assert!(is_together, "{outcomes:?}");
    }
    assert!(matches!(outcomes[2], Err(Error::Refused(_))) && outcomes[3].is_ok(), "{outcomes:?}");
    assert_eq!(kept(&database), [4]);
}

#[test]
fn a_change_that_panics_keeps_nothing_and_passes_the_turn_on() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(&folder);
    let outcomes = together(&database, &[&|t| add(t, 1), &|_| panic!("a bug"), &|t| add(t, 3)]);
    assert!(outcomes[0].is_err() && outcomes[1].is_err() && outcomes[2].is_ok(), "{outcomes:?}");
    assert_eq!(kept(&database), [3]);
}

#[test]
fn more_changes_than_one_transaction_has_are_all_kept() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(&folder);
    let one = |transaction: &Transaction<'_>| add(transaction, 1);
    let many: Vec<Change<'_>> = vec![&one; 3 * super::MOST_CHANGES];
    assert!(together(&database, &many).iter().all(Result::is_ok));
    assert_eq!(kept(&database).len(), many.len());
}
