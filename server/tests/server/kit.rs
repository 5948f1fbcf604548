//! A store with a tenant and a program, and files that were encrypted for it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::postgres::{Client, NoTls};
use beaa_protocol::upload::Purpose;
use beaa_protocol::{Digest, Id, JobView, NewJob, Scope};
use beaa_server::store::{
    Caller, Chunk, ChunkBegun, NewToken, NewUpload, PostgresLocation, Store, StoreDatabase, TenantLimits, UploadView,
};
use beaa_server::{Error, RefusalKind, Result};

use crate::cluster::cluster;

/// A file of the repository of a small program, its keys and encrypted images.
pub(crate) fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/v2").join(name)
}

pub(crate) fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(file(name)).unwrap()
}

/// A store with a program, and tokens of two tenants.
pub(crate) struct Sample {
    pub(crate) folder: tempfile::TempDir,
    /// Where its database is, if that is PostgreSQL.
    pub(crate) url: Option<String>,
    pub(crate) store: Arc<Store>,
    pub(crate) program: String,
    pub(crate) token: String,
    pub(crate) other_token: String,
    pub(crate) caller: Caller,
    pub(crate) other: Caller,
}

pub(crate) const LIMITS: TenantLimits =
    TenantLimits { stored_bytes: 1 << 30, active_jobs: 1000, jobs: 1000, uploads: 1000, keys: 1000 };

/// Which database a store has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Database {
    Sqlite,
    Postgres,
}

/// Makes two tests of each of these functions: one with SQLite, and one that needs PostgreSQL.
macro_rules! on_both_databases {
    [$($name:ident),* $(,)?] => {
        mod sqlite {
            $(#[test] fn $name() { super::$name(crate::kit::Database::Sqlite); })*
        }
        mod postgres {
            $(#[test] #[ignore = "needs the programs of PostgreSQL"] fn $name() {
                super::$name(crate::kit::Database::Postgres);
            })*
        }
    };
}
pub(crate) use on_both_databases;

/// A PostgreSQL database at an address.
pub(crate) fn postgres(url: &str) -> StoreDatabase {
    StoreDatabase::Postgres(PostgresLocation::new(&url.to_owned().into(), None, false).unwrap())
}

impl Sample {
    /// With SQLite.
    pub(crate) fn new() -> Self {
        Self::on(Database::Sqlite)
    }

