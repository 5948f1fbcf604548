//! Tenants, what each may use, and the tokens by which they are known: of a token the store holds
//! the hash alone.

use base64ct::{Base64UrlUnpadded, Encoding};
use beaa_protocol::{Account, Digest, Scope, Usage};

use super::database::{Record, Transaction, values};
use super::{Store, audit, signed, unsigned};
use crate::{Error, RefusalKind, Result, clock, random};

/// How a token begins, so that people and scanners of secrets know it.
const PREFIX: &str = "beaa_";
/// The most that a token's text can be.
const MOST_TOKEN: usize = 128;
const OPERATOR: &str = "operator";

/// Whose request it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Number of the tenant.
    pub tenant: i64,
    /// The tenant's name.
    pub name: String,
    /// Label of the token.
    pub label: String,
    /// What the token allows.
    pub scope: Scope,
}

/// What a tenant may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TenantLimits {
    /// Bytes of keys, uploads and answers.
    pub stored_bytes: u64,
    /// Jobs that are queued or running.
    pub active_jobs: u64,
    /// Jobs in any state, until they are deleted.
    pub jobs: u64,
    /// Uploads that no job has.
    pub uploads: u64,
    /// Evaluation keys.
    pub keys: u64,
}

/// A token to be made.
#[derive(Debug, Clone)]
pub struct NewToken<'a> {
    /// Whose.
    pub tenant: &'a str,
    /// Its name, by which it is revoked.
    pub label: &'a str,
    /// What it allows.
    pub scope: Scope,
    /// How long it is good, in milliseconds; for ever if none.
    pub lifetime_ms: Option<i64>,
}

/// A token, without its secret.
#[derive(Debug, Clone, serde::Serialize)]
pub struct TokenEntry {
    /// Whose.
    pub tenant: String,
    /// Its name.
    pub label: String,
    /// What it allows.
    pub scope: Scope,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: i64,
    /// When it ends.
    pub expires_ms: Option<i64>,
    /// When it was revoked.
    pub revoked_ms: Option<i64>,
}

impl Store {
    /// Adds a tenant, or changes the limits of one that is there.
    ///
    /// # Errors
    /// [`RefusalKind::Malformed`] for a name that is none.
    pub fn set_tenant(&self, name: &str, limits: TenantLimits) -> Result<()> {
        check_name("a tenant", name)?;
        self.write(|transaction| {
            transaction.execute(
                "writing a tenant",
                "INSERT INTO tenants
                     (name, stored_limit, jobs_limit, kept_jobs_limit, uploads_limit, keys_limit, created_ms)
                 VALUES (?, ?, ?, ?, ?, ?, ?)
                 ON CONFLICT (name) DO UPDATE SET stored_limit = excluded.stored_limit,
                     jobs_limit = excluded.jobs_limit, kept_jobs_limit = excluded.kept_jobs_limit,
                     uploads_limit = excluded.uploads_limit, keys_limit = excluded.keys_limit",
                values![
                    name,
                    signed(limits.stored_bytes),
                    signed(limits.active_jobs),
                    signed(limits.jobs),
                    signed(limits.uploads),
                    signed(limits.keys),
                    clock::now_ms()
                ],
            )?;
            audit::note(transaction, Some(tenant_of(transaction, name)?), OPERATOR, "tenant set", name)
        })
    }

    /// Makes a token and returns its text, which nothing can show a second time.
    ///
    /// # Errors
    /// [`RefusalKind::NotFound`] without such a tenant, [`RefusalKind::Conflict`] for a label that
    /// is there already.
    pub fn add_token(&self, token: &NewToken<'_>) -> Result<String> {
        check_name("a token", token.label)?;
        let text = format!("{PREFIX}{}", Base64UrlUnpadded::encode_string(&random::bytes::<32>()?));
        let hash = Digest::of(text.as_bytes());
        let now = clock::now_ms();
        self.write(|transaction| {
            let tenant = tenant_of(transaction, token.tenant)?;
            let added = transaction.execute(
                "writing a token",
                "INSERT INTO tokens (hash, tenant, label, scope, created_ms, expires_ms) VALUES (?, ?, ?, ?, ?, ?)
                 ON CONFLICT DO NOTHING",
                values![
                    hash.bytes(),
                    tenant,
                    token.label,
                    token.scope.name(),
                    now,
                    token.lifetime_ms.map(|ms| now.saturating_add(ms))
                ],
            )?;
            if added == 0 {
                return Err(Error::refused(
                    RefusalKind::Conflict,
                    format!("making a token: found one with the label `{}` already, expected a new label", token.label),
                    "choose another label",
                ));
            }
            audit::note(transaction, Some(tenant), OPERATOR, "token made", token.label)
        })?;
        Ok(text)
    }

    /// Makes a token worthless from now on.
    ///
    /// # Errors
    /// [`RefusalKind::NotFound`] without a token of that label that is not revoked.
    pub fn revoke_token(&self, label: &str) -> Result<()> {
        self.write(|transaction| {
            let revoked = transaction.execute(
                "revoking a token",
                "UPDATE tokens SET revoked_ms = ? WHERE label = ? AND revoked_ms IS NULL",
                values![clock::now_ms(), label],
            )?;
            if revoked == 0 {
                return Err(crate::error::not_found("a token that is not revoked"));
            }
            audit::note(transaction, None, OPERATOR, "token revoked", label)
        })
    }

