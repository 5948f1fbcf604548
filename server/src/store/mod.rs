//! What the server must not lose: a database (SQLite, write-ahead log, synchronised with each
//! transaction) and the files that it names, by their hashes, beside it. Several processes may work
//! on one store.

mod answers;
mod audit;
mod blobs;
mod chunks;
mod completion;
mod jobs;
mod keys;
mod leases;
mod programs;
mod schema;
mod space;
mod sweep;
mod tenants;
mod transitions;
mod uploads;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};

pub use audit::AuditEntry;
pub use chunks::{Chunk, ChunkBegun, OpenChunk};
pub use jobs::StoredJob;
pub use leases::{Candidate, Lease, MOST_ATTEMPTS, WorkerId};
pub use programs::StoredProgram;
pub use tenants::{Caller, NewToken, TenantLimits, TokenEntry};
pub use transitions::{JobEvent, TRANSITIONS};
pub use uploads::{NewUpload, UploadView};

use crate::{Error, Result};

const DATABASE: &str = "beaa.sqlite";
const BLOBS: &str = "blobs";
const UPLOADS: &str = "uploads";
const WORK: &str = "work";
/// How long one process waits for another that writes.
const BUSY: Duration = Duration::from_secs(20);
/// Connections that are kept for later use.
const MOST_IDLE: usize = 16;

/// A folder with the database and the files of a server.
pub struct Store {
    folder: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Store {
    /// Opens a store, makes a new one where the folder is empty or not there, and brings an older
    /// one to the present schema.
    ///
    /// # Errors
    /// When the folder holds something else, cannot be written, or is of a newer version.
    pub fn open(folder: &Path) -> Result<Self> {
        private_folder(folder)?;
        expect_store(folder)?;
        let store = Self { folder: folder.to_path_buf(), idle: Mutex::new(Vec::new()) };
        let mut connection = store.connect()?;
        schema::migrate(&mut connection)?;
        store.give_back(connection);
        // Behind the database, by which others know the folder for a store.
        for part in [BLOBS, UPLOADS, WORK] {
            private_folder(&folder.join(part))?;
        }
        Ok(store)
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A folder on the same file system for what is being written.
    pub fn work_folder(&self) -> PathBuf {
        self.folder.join(WORK)
    }

    fn connect(&self) -> Result<Connection> {
        let failed = database("opening the store");
        let open = || -> rusqlite::Result<Connection> {
            let connection = Connection::open(self.folder.join(DATABASE))?;
            connection.busy_timeout(BUSY)?;
            connection.pragma_update(None, "journal_mode", "wal")?;
            // A transaction that has ended is on the disk.
            connection.pragma_update(None, "synchronous", "full")?;
            connection.pragma_update(None, "foreign_keys", true)?;
            connection.pragma_update(None, "trusted_schema", false)?;
            Ok(connection)
        };
        open().map_err(failed)
    }

    fn borrow(&self) -> Result<Connection> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.map_or_else(|| self.connect(), Ok)
    }

    fn give_back(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MOST_IDLE {
            idle.push(connection);
        }
    }

    /// Looks at the database, as it was at one moment.
    fn read<T>(&self, look: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        self.transaction(TransactionBehavior::Deferred, look)
    }

    /// Changes the database: all of it, on the disk, or nothing. One process at a time.
    fn write<T>(&self, change: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        self.transaction(TransactionBehavior::Immediate, change)
    }

    fn transaction<T>(
        &self,
        behavior: TransactionBehavior,
        work: impl FnOnce(&Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut connection = self.borrow()?;
        let failed = database("working on the store");
        let transaction = match connection.transaction_with_behavior(behavior) {
            Ok(transaction) => transaction,
            Err(error) => return Err(failed(error)),
        };
        // Dropped without a commit, it changes nothing.
        let result = work(&transaction)?;
        transaction.commit().map_err(failed)?;
        self.give_back(connection);
        Ok(result)
    }
}

/// What failed, for `map_err`.
fn database(operation: &'static str) -> impl Fn(rusqlite::Error) -> Error + Copy {
    move |source| Error::Database { operation, source }
}

/// Refuses a folder that holds something and is no store: what a store does not know it removes.
fn expect_store(folder: &Path) -> Result<()> {
    let mut entries = std::fs::read_dir(folder).map_err(Error::io("reading folder", folder))?;
    if folder.join(DATABASE).is_file() || entries.next().is_none() {
        return Ok(());
    }
    Err(Error::Setting(format!(
        "opening the store: found files and no {DATABASE} in {}, expected a store or an empty folder; give it a folder \
         of its own (--store)",
        folder.display()
    )))
}

/// Makes a folder that its owner alone can enter, if it is not there.
fn private_folder(path: &Path) -> Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(Error::io("creating folder", path))
}

/// A number that the database keeps as signed.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number of the database that cannot be negative.
fn unsigned(number: i64) -> Result<u64> {
    let wrong = |_| Error::Damaged { found: format!("{number}"), expected: "a number that is not negative" };
    u64::try_from(number).map_err(wrong)
}

/// The bytes of a hash in the database.
fn digest(bytes: Vec<u8>) -> Result<beaa_protocol::Digest> {
    let wrong = |bytes: Vec<u8>| Error::Damaged { found: format!("{} bytes", bytes.len()), expected: "a hash" };
    bytes.try_into().map(beaa_protocol::Digest::from_bytes).map_err(wrong)
}

/// The bytes of a name in the database.
fn id(bytes: Vec<u8>) -> Result<beaa_protocol::Id> {
    let wrong = |bytes: Vec<u8>| Error::Damaged { found: format!("{} bytes", bytes.len()), expected: "an id" };
    bytes.try_into().map(beaa_protocol::Id::from_bytes).map_err(wrong)
}

/// JSON of the database.
fn json<T: serde::de::DeserializeOwned>(text: &str, expected: &'static str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| Error::Damaged { found: error.to_string(), expected })
}

/// JSON for the database.
fn to_json<T: serde::Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::Damaged { found: error.to_string(), expected: "JSON" })
}