    pub(crate) fn on(database: Database) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = (database == Database::Postgres).then(|| cluster().new_database());
        let store = Arc::new(open(&folder.path().join("store"), url.as_deref()));
        let program = store.publish(&file("program.beaa")).unwrap().program;
        let token = |tenant: &str| {
            store.set_tenant(tenant, LIMITS).unwrap();
            let new = NewToken { tenant, label: tenant, scope: Scope::Submit, lifetime_ms: None };
            store.add_token(&new).unwrap()
        };
        let (token, other_token) = (token("clinic"), token("rival"));
        let [caller, other] = [&token, &other_token].map(|token| store.caller(token).unwrap());
        Self { folder, url, store, program, token, other_token, caller, other }
    }

    /// The same store, as another server has it.
    pub(crate) fn another_store(&self) -> Store {
        open(self.store.folder(), self.url.as_deref())
    }

    /// Changes the database behind the back of the store, and gives how many rows.
    pub(crate) fn sql(&self, query: &str) -> u64 {
        match &self.url {
            Some(url) => Client::connect(url, NoTls).unwrap().execute(query, &[]).unwrap(),
            None => self.sqlite().execute(query, []).unwrap() as u64,
        }
    }

    /// The number that a query gives.
    pub(crate) fn count(&self, query: &str) -> i64 {
        match &self.url {
            Some(url) => Client::connect(url, NoTls).unwrap().query_one(query, &[]).unwrap().get(0),
            None => self.sqlite().query_row(query, [], |row| row.get(0)).unwrap(),
        }
    }

    /// What the database holds, as it lies there, or as the rows of its tables.
    pub(crate) fn contents(&self) -> Vec<Vec<u8>> {
        let Some(url) = &self.url else {
            // The second is gone while nobody has the database open.
            let files = ["beaa.sqlite", "beaa.sqlite-wal"].map(|name| std::fs::read(self.store.folder().join(name)));
            return files.into_iter().flatten().collect();
        };
        let mut client = Client::connect(url, NoTls).unwrap();
        let tables = client.query("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'", &[]).unwrap();
        let rows = tables.iter().flat_map(|table| {
            client.query(&format!("SELECT row_to_json(t)::text FROM {} t", table.get::<_, String>(0)), &[]).unwrap()
        });
        rows.map(|row| row.get::<_, String>(0).into_bytes()).collect()
    }

    /// A hash as queries have it.
    pub(crate) fn literal(&self, sha256: &Digest) -> String {
        format!("{}{sha256}'", self.word("X'", "'\\x"))
    }

    /// What only one of the databases understands.
    pub(crate) fn word(&self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        if self.url.is_some() { postgres } else { sqlite }
    }

    fn sqlite(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.store.folder().join("beaa.sqlite")).unwrap()
    }

    /// Uploads a whole file in pieces of `piece` bytes.
    pub(crate) fn upload(&self, caller: &Caller, name: &str, purpose: Purpose, piece: usize) -> Id {
        let bytes = bytes(name);
        let new = NewUpload { purpose, length: bytes.len() as u64, sha256: Digest::of(&bytes) };
        let id = self.store.begin_upload(caller, &new, 0).unwrap();
        for (k, part) in bytes.chunks(piece).enumerate() {
            append(&self.store, caller, &id, &chunk((k * piece) as u64, part), whole(part)).unwrap();
        }
        id
    }

    /// Uploads the key and images, and queues a job.
    pub(crate) fn job(&self) -> JobView {
        self.upload(&self.caller, "evaluation.key", Purpose::Key, usize::MAX);
        let upload = self.upload(&self.caller, "images.ct", Purpose::Images, usize::MAX);
        let key = Some(Digest::of(&bytes("evaluation.key")));
        let new = NewJob { program: self.program.clone(), upload, key };
        self.store.create_job(&self.caller, &new).unwrap().0
    }

    /// Files that are kept by their hashes.
    pub(crate) fn blobs(&self) -> usize {
        let folders = std::fs::read_dir(self.store.folder().join("blobs")).unwrap();
        folders.map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap().count()).sum()
    }
}

fn open(folder: &Path, url: Option<&str>) -> Store {
    Store::open_with(folder, &url.map_or(StoreDatabase::Sqlite, postgres)).unwrap()
}

pub(crate) fn chunk(offset: u64, bytes: &[u8]) -> Chunk {
    Chunk { offset, sha256: Digest::of(bytes), most: 1 << 30 }
}

/// What comes of a chunk, in order.
pub(crate) enum Frame {
    Bytes(Vec<u8>),
    /// The client has sent all of them.
    End,
}

/// Adds a chunk as the server does it, and completes the upload after its last byte.
pub(crate) fn append(
    store: &Store,
    caller: &Caller,
    id: &Id,
    chunk: &Chunk,
    mut frames: impl Iterator<Item = Frame>,
) -> Result<UploadView> {
    let mut open = match store.begin_chunk(caller, id, chunk)? {
        ChunkBegun::Whole(view) => return Ok(view),
        ChunkBegun::Open(open) => open,
    };
    loop {
        match frames.next() {
            Some(Frame::Bytes(piece)) => open.write(&piece)?,
            Some(Frame::End) => break,
            None => return Err(open.cut_off()),
        }
    }
    store.end_chunk(caller, *open)?;
    store.complete_upload(caller, id)
}

/// The frames of a chunk that comes as a whole.
pub(crate) fn whole(bytes: &[u8]) -> std::vec::IntoIter<Frame> {
    vec![Frame::Bytes(bytes.to_vec()), Frame::End].into_iter()
}

/// The kind of a refusal, which says what helps.
pub(crate) fn kind<T: std::fmt::Debug>(result: Result<T>) -> RefusalKind {
    match result {
        Err(Error::Refused(refusal)) => {
            assert!(!refusal.remedy.is_empty() && refusal.detail.contains("expected"), "{refusal}");
            refusal.kind
        }
        other => panic!("expected a refusal, found {other:?}"),
    }
}
