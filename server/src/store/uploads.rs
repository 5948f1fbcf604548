//! Uploads in chunks that can be resumed. What the database says was received is on the disk; what
//! lies behind that in the file is nothing.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use beaa_memory::Need;
use beaa_protocol::upload::Purpose;
use beaa_protocol::{Digest, Hasher, Id};
use beaa_runtime::ckks::{EncryptedInput, ServerKey};
use rusqlite::{OptionalExtension, Transaction, params};

use super::{Caller, Store, UPLOADS, audit, blobs, database, digest, signed, tenants, unsigned};
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

/// A chunk of an upload.
#[derive(Debug, Clone, Copy)]
pub struct Chunk {
    /// Where it begins.
    pub offset: u64,
    /// The hash of its bytes.
    pub sha256: Digest,
    /// The most bytes that it may have.
    pub most: u64,
}

/// What comes of a chunk, in order.
#[derive(Debug)]
pub enum Frame {
    /// Some bytes.
    Bytes(Vec<u8>),
    /// The client has sent all of them.
    End,
}

/// What is known of images that are complete.
struct Described {
    program: Option<String>,
    key_name: Option<String>,
    images: Option<u64>,
}

impl Store {
    /// Begins an upload; its bytes count for the tenant from now on.
    ///
    /// # Errors
    /// [`RefusalKind::OverLimit`] where the tenant may not store so much.
    pub fn begin_upload(&self, caller: &Caller, new: &NewUpload) -> Result<Id> {
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
            let added = transaction.execute(
                "INSERT INTO uploads
                     (id, tenant, purpose, length, received, sha256, complete, created_ms, touched_ms)
                 VALUES (?, ?, ?, ?, 0, ?, 0, ?, ?)",
                params![
                    id.bytes(),
                    caller.tenant,
                    new.purpose.name(),
                    signed(new.length),
                    new.sha256.bytes(),
                    now,
                    now
                ],
            );
            added.map_err(database("beginning an upload"))?;
            let what = format!("{id} ({}, {} bytes)", new.purpose.name(), new.length);
            audit::note(transaction, Some(caller.tenant), &caller.label, "upload begun", &what)
        })?;
        Ok(id)
    }

    /// How far an upload is. One whose last byte is there is checked and completed now, should a
    /// failure have come between.
    ///
    /// # Errors
    /// [`RefusalKind::NotFound`] without such an upload of the tenant; as [`Self::append`] when it
    /// is completed now.
    pub fn upload(&self, caller: &Caller, id: &Id) -> Result<UploadView> {
        let view = self.look(caller, id)?;
        if view.complete || view.received < view.length {
            return Ok(view);
        }
        self.complete(caller, id, &view)?;
        self.look(caller, id)
    }

    /// Adds a chunk, whose bytes come from `frames`, and returns how many bytes are there now. All
    /// of the chunk is on the disk then, or nothing of it is there.
    ///
    /// # Errors
    /// [`RefusalKind::WrongOffset`] where it does not begin at the end, [`RefusalKind::Locked`]
    /// while another request adds to the same upload, [`RefusalKind::WrongChecksum`],
    /// [`RefusalKind::TooLarge`], and [`RefusalKind::TooSlow`] where the frames end without
    /// [`Frame::End`]. After the last chunk [`RefusalKind::Unfit`] where the whole is not what it
    /// should be; the upload is gone then.
    pub fn append(
        &self,
        caller: &Caller,
        id: &Id,
        chunk: &Chunk,
        frames: impl Iterator<Item = Frame>,
    ) -> Result<UploadView> {
        let path = self.upload_path(id);
        let before = self.look(caller, id)?;
        if before.complete {
            return if chunk.offset == before.length { Ok(before) } else { Err(wrong_offset(&before, chunk)) };
        }
        let file = locked(&path)?;
        // Another request may have added to it before the lock was ours.
        let before = self.look(caller, id)?;
        if before.received != chunk.offset {
            return Err(wrong_offset(&before, chunk));
        }
        let most = chunk.most.min(before.length - before.received);
        match write_chunk(&file, &path, chunk, most, frames) {
            Ok(bytes) => {
                let received = before.received + bytes;
                self.note_received(caller, id, received)?;
                drop(file);
                let after = UploadView { received, ..before };
                if received < after.length {
                    return Ok(after);
                }
                self.complete(caller, id, &after)?;
                self.look(caller, id)
            }
            Err(error) => {
                // What a failure leaves behind the end is cut off by the next chunk, too.
                let _ = file.set_len(before.received);
                Err(error)
            }
        }
    }

    /// Deletes an upload that no job has.
    ///
    /// # Errors
    /// [`RefusalKind::NotFound`] without such an upload of the tenant.
    pub fn delete_upload(&self, caller: &Caller, id: &Id) -> Result<()> {
        self.look(caller, id)?;
        self.forget_upload(caller.tenant, id, &caller.label, "upload deleted")
    }

    fn look(&self, caller: &Caller, id: &Id) -> Result<UploadView> {
        self.read(|transaction| upload(transaction, caller.tenant, id))
    }

    fn upload_path(&self, id: &Id) -> PathBuf {
        self.folder.join(UPLOADS).join(id.to_string())
    }

    fn note_received(&self, caller: &Caller, id: &Id, received: u64) -> Result<()> {
        self.write(|transaction| {
            let noted = transaction.execute(
                "UPDATE uploads SET received = ?, touched_ms = ? WHERE id = ? AND tenant = ?",
                params![signed(received), clock::now_ms(), id.bytes(), caller.tenant],
            );
            match noted.map_err(database("noting a chunk"))? {
                0 => Err(crate::error::not_found("an upload")),
                _ => Ok(()),
            }
        })
    }

    /// Checks the whole, and keeps it by its hash. What is not as it should be is deleted.
    fn complete(&self, caller: &Caller, id: &Id, view: &UploadView) -> Result<()> {
        let path = self.upload_path(id);
        let described = {
            let _one = self.checking.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            // Somebody else may have completed it meanwhile.
            if self.look(caller, id)?.complete {
                return Ok(());
            }
            check(&path, view)
        };
        let described = match described {
            Ok(described) => described,
            Err(error @ Error::Refused(_)) => {
                self.forget_upload(caller.tenant, id, &caller.label, "upload refused")?;
                return Err(error);
            }
            Err(error) => return Err(error),
        };
        self.write(|transaction| {
            let failed = database("completing an upload");
            self.adopt(transaction, &path, &view.sha256, view.length)?;
            match view.purpose {
                Purpose::Key => {
                    let added = transaction.execute(
                        "INSERT INTO keys (tenant, sha256, name, bytes, created_ms) VALUES (?, ?, ?, ?, ?)
                         ON CONFLICT DO NOTHING",
                        params![
                            caller.tenant,
                            view.sha256.bytes(),
                            described.key_name,
                            signed(view.length),
                            clock::now_ms()
                        ],
                    );
                    added.map_err(failed)?;
                }
                Purpose::Images => {}
            }
            let completed = transaction.execute(
                "UPDATE uploads SET complete = 1, program = ?, key_name = ?, images = ? WHERE id = ?",
                params![described.program, described.key_name, described.images.map(signed), id.bytes()],
            );
            completed.map_err(failed)?;
            let what = format!("{id} ({})", view.sha256);
            audit::note(transaction, Some(caller.tenant), &caller.label, "upload complete", &what)
        })?;
        blobs::remove(&path)
    }

    /// Forgets an upload and its bytes.
    pub(super) fn forget_upload(&self, tenant: i64, id: &Id, actor: &str, action: &str) -> Result<()> {
        self.write(|transaction| {
            let view = upload(transaction, tenant, id)?;
            let deleted = transaction.execute("DELETE FROM uploads WHERE id = ?", [id.bytes()]);
            deleted.map_err(database("deleting an upload"))?;
            audit::note(transaction, Some(tenant), actor, action, &id.to_string())?;
            if view.complete { self.release_blob(transaction, &view.sha256) } else { Ok(()) }
        })?;
        blobs::remove(&self.upload_path(id))
    }
}

