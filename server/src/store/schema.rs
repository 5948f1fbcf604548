//! The schema of the database, and how older ones become it. What a release has written stays
//! readable: a change is a new entry of [`MIGRATIONS`], never an edit of an old one.

use rusqlite::{Connection, TransactionBehavior};

use super::database;
use crate::{Error, Result};

/// What brings schema k to schema k + 1; an empty database has schema 0.
const MIGRATIONS: [&str; 2] = [FIRST, SECOND];

const FIRST: &str = "
CREATE TABLE tenants (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    stored_limit INTEGER NOT NULL,
    jobs_limit INTEGER NOT NULL,
    created_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE tokens (
    hash BLOB PRIMARY KEY,
    tenant INTEGER NOT NULL REFERENCES tenants(id),
    label TEXT NOT NULL UNIQUE,
    scope TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER,
    revoked_ms INTEGER
) STRICT;
CREATE TABLE blobs (
    sha256 BLOB PRIMARY KEY,
    bytes INTEGER NOT NULL
) STRICT;
CREATE TABLE programs (
    fingerprint TEXT PRIMARY KEY,
    file BLOB NOT NULL REFERENCES blobs(sha256),
    signature BLOB NOT NULL REFERENCES blobs(sha256),
    view TEXT NOT NULL,
    published_ms INTEGER NOT NULL,
    withdrawn_ms INTEGER
) STRICT;
CREATE TABLE keys (
    tenant INTEGER NOT NULL REFERENCES tenants(id),
    sha256 BLOB NOT NULL REFERENCES blobs(sha256),
    name TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, sha256)
) STRICT;
CREATE TABLE uploads (
    id BLOB PRIMARY KEY,
    tenant INTEGER NOT NULL REFERENCES tenants(id),
    purpose TEXT NOT NULL,
    length INTEGER NOT NULL,
    received INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    complete INTEGER NOT NULL,
    -- Of complete images: program, key and number, as their file says.
    program TEXT,
    key_name TEXT,
    images INTEGER,
    created_ms INTEGER NOT NULL,
    touched_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX uploads_of_tenant ON uploads(tenant);
CREATE TABLE jobs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL UNIQUE,
    tenant INTEGER NOT NULL REFERENCES tenants(id),
    upload BLOB NOT NULL UNIQUE,
    state TEXT NOT NULL,
    version INTEGER NOT NULL,
    program TEXT NOT NULL REFERENCES programs(fingerprint),
    key_sha256 BLOB REFERENCES blobs(sha256),
    images_sha256 BLOB NOT NULL REFERENCES blobs(sha256),
    images INTEGER NOT NULL,
    images_bytes INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    progress TEXT NOT NULL,
    planned_bytes INTEGER,
    answers_sha256 BLOB REFERENCES blobs(sha256),
    answers_bytes INTEGER,
    problem TEXT,
    created_ms INTEGER NOT NULL,
    started_ms INTEGER,
    finished_ms INTEGER,
    -- Of a job that is queued: not before then.
    not_before_ms INTEGER NOT NULL,
    -- Of a job that is running: who runs it, on which machine, and until when it is theirs.
    worker TEXT,
    host TEXT,
    lease_until_ms INTEGER
) STRICT;
CREATE INDEX jobs_of_tenant ON jobs(tenant, seq);
CREATE INDEX jobs_of_state ON jobs(state, seq);
CREATE TABLE audit (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms INTEGER NOT NULL,
    tenant INTEGER REFERENCES tenants(id),
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL
) STRICT;
";

/// Leases say how long they are, and tenants how many files and jobs they may keep.
const SECOND: &str = "
ALTER TABLE jobs ADD COLUMN lease_ms INTEGER;
-- Those that are there did not say: a day, beside which no clock that was set back is noticed.
UPDATE jobs SET lease_ms = 86400000 WHERE state = 'running';
ALTER TABLE tenants ADD COLUMN uploads_limit INTEGER NOT NULL DEFAULT 1000;
ALTER TABLE tenants ADD COLUMN keys_limit INTEGER NOT NULL DEFAULT 1000;
ALTER TABLE tenants ADD COLUMN kept_jobs_limit INTEGER NOT NULL DEFAULT 10000;
";

/// Brings a database to the present schema; two processes that do so at once do it once.
pub(super) fn migrate(connection: &mut Connection) -> Result<()> {
    let failed = database("bringing the store to the present schema");
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let found: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(failed)?;
    let known = MIGRATIONS.len() as i64;
    let Some(done) = usize::try_from(found).ok().filter(|done| *done <= MIGRATIONS.len()) else {
        return Err(Error::Newer { found, known });
    };
    for migration in &MIGRATIONS[done..] {
        transaction.execute_batch(migration).map_err(failed)?;
    }
    transaction.pragma_update(None, "user_version", known).map_err(failed)?;
    transaction.commit().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_migrated_once_and_newer_ones_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut connection = Connection::open(folder.path().join("x")).unwrap();
        migrate(&mut connection).unwrap();
        migrate(&mut connection).unwrap();
        let tables: i64 =
            connection.query_row("SELECT count(*) FROM sqlite_schema WHERE type = 'table'", [], |r| r.get(0)).unwrap();
        assert!(tables >= 8, "{tables}");
        connection.pragma_update(None, "user_version", 99).unwrap();
        let error = migrate(&mut connection).unwrap_err().to_string();
        assert!(error.contains("found schema 99, expected 2 at most"), "{error}");
    }
}
