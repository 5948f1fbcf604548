//! What can go wrong on a server: refusals, which a client is told with what helps, and failures,
//! which the operator is told.

use std::path::PathBuf;

use beaa_protocol::Problem;

use crate::database_error::DatabaseError;

/// What kind of request is refused; each has a status and a name of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// The request is not understood.
    Malformed,
    /// There is no token that is known, or it has ended.
    Unauthorised,
    /// The token does not allow this.
    Forbidden,
    /// There is nothing of that name, or it is another tenant's.
    NotFound,
    /// What is there does not allow it in the state that it is in.
    Conflict,
    /// A chunk does not begin where the upload ends.
    WrongOffset,
    /// Another request works on the same.
    Locked,
    /// The version of the upload protocol is unknown.
    WrongVersion,
    /// More bytes than are taken at once.
    TooLarge,
    /// The media type is not that of a chunk.
    WrongType,
    /// The bytes asked for are not there.
    WrongRange,
    /// The bytes are not those of the checksum.
    WrongChecksum,
    /// What was uploaded is not what it should be.
    Unfit,
    /// The tenant uses as much as it may.
    OverLimit,
    /// Too many requests in a short time.
    TooMany,
    /// More connections than the tenant may have.
    TooManyConnections,
    /// The client was slower than the server waits.
    TooSlow,
    /// The disk of the server is full.
    DiskFull,
    /// The server ends, or has no worker.
    NotReady,
}

impl RefusalKind {
    /// The status of the response.
    pub fn status(self) -> u16 {
        self.words().0
    }

    /// The name of the kind of problem.
    pub fn name(self) -> &'static str {
        self.words().1
    }

    /// The kind in words.
    pub fn title(self) -> &'static str {
        self.words().2
    }

    fn words(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::Malformed => (400, "malformed", "The request is not understood"),
            Self::Unauthorised => (401, "unauthorised", "No token that is known"),
            Self::Forbidden => (403, "forbidden", "The token does not allow this"),
            Self::NotFound => (404, "not-found", "Nothing of that name"),
            Self::TooSlow => (408, "too-slow", "The request took too long"),
            Self::Conflict => (409, "conflict", "Not in this state"),
            Self::WrongOffset => (409, "wrong-offset", "The chunk does not begin where the upload ends"),
            Self::WrongVersion => (412, "wrong-version", "Another version of the upload protocol"),
            Self::TooLarge => (413, "too-large", "Too many bytes"),
            Self::WrongType => (415, "wrong-type", "Not the media type of a chunk"),
            Self::WrongRange => (416, "wrong-range", "These bytes are not there"),
            Self::Unfit => (422, "unfit", "The file is not what it should be"),
            Self::Locked => (423, "locked", "Another request works on the same"),
            Self::TooMany => (429, "too-many", "Too many requests"),
            Self::TooManyConnections => (429, "too-many-connections", "Too many connections"),
            Self::OverLimit => (403, "over-limit", "The tenant's limit is used up"),
            Self::WrongChecksum => {
                (beaa_protocol::upload::CHECKSUM_MISMATCH, "wrong-checksum", "The bytes changed on their way")
            }
            Self::NotReady => (503, "not-ready", "The server is not ready"),
            Self::DiskFull => (507, "disk-full", "The server's disk is full"),
        }
    }
}

/// A request that is refused, with what helps.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}; {remedy}")]
pub struct Refusal {
    /// Of what kind.
    pub kind: RefusalKind,
    /// What was being done, what was found, and what was expected.
    pub detail: String,
    /// What helps.
    pub remedy: String,
}

impl Refusal {
    /// In the form that clients are told.
    pub fn problem(&self) -> Problem {
        Problem {
            kind: Problem::full_kind(self.kind.name()),
            title: self.kind.title().to_owned(),
            status: self.kind.status(),
            detail: self.detail.clone(),
            remedy: self.remedy.clone(),
            request: None,
        }
    }
}

/// What can go wrong on a server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A request is refused; the client is told why.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The database cannot be read or written.
    #[error("{operation}: {source}")]
    Database {
        /// What was being done.
        operation: &'static str,
        /// What the database says.
        source: DatabaseError,
    },
    /// A file or a socket failed.
    #[error("{operation} {}: {source}", path.display())]
    Io {
        /// What was being done.
        operation: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error(transparent)]
    Output(#[from] beaa_base::Error),
    /// A file of ours is damaged, of another kind or version, or cannot be read.
    #[error(transparent)]
    File(#[from] beaa_ir::Error),
    /// A program cannot be run on what was sent.
    #[error(transparent)]
    Runtime(#[from] beaa_runtime::Error),
    /// A setting is wrong.
    #[error("{0}")]
    Setting(String),
    /// The system gives no randomness.
    #[error("drawing a name: found no randomness of the system ({reason}), expected some; start the server again")]
    Randomness {
        /// What the system says.
        reason: String,
    },
    /// What the database holds is not what this version writes.
    #[error("reading the store: found {found}, expected {expected}; restore the store from its last copy")]
    Damaged {
        /// What is there.
        found: String,
        /// What should be.
        expected: &'static str,
    },
    /// The store is that of a newer version.
    #[error(
        "opening the store: found schema {found}, expected {known} at most; run the version of beaa that wrote it, or \
         a newer one"
    )]
    Newer {
        /// Version of the schema in the store.
        found: i64,
        /// The newest that is known here.
        known: i64,
    },
}

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A refusal with what helps.
    pub(crate) fn refused(kind: RefusalKind, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Refused(Refusal { kind, detail: detail.into(), remedy: remedy.into() })
    }

    /// A failure of a file at `path`, for `map_err`.
    pub(crate) fn io(operation: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| match source.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => disk_full(operation),
            _ => Self::Io { operation, path, source },
        }
    }

    /// Whether the disk had no space left for what was written.
    pub(crate) fn is_disk_full(&self) -> bool {
        let full = |source: &std::io::Error| {
            matches!(source.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
        };
        match self {
            Self::Refused(refusal) => refusal.kind == RefusalKind::DiskFull,
            Self::Io { source, .. } | Self::Output(beaa_base::Error::Io { source, .. }) => full(source),
            Self::File(beaa_ir::Error::Io { source, .. }) => full(source),
            Self::File(beaa_ir::Error::File(beaa_base::Error::Io { source, .. })) => full(source),
            Self::Runtime(beaa_runtime::Error::File(beaa_ir::Error::Io { source, .. })) => full(source),
            Self::Runtime(beaa_runtime::Error::File(beaa_ir::Error::File(beaa_base::Error::Io { source, .. }))) => {
                full(source)
            }
            Self::Database { source, .. } => source.is_disk_full(),
            _ => false,
        }
    }
}

/// The refusal where the disk has no space left.
pub(crate) fn disk_full(operation: &str) -> Error {
    Error::refused(
        RefusalKind::DiskFull,
        format!("{operation}: found no space left on the server's disk, expected some"),
        "wait until the operator has made space, and send the same again; what was confirmed is kept",
    )
}

/// The refusal of what is not there, or is not the tenant's: the same words for both.
pub(crate) fn not_found(what: &str) -> Error {
    Error::refused(
        RefusalKind::NotFound,
        format!("looking for {what}: found nothing of that name, expected one of yours"),
        "look at the list for those that are there",
    )
}
