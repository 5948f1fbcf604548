//! The database of a store: SQLite in its folder, or PostgreSQL anywhere. The same queries go to
//! both, in transactions of which those that write go one after the other, several in one.

mod location;
mod placeholders;
mod postgres;
mod sqlite;
mod tls;
mod value;
mod writers;

use std::path::PathBuf;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use self::postgres::PostgresConnection;
use self::sqlite::SqliteConnection;
use self::writers::Writers;
use crate::database_error::DatabaseError;
use crate::{Error, Result};

pub use location::PostgresLocation;
pub(in crate::store) use value::{Record, Value, values};

/// How long one process waits for another that writes.
const BUSY: Duration = Duration::from_secs(20);
/// Connections of a process that read, besides one that writes: with PostgreSQL so many at a time,
/// with SQLite those that are kept.
const MOST_CONNECTIONS: usize = 16;

/// Where a database is.
#[derive(Debug, Clone)]
pub(super) enum Location {
    Sqlite(PathBuf),
    Postgres(PostgresLocation),
}

/// What a transaction may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Look at the database, as it was at one moment.
    Read,
    /// Change it. One process at a time.
    Write,
}

/// A database, with connections that were used and will be again.
pub(super) struct Database {
    location: Location,
    writers: Writers,
    idle: Mutex<Vec<Connection>>,
    free: Mutex<usize>,
    freed: Condvar,
}

enum Connection {
    Sqlite(SqliteConnection),
    Postgres(Box<PostgresConnection>),
}

/// What a look or a change works on. A change is kept when it succeeds, and undone when not.
pub(super) struct Transaction<'c>(&'c Connection);

impl Database {
    /// The database there, to which nobody has connected yet.
    pub(super) fn new(location: Location) -> Self {
        let free = match location {
            Location::Sqlite(_) => usize::MAX,
            Location::Postgres(_) => MOST_CONNECTIONS,
        };
        Self {
            location,
            writers: Writers::default(),
            idle: Mutex::default(),
            free: Mutex::new(free),
            freed: Condvar::new(),
        }
    }

    /// Looks at the database, as it was at one moment.
    pub(super) fn read<T>(&self, look: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        let _permit = self.permit();
        let connection = self.begin(Mode::Read)?;
        let result = look(&Transaction(&connection));
        // A connection that cannot even undo is not used again.
        if connection.undo("looking at the store", "ROLLBACK").is_ok() {
            self.keep(connection);
        }
        result
    }

    /// A connection on which a transaction has begun. One that was lost while nobody used it has
    /// done nothing, and another takes over.
    fn begin(&self, mode: Mode) -> Result<Connection> {
        loop {
            let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let is_new = idle.is_none();
            let connection = idle.map_or_else(|| self.connect(), Ok)?;
            match connection.begin(mode) {
                Ok(()) => return Ok(connection),
                Err(Error::Database { source: DatabaseError::Lost { .. }, .. }) if !is_new => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn connect(&self) -> Result<Connection> {
        match &self.location {
            Location::Sqlite(path) => SqliteConnection::open(path).map(Connection::Sqlite),
            Location::Postgres(location) => {
                PostgresConnection::open(location).map(|open| Connection::Postgres(Box::new(open)))
            }
        }
    }

    fn keep(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MOST_CONNECTIONS {
            idle.push(connection);
        }
    }

    /// The right to have a connection, once there is one.
    fn permit(&self) -> Permit<'_> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self.freed.wait_while(free, |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        Permit(self)
    }
}

struct Permit<'d>(&'d Database);

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.freed.notify_one();
    }
}

/// Calls the same function of either connection.
macro_rules! either {
    ($connection:expr, $each:ident => $call:expr) => {
        match $connection {
            Connection::Sqlite($each) => $call,
            Connection::Postgres($each) => $call,
        }
    };
}

impl Connection {
    fn begin(&self, mode: Mode) -> Result<()> {
        either!(self, each => each.begin(mode))
    }

    fn commit(&self) -> std::result::Result<(), DatabaseError> {
        either!(self, each => each.commit())
    }

    fn undo(&self, operation: &'static str, text: &str) -> Result<()> {
        either!(self, each => each.undo(operation, text))
    }

    fn script(&self, operation: &'static str, text: &str) -> Result<()> {
        either!(self, each => each.script(operation, text))
    }
}

/// Each takes what is being done, for messages, a query that both databases know, and the values of
/// its placeholders.
impl Transaction<'_> {
    /// Runs a query that changes rows, and gives how many.
    pub(super) fn execute(&self, operation: &'static str, query: &str, values: &[Value<'_>]) -> Result<u64> {
        either!(self.0, each => each.execute(operation, query, values))
    }

    /// The rows of a query.
    pub(super) fn rows(&self, operation: &'static str, query: &str, values: &[Value<'_>]) -> Result<Vec<Record>> {
        either!(self.0, each => each.rows(operation, query, values))
    }

    /// The first row of a query, if there is one.
    pub(super) fn first(&self, operation: &'static str, query: &str, values: &[Value<'_>]) -> Result<Option<Record>> {
        Ok(self.rows(operation, query, values)?.into_iter().next())
    }

    /// The row of a query that gives one.
    pub(super) fn only(&self, operation: &'static str, query: &str, values: &[Value<'_>]) -> Result<Record> {
        let absent = || Error::Damaged { found: format!("nothing ({operation})"), expected: "a row" };
        self.first(operation, query, values)?.ok_or_else(absent)
    }

    /// The number that a query gives.
    pub(super) fn number(&self, operation: &'static str, query: &str, values: &[Value<'_>]) -> Result<i64> {
        self.only(operation, query, values)?.get(0)
    }

    /// Runs statements that give nothing.
    pub(super) fn script(&self, operation: &'static str, text: &str) -> Result<()> {
        self.0.script(operation, text)
    }
}
