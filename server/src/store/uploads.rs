//! Uploads in chunks that can be resumed. What the database says was received is on the disk; what
//! lies behind that in the file is nothing.

use std::fs::{OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use beaa_base::LockedFile;
use beaa_protocol::upload::Purpose;
use beaa_protocol::{Digest, Id};

use super::database::{Transaction, values};
use super::{Caller, Store, UPLOADS, audit, blobs, digest, signed, tenants, unsigned};
use crate::{Error, RefusalKind, Result, clock, random};

/// An upload to begin.
#[derive(Debug, Clone, Copy)]
pub struct NewUpload {
    /// What it will be.
    pub purpose: Purpose,
    /// Bytes of the whole.
    pub length: u64,
    /// The hash of the whole.
    pub sha256: Digest,
}

/// How far an upload is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadView {
    /// What it is.
    pub purpose: Purpose,
    /// Bytes of the whole.
    pub length: u64,
    /// Bytes that are there, on the disk.
    pub received: u64,
    /// The hash of the whole.
    pub sha256: Digest,
    /// Whether the whole is there, checked.
    pub complete: bool,
}

impl Store {
    /// Begins an upload; its bytes count for the tenant, and as space of the disk, from now on.
    /// `reserve` bytes of the disk stay free.
    ///
    /// # Errors
    /// [`RefusalKind::OverLimit`] where the tenant may not store so much, or not so many files;
    /// [`RefusalKind::DiskFull`] where it and all that was begun before leave too little space.
    pub fn begin_upload(&self, caller: &Caller, new: &NewUpload, reserve: u64) -> Result<Id> {
        let (id, now) = (random::id()?, clock::now_ms());
        if new.length == 0 {
            return Err(Error::refused(
                RefusalKind::Malformed,
                "beginning an upload: found a length of 0 bytes, expected a file",
                "send the size of the file",
            ));
        }
        self.write(|transaction| {
            let usage = tenants::usage(transaction, caller.tenant)?;
            if usage.stored_bytes.saturating_add(new.length) > usage.stored_bytes_limit {
                return Err(Error::refused(
                    RefusalKind::OverLimit,
                    format!(
                        "beginning an upload: found {} bytes stored and {} more, expected {} at most",
                        usage.stored_bytes, new.length, usage.stored_bytes_limit
                    ),
                    "delete jobs whose answers you have, uploads that were given up, or keys, or ask the operator for \
                     more",
                ));
            }
            if usage.uploads >= usage.uploads_limit {
                let remedy = "queue jobs of those that are complete, or delete some";
                return Err(tenants::over_limit("beginning an upload", "uploads", usage.uploads_limit, remedy));
            }
            if new.purpose == Purpose::Key && usage.keys >= usage.keys_limit {
                let remedy = "delete one that you need no more";
                return Err(tenants::over_limit("beginning an upload", "keys", usage.keys_limit, remedy));
            }
            self.expect_space(transaction, new.length, reserve)?;
            transaction.execute(
                "beginning an upload",
                "INSERT INTO uploads
                     (id, tenant, purpose, length, received, sha256, complete, created_ms, touched_ms)
                 VALUES (?, ?, ?, ?, 0, ?, 0, ?, ?)",
                values![
                    id.bytes(),
                    caller.tenant,
                    new.purpose.name(),
                    signed(new.length),
                    new.sha256.bytes(),
                    now,
                    now
                ],
            )?;
            let what = format!("{id} ({}, {} bytes)", new.purpose.name(), new.length);
            audit::note(transaction, Some(caller.tenant), &caller.label, "upload begun", &what)
        })?;
        Ok(id)
    }

    /// How far an upload is.
    ///
    /// # Errors
    /// [`RefusalKind::NotFound`] without such an upload of the tenant.
    pub fn upload(&self, caller: &Caller, id: &Id) -> Result<UploadView> {
        self.read(|transaction| upload(transaction, caller.tenant, id))
    }