    /// All tokens, the newest last.
    ///
    /// # Errors
    /// When the database fails.
    pub fn tokens(&self) -> Result<Vec<TokenEntry>> {
        self.read(|transaction| {
            let rows = transaction.rows(
                "reading tokens",
                "SELECT tenants.name, label, scope, tokens.created_ms, expires_ms, revoked_ms FROM tokens
                 JOIN tenants ON tenants.id = tokens.tenant ORDER BY tokens.created_ms, label",
                &[],
            )?;
            let entry = |row: &Record| {
                Ok(TokenEntry {
                    tenant: row.get(0)?,
                    label: row.get(1)?,
                    scope: scope(&row.get::<String>(2)?)?,
                    created_ms: row.get(3)?,
                    expires_ms: row.get(4)?,
                    revoked_ms: row.get(5)?,
                })
            };
            rows.iter().map(entry).collect()
        })
    }

    /// Whose token `text` is.
    ///
    /// # Errors
    /// [`RefusalKind::Unauthorised`] for a text that is no token, and for one that is revoked or
    /// has ended: the same words for all.
    pub fn caller(&self, text: &str) -> Result<Caller> {
        let refused = || {
            Error::refused(
                RefusalKind::Unauthorised,
                "checking the token: found none that is known and in force, expected one",
                "send `Authorization: Bearer TOKEN` with the token that the operator gave you, or ask for a new one",
            )
        };
        if text.len() > MOST_TOKEN {
            return Err(refused());
        }
        let hash = Digest::of(text.as_bytes());
        let found = self.read(|transaction| {
            transaction.first(
                "looking for a token",
                "SELECT tenants.id, tenants.name, label, scope FROM tokens JOIN tenants ON tenants.id = tokens.tenant
                 WHERE hash = ? AND revoked_ms IS NULL AND (expires_ms IS NULL OR expires_ms > ?)",
                values![hash.bytes(), clock::now_ms()],
            )
        })?;
        let row = found.ok_or_else(refused)?;
        let scope = scope(&row.get::<String>(3)?)?;
        Ok(Caller { tenant: row.get(0)?, name: row.get(1)?, label: row.get(2)?, scope })
    }

    /// Who a caller is, and what its tenant uses.
    ///
    /// # Errors
    /// When the database fails.
    pub fn account(&self, caller: &Caller) -> Result<Account> {
        let usage = self.read(|transaction| usage(transaction, caller.tenant))?;
        Ok(Account { tenant: caller.name.clone(), scope: caller.scope, usage })
    }
}

/// What a tenant uses: uploads count as a whole from their beginning, complete ones of keys as
/// keys.
pub(super) fn usage(transaction: &Transaction<'_>, tenant: i64) -> Result<Usage> {
    let row = transaction.only(
        "counting what a tenant uses",
        "SELECT stored_limit, jobs_limit,
             CAST((SELECT coalesce(sum(bytes), 0) FROM keys WHERE tenant = ?1)
             + (SELECT coalesce(sum(length), 0) FROM uploads
                WHERE tenant = ?1 AND NOT (complete = 1 AND purpose = 'key'))
             + (SELECT coalesce(sum(images_bytes + coalesce(answers_bytes, 0)), 0) FROM jobs WHERE tenant = ?1)
             AS BIGINT),
             (SELECT count(*) FROM jobs WHERE tenant = ?1 AND state IN ('queued', 'running')),
             (SELECT count(*) FROM jobs WHERE tenant = ?1), kept_jobs_limit,
             (SELECT count(*) FROM uploads WHERE tenant = ?1), uploads_limit,
             (SELECT count(*) FROM keys WHERE tenant = ?1), keys_limit
         FROM tenants WHERE id = ?1",
        values![tenant],
    )?;
    let number = |column: usize| unsigned(row.get(column)?);
    Ok(Usage {
        stored_bytes: number(2)?,
        stored_bytes_limit: number(0)?,
        active_jobs: number(3)?,
        active_jobs_limit: number(1)?,
        jobs: number(4)?,
        jobs_limit: number(5)?,
        uploads: number(6)?,
        uploads_limit: number(7)?,
        keys: number(8)?,
        keys_limit: number(9)?,
    })
}

/// The refusal of one more of what a tenant has enough of.
pub(super) fn over_limit(operation: &str, what: &str, most: u64, remedy: &str) -> Error {
    Error::refused(
        RefusalKind::OverLimit,
        format!("{operation}: found the tenant's {most} {what} used up, expected fewer"),
        format!("{remedy}, or ask the operator for more"),
    )
}

fn tenant_of(transaction: &Transaction<'_>, name: &str) -> Result<i64> {
    let found = transaction.first("looking for a tenant", "SELECT id FROM tenants WHERE name = ?", values![name])?;
    let row = found.ok_or_else(|| {
        Error::refused(
            RefusalKind::NotFound,
            format!("looking for tenant `{name}`: found none of that name, expected one"),
            "add it with `beaa serve tenant NAME`",
        )
    })?;
    row.get(0)
}

fn scope(name: &str) -> Result<Scope> {
    Scope::of_name(name).ok_or_else(|| Error::Damaged { found: name.to_owned(), expected: "the scope of a token" })
}

/// Refuses names that would not be one word in logs.
fn check_name(what: &str, name: &str) -> Result<()> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if (1..=64).contains(&name.len()) && name.chars().all(fits) {
        return Ok(());
    }
    Err(Error::refused(
        RefusalKind::Malformed,
        format!("naming {what}: found `{}`, expected 1 to 64 letters, digits, `-`, `_` or `.`", name.escape_debug()),
        "choose such a name",
    ))
}
