//! Evaluation keys, by the hash of their file: each is sent once, and used by any number of jobs of
//! its tenant.

use beaa_protocol::{Digest, KeyView};
use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::{Caller, Store, audit, blobs, database, digest, unsigned};
use crate::{Error, RefusalKind, Result};

type Columns = (Vec<u8>, String, i64, i64);

impl Store {
    /// The keys of a tenant, the newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn keys(&self, caller: &Caller) -> Result<Vec<KeyView>> {
        self.read(|transaction| {
            let failed = database("reading keys");
            let query = "SELECT sha256, name, bytes, created_ms FROM keys WHERE tenant = ? ORDER BY created_ms DESC";
            let mut statement = transaction.prepare(query).map_err(failed)?;
            let rows = statement.query_map([caller.tenant], columns).map_err(failed)?;
            let rows = rows.collect::<rusqlite::Result<Vec<_>>>().map_err(failed)?;
            rows.into_iter().map(view).collect()
        })
    }

    /// The key of that hash, if it is the tenant's.
    ///
    /// # Errors
    /// [`RefusalKind::NotFound`] without one.
    pub fn key(&self, caller: &Caller, sha256: &Digest) -> Result<KeyView> {
        self.read(|transaction| key(transaction, caller.tenant, sha256))
    }

    /// Deletes a key.
    ///
    /// # Errors
    /// [`RefusalKind::NotFound`] without one, [`RefusalKind::Conflict`] while a job that is queued
    /// or running needs it.
    pub fn delete_key(&self, caller: &Caller, sha256: &Digest) -> Result<()> {
        let released = self.write(|transaction| {
            let failed = database("deleting a key");
            key(transaction, caller.tenant, sha256)?;
            let needed = transaction.query_row(
                "SELECT count(*) FROM jobs WHERE tenant = ? AND key_sha256 = ? AND state IN ('queued', 'running')",
                params![caller.tenant, sha256.bytes()],
                |row| row.get::<_, i64>(0),
            );
            if needed.map_err(failed)? > 0 {
                return Err(Error::refused(
                    RefusalKind::Conflict,
                    "deleting a key: found jobs that are not finished and need it, expected none",
                    "wait for them, or cancel them first",
                ));
            }
            // Jobs that are finished need it no more.
            let forgotten = transaction.execute(
                "UPDATE jobs SET key_sha256 = NULL WHERE tenant = ? AND key_sha256 = ?",
                params![caller.tenant, sha256.bytes()],
            );
            forgotten.map_err(failed)?;
            let deleted = transaction
                .execute("DELETE FROM keys WHERE tenant = ? AND sha256 = ?", params![caller.tenant, sha256.bytes()]);
            deleted.map_err(failed)?;
            // Whoever resumes one of these must send the key again.
            let finished = transaction.execute(
                "DELETE FROM uploads WHERE tenant = ? AND sha256 = ? AND purpose = 'key' AND complete = 1",
                params![caller.tenant, sha256.bytes()],
            );
            finished.map_err(failed)?;
            audit::note(transaction, Some(caller.tenant), &caller.label, "key deleted", &sha256.to_string())?;
            blobs::release(transaction, &[*sha256])
        })?;
        self.remove_released(&released);
        Ok(())
    }
}

pub(super) fn key(transaction: &Transaction<'_>, tenant: i64, sha256: &Digest) -> Result<KeyView> {
    let found = transaction.query_row(
        "SELECT sha256, name, bytes, created_ms FROM keys WHERE tenant = ? AND sha256 = ?",
        params![tenant, sha256.bytes()],
        columns,
    );
    let found = found.optional().map_err(database("looking for a key"))?;
    found.map_or_else(|| Err(crate::error::not_found("a key")), view)
}

fn columns(row: &Row<'_>) -> rusqlite::Result<Columns> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
}

fn view((sha256, key, bytes, created_ms): Columns) -> Result<KeyView> {
    Ok(KeyView { sha256: digest(sha256)?, key, bytes: unsigned(bytes)?, created_ms })
}