    /// Deletes an upload that no job has.
    ///
    /// # Errors
    /// [`RefusalKind::NotFound`] without such an upload of the tenant.
    pub fn delete_upload(&self, caller: &Caller, id: &Id) -> Result<()> {
        self.upload(caller, id)?;
        self.forget_upload(caller.tenant, id, &caller.label, "upload deleted")
    }

    pub(super) fn upload_path(&self, id: &Id) -> PathBuf {
        self.folder.join(UPLOADS).join(id.to_string())
    }

    pub(super) fn note_received(&self, caller: &Caller, id: &Id, received: u64) -> Result<()> {
        self.write(|transaction| {
            let noted = transaction.execute(
                "noting a chunk",
                "UPDATE uploads SET received = ?, touched_ms = ? WHERE id = ? AND tenant = ?",
                values![signed(received), clock::now_ms(), id.bytes(), caller.tenant],
            )?;
            match noted {
                0 => Err(crate::error::not_found("an upload")),
                _ => Ok(()),
            }
        })
    }

    /// An upload with its file, which nobody else writes or checks while the file is open; without
    /// a file where the whole is kept already.
    pub(super) fn lock_upload(&self, caller: &Caller, id: &Id) -> Result<(UploadView, Option<LockedFile>)> {
        let view = self.upload(caller, id)?;
        if view.complete {
            return Ok((view, None));
        }
        let path = self.upload_path(id);
        let file = locked(&path)?;
        // Another request may have had it before the lock was ours.
        let after = self.upload(caller, id);
        let over = match &after {
            Ok(view) => view.complete,
            Err(Error::Refused(_)) => true,
            Err(_) => false,
        };
        if over {
            // The file has no name any more, or got it back just now.
            blobs::remove(&path)?;
        }
        Ok((after?, (!over).then_some(file)))
    }

    /// Forgets an upload and its bytes.
    pub(super) fn forget_upload(&self, tenant: i64, id: &Id, actor: &str, action: &str) -> Result<()> {
        let released = self.write(|transaction| {
            let view = upload(transaction, tenant, id)?;
            transaction.execute("deleting an upload", "DELETE FROM uploads WHERE id = ?", values![id.bytes()])?;
            audit::note(transaction, Some(tenant), actor, action, &id.to_string())?;
            if view.complete { blobs::release(transaction, &[view.sha256]) } else { Ok(Vec::new()) }
        })?;
        self.remove_released(&released);
        blobs::remove(&self.upload_path(id))
    }
}

pub(super) fn upload(transaction: &Transaction<'_>, tenant: i64, id: &Id) -> Result<UploadView> {
    let found = transaction.first(
        "looking for an upload",
        "SELECT purpose, length, received, sha256, complete FROM uploads WHERE id = ? AND tenant = ?",
        values![id.bytes(), tenant],
    )?;
    let row = found.ok_or_else(|| crate::error::not_found("an upload"))?;
    let purpose: String = row.get(0)?;
    let known = Purpose::of_name(&purpose);
    let purpose = known.ok_or(Error::Damaged { found: purpose, expected: "what an upload is for" })?;
    let (length, received) = (unsigned(row.get(1)?)?, unsigned(row.get(2)?)?);
    Ok(UploadView { purpose, length, received, sha256: digest(row.get(3)?)?, complete: row.get::<i64>(4)? != 0 })
}

/// The file of an upload, which nobody else writes while the value lives.
fn locked(path: &Path) -> Result<LockedFile> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).map_err(Error::io("writing", path))?;
    match LockedFile::try_lock(file) {
        Ok(file) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::refused(
            RefusalKind::Locked,
            "working on an upload: found another request that adds to it or checks it, expected none",
            "wait for it, and ask for the offset again",
        )),
        Err(TryLockError::Error(source)) => Err(Error::io("locking", path)(source)),
    }
}
