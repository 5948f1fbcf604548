//! What workers keep in memory between jobs of one program. Others of the same machine leave it to
//! them, as they do the memory of jobs that run.

use super::database::{Transaction, values};
use super::worker_id::WorkerId;
use super::{Store, signed, unsigned};
use crate::Result;

/// How long a worker without work keeps what its last job used, in milliseconds. Others leave it to
/// the worker for twice as long, so that it is gone before somebody else uses the memory.
pub const HOLD_MS: i64 = 60_000;
const NOTING: &str = "noting what a worker keeps";

impl Store {
    /// Notes that a worker keeps nothing any more.
    ///
    /// # Errors
    /// When the database fails.
    pub fn let_go(&self, worker: &WorkerId) -> Result<()> {
        self.write(|transaction| let_go(transaction, worker))
    }
}

/// Notes that a worker goes on using so many bytes at most, from `now` on.
pub(super) fn hold(transaction: &Transaction<'_>, worker: &WorkerId, bytes: u64, now: i64) -> Result<()> {
    // Of workers that ended without a word.
    transaction.execute(NOTING, "DELETE FROM holdings WHERE until_ms < ?", values![now])?;
    let until = now.saturating_add(2 * HOLD_MS);
    let query = "INSERT INTO holdings (worker, host, bytes, until_ms) VALUES (?, ?, ?, ?)
                 ON CONFLICT (worker) DO UPDATE SET bytes = excluded.bytes, until_ms = excluded.until_ms";
    transaction.execute(NOTING, query, values![&worker.name, &worker.host, signed(bytes), until]).map(|_| ())
}

/// Notes that a worker keeps nothing beside its job's memory.
pub(super) fn let_go(transaction: &Transaction<'_>, worker: &WorkerId) -> Result<()> {
    let query = "DELETE FROM holdings WHERE worker = ?";
    transaction.execute(NOTING, query, values![&worker.name]).map(|_| ())
}

/// Bytes that other workers of this one's machine keep at the time `now`. What would be kept for
/// more than twice as long as anything is belongs to a clock that was set back, and does not count.
pub(super) fn of_others(transaction: &Transaction<'_>, worker: &WorkerId, now: i64) -> Result<u64> {
    let sum = transaction.number(
        "adding up what workers keep",
        "SELECT CAST(coalesce(sum(bytes), 0) AS BIGINT) FROM holdings
         WHERE host = ?1 AND worker <> ?2 AND until_ms >= ?3 AND until_ms - ?3 <= ?4",
        values![&worker.host, &worker.name, now, 4 * HOLD_MS],
    )?;
    unsigned(sum)
}
