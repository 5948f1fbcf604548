//! What can go wrong between a client and a server.

use std::path::{Path, PathBuf};

use beaa_protocol::Problem;

/// What can go wrong between a client and a server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server refuses a request, and says what helps.
    #[error("{operation}: the server refused ({}): {}; {}", problem.status, problem.detail, problem.remedy)]
    Refused {
        /// What was being done.
        operation: &'static str,
        /// What the server says.
        problem: Box<Problem>,
    },
    /// The server cannot be reached, or the connection broke too often.
    #[error("{operation}: found no answer of {server} ({reason}), expected one; see that it runs, and try again")]
    Unreachable {
        /// What was being done.
        operation: &'static str,
        /// The server's address.
        server: String,
        /// What the system says.
        reason: String,
    },
    /// The server says something that this version does not understand.
    #[error("{operation}: found {found}, expected {expected}; see that the server runs beaa, in a version like this")]
    Malformed {
        /// What was being done.
        operation: &'static str,
        /// What it says.
        found: String,
        /// What it should say.
        expected: &'static str,
    },
    /// Bytes that are not those that the server promised.
    #[error("{operation}: found a file of hash {found}, expected {expected}; fetch it again")]
    WrongHash {
        /// What was being done.
        operation: &'static str,
        /// Of what came.
        found: String,
        /// Of what should come.
        expected: String,
    },
    /// More bytes than what was sent can be answered with.
    #[error(
        "{operation}: found {found} bytes, expected {most} at most, as the program's signature says; this server does \
         not answer with what its program gives: fetch nothing from it, and tell its operator"
    )]
    TooLarge {
        /// What was being done.
        operation: &'static str,
        /// As many as the server says.
        found: u64,
        /// The most that there can be.
        most: u64,
    },
    /// An address to which nothing secret may be sent.
    #[error("reading the server's address: found `{found}`, expected {expected}; {remedy}")]
    Address {
        /// The address.
        found: String,
        /// What it should be.
        expected: &'static str,
        /// What helps.
        remedy: &'static str,
    },
    /// A file of the client's cannot be read or written.
    #[error("{operation} {}: {source}", path.display())]
    Io {
        /// What was being done.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file of the client's is not what it should be, or cannot be written.
    #[error(transparent)]
    File(#[from] beaa_base::Error),
    /// Notes of a job that are damaged, or not of this job.
    #[error("{operation} {}: found {found}, expected {expected}; {remedy}", path.display())]
    Notes {
        /// What was being done.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// What is there.
        found: String,
        /// What should be.
        expected: &'static str,
        /// What helps.
        remedy: &'static str,
    },
}

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A failure of a file at `path`, for `map_err`.
    pub(crate) fn io(operation: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { operation, path, source }
    }

    /// The problem that the server told, if it did.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Refused { problem, .. } => Some(problem),
            _ => None,
        }
    }

    /// Whether the same may succeed a little later.
    pub(crate) fn passes(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { problem, .. } => matches!(problem.status, 408 | 423 | 429 | 460 | 502 | 503 | 504),
            _ => false,
        }
    }
}
