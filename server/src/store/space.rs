//! Space on the disk of the store: what is free, and what of it begun uploads will take.

use super::database::Transaction;
use super::{Store, unsigned};
use crate::error::disk_full;
use crate::{Error, Result};

impl Store {
    /// Bytes that the disk of the store has free.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn free_bytes(&self) -> Result<u64> {
        let space = rustix::fs::statvfs(&self.folder);
        let space = space.map_err(|error| Error::io("looking at the space of", &self.folder)(error.into()))?;
        Ok(space.f_bavail.saturating_mul(space.f_frsize))
    }

    /// Refuses `more` bytes where they, and what begun uploads of all tenants still lack, would
    /// leave less than `reserve` bytes free.
    pub(super) fn expect_space(&self, transaction: &Transaction<'_>, more: u64, reserve: u64) -> Result<()> {
        let unsent = "SELECT CAST(coalesce(sum(length - received), 0) AS BIGINT) FROM uploads WHERE complete = 0";
        let promised = unsigned(transaction.number("counting what uploads lack", unsent, &[])?)?;
        if self.free_bytes()? < promised.saturating_add(more).saturating_add(reserve) {
            return Err(disk_full("beginning an upload"));
        }
        Ok(())
    }
}