pub(super) fn upload(transaction: &Transaction<'_>, tenant: i64, id: &Id) -> Result<UploadView> {
    let found = transaction.query_row(
        "SELECT purpose, length, received, sha256, complete FROM uploads WHERE id = ? AND tenant = ?",
        params![id.bytes(), tenant],
        |row| Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)),
    );
    let Some((purpose, length, received, sha256, complete)) =
        found.optional().map_err(database("looking for an upload"))?
    else {
        return Err(crate::error::not_found("an upload"));
    };
    let known = Purpose::of_name(&purpose);
    let purpose = known.ok_or(Error::Damaged { found: purpose, expected: "what an upload is for" })?;
    let (length, received) = (unsigned(length)?, unsigned(received)?);
    Ok(UploadView { purpose, length, received, sha256: digest(sha256)?, complete })
}

/// The file of an upload, which nobody else writes while the value lives.
fn locked(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).map_err(Error::io("writing", path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::refused(
            RefusalKind::Locked,
            "adding a chunk: found another request that adds to the same upload, expected none",
            "wait for it, and ask for the offset again",
        )),
        Err(TryLockError::Error(source)) => Err(Error::io("locking", path)(source)),
    }
}

fn wrong_offset(view: &UploadView, chunk: &Chunk) -> Error {
    Error::refused(
        RefusalKind::WrongOffset,
        format!("adding a chunk: found one that begins at {}, expected {}", chunk.offset, view.received),
        "ask for the offset (HEAD), and go on from there",
    )
}

