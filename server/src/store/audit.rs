//! Who did what, and when: never with what was sent, only with its names.

use super::Store;
use super::database::{Record, Transaction, values};
use crate::{Result, clock};

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct AuditEntry {
    /// Its number.
    pub number: i64,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// The tenant, if it was one's.
    pub tenant: Option<String>,
    /// Who: the label of a token, `operator`, or a worker.
    pub actor: String,
    /// What was done.
    pub action: String,
    /// With what, by its name or hash.
    pub object: String,
}

/// Adds a line, in the transaction that does what it says.
pub(super) fn note(
    transaction: &Transaction<'_>,
    tenant: Option<i64>,
    actor: &str,
    action: &str,
    object: &str,
) -> Result<()> {
    transaction.execute(
        "writing the audit log",
        "INSERT INTO audit (at_ms, tenant, actor, action, object) VALUES (?, ?, ?, ?, ?)",
        values![clock::now_ms(), tenant, actor, action, object],
    )?;
    Ok(())
}

impl Store {
    /// The last lines of the log, the oldest of them first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn audit(&self, most: u32) -> Result<Vec<AuditEntry>> {
        self.read(|transaction| {
            let rows = transaction.rows(
                "reading the audit log",
                "SELECT audit.seq, at_ms, tenants.name, actor, action, object FROM audit
                 LEFT JOIN tenants ON tenants.id = audit.tenant ORDER BY audit.seq DESC LIMIT ?",
                values![i64::from(most)],
            )?;
            let entry = |row: &Record| {
                Ok(AuditEntry {
                    number: row.get(0)?,
                    at_ms: row.get(1)?,
                    tenant: row.get(2)?,
                    actor: row.get(3)?,
                    action: row.get(4)?,
                    object: row.get(5)?,
                })
            };
            rows.iter().rev().map(entry).collect()
        })
    }
}
