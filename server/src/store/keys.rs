//! Evaluation keys, by the hash of their file: each is sent once, and used by any number of jobs of
//! its tenant.

use beaa_protocol::{Digest, KeyView};

use super::database::{Record, Transaction, values};
use super::{Caller, Store, audit, blobs, digest, unsigned};
use crate::{Error, RefusalKind, Result};

impl Store {
    /// The keys of a tenant, the newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn keys(&self, caller: &Caller) -> Result<Vec<KeyView>> {
        self.read(|transaction| {
            let query = "SELECT sha256, name, bytes, created_ms FROM keys WHERE tenant = ? ORDER BY created_ms DESC";
            let rows = transaction.rows("reading keys", query, values![caller.tenant])?;
            rows.iter().map(view).collect()
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
            let operation = "deleting a key";
            key(transaction, caller.tenant, sha256)?;
            let needed = transaction.number(
                operation,
                "SELECT count(*) FROM jobs WHERE tenant = ? AND key_sha256 = ? AND state IN ('queued', 'running')",
                values![caller.tenant, sha256.bytes()],
            )?;
            if needed > 0 {
                return Err(Error::refused(
                    RefusalKind::Conflict,
                    "deleting a key: found jobs that are not finished and need it, expected none",
                    "wait for them, or cancel them first",
                ));
            }
            // Jobs that are finished need it no more.
            let the_key = values![caller.tenant, sha256.bytes()];
            let forget = "UPDATE jobs SET key_sha256 = NULL WHERE tenant = ? AND key_sha256 = ?";
            transaction.execute(operation, forget, the_key)?;
            transaction.execute(operation, "DELETE FROM keys WHERE tenant = ? AND sha256 = ?", the_key)?;
            // Whoever resumes one of these must send the key again.
            let finished = "DELETE FROM uploads WHERE tenant = ? AND sha256 = ? AND purpose = 'key' AND complete = 1";
            transaction.execute(operation, finished, the_key)?;
            audit::note(transaction, Some(caller.tenant), &caller.label, "key deleted", &sha256.to_string())?;
            blobs::release(transaction, &[*sha256])
        })?;
        self.remove_released(&released);
        Ok(())
    }
}

pub(super) fn key(transaction: &Transaction<'_>, tenant: i64, sha256: &Digest) -> Result<KeyView> {
    let found = transaction.first(
        "looking for a key",
        "SELECT sha256, name, bytes, created_ms FROM keys WHERE tenant = ? AND sha256 = ?",
        values![tenant, sha256.bytes()],
    )?;
    found.map_or_else(|| Err(crate::error::not_found("a key")), |row| view(&row))
}

fn view(row: &Record) -> Result<KeyView> {
    let (sha256, bytes) = (digest(row.get(0)?)?, unsigned(row.get(2)?)?);
    Ok(KeyView { sha256, key: row.get(1)?, bytes, created_ms: row.get(3)? })
}