/// Writes a chunk behind what is there, and makes sure that it is on the disk.
fn write_chunk(
    mut file: &File,
    path: &Path,
    chunk: &Chunk,
    most: u64,
    frames: impl Iterator<Item = Frame>,
) -> Result<u64> {
    let io = || Error::io("writing", path);
    file.set_len(chunk.offset).map_err(io())?;
    file.seek(SeekFrom::Start(chunk.offset)).map_err(io())?;
    let (mut hasher, mut bytes, mut ended) = (Hasher::default(), 0, false);
    for frame in frames {
        match frame {
            Frame::Bytes(piece) => {
                bytes += piece.len() as u64;
                if bytes > most {
                    return Err(Error::refused(
                        RefusalKind::TooLarge,
                        format!("adding a chunk: found more than {most} bytes, expected that many at most"),
                        "send smaller chunks, and none beyond the length of the upload",
                    ));
                }
                hasher.update(&piece);
                file.write_all(&piece).map_err(io())?;
            }
            Frame::End => {
                ended = true;
                break;
            }
        }
    }
    if !ended {
        return Err(Error::refused(
            RefusalKind::TooSlow,
            format!("adding a chunk: found an end of the connection after {bytes} bytes, expected the whole chunk"),
            "ask for the offset (HEAD), and send the chunk again",
        ));
    }
    let found = hasher.finish();
    if found != chunk.sha256 {
        return Err(Error::refused(
            RefusalKind::WrongChecksum,
            format!("adding a chunk: found bytes of hash {found}, expected {}", chunk.sha256),
            "send the chunk again",
        ));
    }
    file.sync_all().map_err(io())?;
    Ok(bytes)
}

/// Whether the whole is what it was said to be, and what it is of.
fn check(path: &Path, view: &UploadView) -> Result<Described> {
    let (found, bytes) = match blobs::hash_of(path) {
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            return Err(unfit("found no file, expected the whole".to_owned()));
        }
        hashed => hashed?,
    };
    if (found, bytes) != (view.sha256, view.length) {
        return Err(unfit(format!("found hash {found}, expected {}", view.sha256)));
    }
    let refused = |error: beaa_runtime::Error| match error {
        beaa_runtime::Error::File(beaa_ir::Error::Io { .. }) => Error::Runtime(error),
        error => unfit(error.to_string()),
    };
    match view.purpose {
        Purpose::Images => {
            let images = EncryptedInput::load(path).map_err(refused)?;
            refuse_seed(images.is_from_seed())?;
            let (program, key) = (images.program().to_owned(), images.key().to_owned());
            let images = Some(images.images() as u64);
            Ok(Described { program: Some(program), key_name: Some(key), images })
        }
        Purpose::Key => {
            // Unpacked, it takes a few times the bytes of its file.
            let need = Need::new("checking an evaluation key", view.length.saturating_mul(4), "send it again later");
            need.check().map_err(|short| {
                Error::refused(RefusalKind::NotReady, short.to_string(), "send the last chunk again later")
            })?;
            let key = ServerKey::load(path).map_err(refused)?;
            refuse_seed(key.is_from_seed())?;
            Ok(Described { program: None, key_name: Some(key.id().to_owned()), images: None })
        }
    }
}

fn unfit(detail: String) -> Error {
    Error::refused(
        RefusalKind::Unfit,
        format!("completing an upload: {detail}"),
        "begin a new upload of the file that `beaa keygen` or `beaa encrypt` wrote",
    )
}

fn refuse_seed(from_seed: bool) -> Result<()> {
    if from_seed {
        return Err(unfit(
            "found a file that was made with `--seed`, expected one with the system's randomness".into(),
        ));
    }
    Ok(())
}
