//! What can go wrong in the database of a store, of either kind, with what helps.

use std::error::Error as _;
use std::sync::Arc;

use postgres::error::SqlState;

/// Why a database did not do what it was told.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// SQLite failed.
    #[error("the database failed: {0}; look at the disk of the store, and start the server again")]
    Sqlite(Arc<rusqlite::Error>),
    /// PostgreSQL refused a statement.
    #[error("found {found}, expected PostgreSQL to do it; look at its log and its disk")]
    Refused {
        /// Its words and its code.
        found: String,
        /// Whether its disk had no space left.
        is_disk_full: bool,
    },
    /// Another process kept the right to write for too long.
    #[error(
        "found another server or worker that writes for longer than this one waits, expected it to end; look for one \
         that hangs, and try again"
    )]
    Busy,
    /// The connection ended before the change was to be kept: nothing was changed.
    #[error(
        "found the connection to PostgreSQL lost ({found}), expected it to last; look whether PostgreSQL runs, and try \
         again: what comes next makes a new connection"
    )]
    Lost {
        /// How it ended.
        found: String,
    },
    /// The connection ended before PostgreSQL had said whether the change is kept.
    #[error(
        "found the connection to PostgreSQL lost ({found}) before it said whether the change is kept, expected an \
         answer; look at what is there before doing it again"
    )]
    Unconfirmed {
        /// How it ended.
        found: String,
    },
    /// A change was to be kept together with another, which could not even be undone.
    #[error("found {found} in the same transaction, expected it to be kept or undone; try again")]
    Together {
        /// What the other one met.
        found: String,
    },
    /// There is no connection to be had.
    #[error("found {found}, expected a connection to PostgreSQL at {server}; {remedy}")]
    Unreachable {
        /// Host and name of the database, without user and password.
        server: String,
        /// What the system or PostgreSQL says.
        found: String,
        /// What helps.
        remedy: &'static str,
    },
}

impl From<rusqlite::Error> for DatabaseError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(Arc::new(error))
    }
}

impl DatabaseError {
    /// What a failure of a statement was.
    pub(crate) fn of_statement(error: &postgres::Error) -> Self {
        let Some(refused) = error.as_db_error() else {
            let of_system = error.source().is_some_and(|source| source.is::<std::io::Error>());
            let found = words(error);
            return if error.is_closed() || of_system {
                Self::Lost { found }
            } else {
                Self::Refused { found, is_disk_full: false }
            };
        };
        let (found, code) = (words(error), refused.code());
        if *code == SqlState::LOCK_NOT_AVAILABLE {
            Self::Busy
        } else if [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN, SqlState::CANNOT_CONNECT_NOW].contains(code) {
            Self::Lost { found }
        } else {
            Self::Refused { found, is_disk_full: *code == SqlState::DISK_FULL }
        }
    }

    /// What a failure at the end of a transaction was: a connection that is lost then leaves the
    /// outcome open.
    pub(crate) fn of_commit(error: &postgres::Error) -> Self {
        match Self::of_statement(error) {
            Self::Lost { found } => Self::Unconfirmed { found },
            other => other,
        }
    }

    /// What a failure to connect was.
    pub(crate) fn of_connecting(error: &postgres::Error, server: &str) -> Self {
        let remedy = match error.code() {
            Some(code)
                if *code == SqlState::INVALID_PASSWORD || *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION =>
            {
                "give the password in the configuration file, BEAA_DATABASE or PGPASSWORD, and look at pg_hba.conf"
            }
            Some(code) if *code == SqlState::UNDEFINED_DATABASE => "make it with `createdb`, or name another one",
            Some(code) if *code == SqlState::TOO_MANY_CONNECTIONS => "raise max_connections of PostgreSQL",
            _ => "look whether PostgreSQL runs there, and at the address and certificate",
        };
        Self::Unreachable { server: server.to_owned(), found: words(error), remedy }
    }

    /// Whether the disk of the database had no space left.
    pub(crate) fn is_disk_full(&self) -> bool {
        match self {
            Self::Sqlite(source) => source.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull),
            Self::Refused { is_disk_full, .. } => *is_disk_full,
            _ => false,
        }
    }
}

/// What PostgreSQL said, or what became of the connection; without values of rows, which it tells
/// in other fields.
fn words(error: &postgres::Error) -> String {
    match (error.as_db_error(), error.source()) {
        (Some(refused), _) => format!("\"{}\" ({})", refused.message(), refused.code().code()),
        (None, Some(source)) => format!("{error}: {source}"),
        (None, None) => error.to_string(),
    }
}
