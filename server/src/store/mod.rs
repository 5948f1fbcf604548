//! What the server must not lose: a database (SQLite in the folder, or PostgreSQL) and the files
//! that it names, by their hashes, in the folder. Several processes may work on one store.

mod answers;
mod audit;
mod binding;
mod blobs;
mod chunks;
mod completion;
mod database;
mod holdings;
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
mod worker_id;

use std::path::{Path, PathBuf};

pub use audit::AuditEntry;
pub use chunks::{Chunk, ChunkBegun, OpenChunk};
pub use database::PostgresLocation;
pub use holdings::HOLD_MS;
pub use jobs::StoredJob;
pub use leases::{Candidate, Lease, MOST_ATTEMPTS};
pub use programs::StoredProgram;
pub use tenants::{Caller, NewToken, TenantLimits, TokenEntry};
pub use transitions::{JobEvent, TRANSITIONS};
pub use uploads::{NewUpload, UploadView};
pub use worker_id::WorkerId;

use crate::{Error, Result};
use database::{Database, Location, Transaction};

const DATABASE: &str = "beaa.sqlite";
const BLOBS: &str = "blobs";
const UPLOADS: &str = "uploads";
const WORK: &str = "work";

/// Where a store keeps its state; files are in its folder either way.
#[derive(Debug, Clone)]
pub enum StoreDatabase {
    /// In SQLite, in the folder: for servers and workers of one machine.
    Sqlite,
    /// In PostgreSQL: for machines that share the folder.
    Postgres(PostgresLocation),
}

/// A folder with the files of a server, and the database that names them.
pub struct Store {
    folder: PathBuf,
    database: Database,
}

impl Store {
    /// Opens a store whose database is SQLite, as [`Store::open_with`] does.
    ///
    /// # Errors
    /// As [`Store::open_with`].
    pub fn open(folder: &Path) -> Result<Self> {
        Self::open_with(folder, &StoreDatabase::Sqlite)
    }

    /// Opens a store, makes a new one where folder and database are empty or not there, and brings
    /// an older one to the present schema.
    ///
    /// # Errors
    /// When folder or database hold something else, do not belong together, cannot be written, or
    /// are of a newer version.
    pub fn open_with(folder: &Path, database: &StoreDatabase) -> Result<Self> {
        private_folder(folder)?;
        let database = match database {
            StoreDatabase::Sqlite => {
                expect_store(folder)?;
                let database = Database::new(Location::Sqlite(folder.join(DATABASE)));
                schema::migrate_sqlite(&database)?;
                database
            }
            StoreDatabase::Postgres(location) => {
                let database = Database::new(Location::Postgres(location.clone()));
                binding::bind(&database, folder)?;
                database
            }
        };
        // Behind the database, by which others know the folder for a store.
        for part in [BLOBS, UPLOADS, WORK] {
            private_folder(&folder.join(part))?;
        }
        Ok(Self { folder: folder.to_path_buf(), database })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A folder on the same file system for what is being written.
    pub fn work_folder(&self) -> PathBuf {
        self.folder.join(WORK)
    }

    /// Looks at the database, as it was at one moment.
    fn read<T>(&self, look: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        self.database.read(look)
    }

    /// Changes the database: all of it, on the disk, or nothing. One process at a time.
    fn write<T>(&self, change: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        self.database.write(change)
    }
}

/// Refuses a folder that holds something and is no store: what a store does not know it removes.
fn expect_store(folder: &Path) -> Result<()> {
    let mut entries = std::fs::read_dir(folder).map_err(Error::io("reading folder", folder))?;
    if folder.join(DATABASE).is_file() || entries.next().is_none() {
        return Ok(());
    }
    if folder.join(binding::NAME).is_file() {
        return Err(Error::Setting(format!(
            "opening the store: found that the database of {} is PostgreSQL, expected its address; give --database or \
             BEAA_DATABASE, or --config with the configuration file that names it",
            folder.display()
        )));
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
