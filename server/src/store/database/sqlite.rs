//! A connection to a database of SQLite: a file with a write-ahead log, synchronised with each
//! transaction.

use std::path::Path;
use std::thread;
use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params_from_iter};

use super::value::{Field, Record, Value};
use super::{BUSY, Mode};
use crate::database_error::DatabaseError;
use crate::{Error, Result};

/// How often one process looks whether another still writes. SQLite's own pauses grow to 100 ms,
/// in which those that come later go first.
const PAUSE: Duration = Duration::from_millis(2);
/// More queries than there are.
const QUERIES: usize = 128;

pub(super) struct SqliteConnection(Connection);

impl SqliteConnection {
    /// Opens a file, which is made where it is not there.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let open = || -> rusqlite::Result<Connection> {
            let mut connection = Connection::open(path)?;
            connection.busy_handler(Some(wait_for_others))?;
            connection.set_prepared_statement_cache_capacity(QUERIES);
            connection.pragma_update(None, "journal_mode", "wal")?;
            // A transaction that has ended is on the disk.
            connection.pragma_update(None, "synchronous", "full")?;
            connection.pragma_update(None, "foreign_keys", true)?;
            connection.pragma_update(None, "trusted_schema", false)?;
            Ok(connection)
        };
        open().map(Self).map_err(failed("opening the store"))
    }

    pub(super) fn begin(&self, mode: Mode) -> Result<()> {
        self.script(
            "working on the store",
            match mode {
                Mode::Read => "BEGIN DEFERRED",
                Mode::Write => "BEGIN IMMEDIATE",
            },
        )
    }

    pub(super) fn commit(&self) -> std::result::Result<(), DatabaseError> {
        Ok(self.0.execute_batch("COMMIT")?)
    }

    /// Runs statements that undo those which failed.
    pub(super) fn undo(&self, operation: &'static str, text: &str) -> Result<()> {
        self.script(operation, text)
    }

    pub(super) fn script(&self, operation: &'static str, text: &str) -> Result<()> {
        self.0.execute_batch(text).map_err(failed(operation))
    }

    pub(super) fn execute(&self, operation: &'static str, query: &str, values: &[Value<'_>]) -> Result<u64> {
        let run = || self.0.prepare_cached(query)?.execute(params_from_iter(values));
        run().map(|changed| changed as u64).map_err(failed(operation))
    }

    pub(super) fn rows(&self, operation: &'static str, query: &str, values: &[Value<'_>]) -> Result<Vec<Record>> {
        let run = || self.0.prepare_cached(query)?.query_map(params_from_iter(values), record)?.collect();
        let rows: rusqlite::Result<Vec<Record>> = run();
        rows.map_err(failed(operation))
    }
}

fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    let columns = row.as_ref().column_count();
    let fields = (0..columns).map(|column| {
        Ok(match row.get_ref(column)? {
            ValueRef::Null => Field::Null,
            ValueRef::Integer(number) => Field::Integer(number),
            ValueRef::Text(_) => Field::Text(row.get(column)?),
            ValueRef::Blob(bytes) => Field::Bytes(bytes.to_vec()),
            // No column of ours holds one.
            ValueRef::Real(_) => {
                return Err(rusqlite::Error::InvalidColumnType(column, String::new(), rusqlite::types::Type::Real));
            }
        })
    });
    fields.collect::<rusqlite::Result<Vec<Field>>>().map(Record::new)
}

/// Waits a little, unless it was tried for too long.
fn wait_for_others(tried: i32) -> bool {
    thread::sleep(PAUSE);
    PAUSE.saturating_mul(tried.unsigned_abs()) < BUSY
}

fn failed(operation: &'static str) -> impl Fn(rusqlite::Error) -> Error + Copy {
    move |source| Error::Database { operation, source: source.into() }
}
