//! Chunks of an upload, piece by piece. Nothing waits between two pieces, so that a client that
//! sends slowly keeps a file open and no thread.

use std::io::{Seek, SeekFrom, Write};
use std::path::PathBuf;

use beaa_base::LockedFile;
use beaa_protocol::{Digest, Hasher, Id};

use super::{Caller, Store, UploadView};
use crate::{Error, RefusalKind, Result};

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

/// What comes of the beginning of a chunk.
pub enum ChunkBegun {
    /// The whole is there, checked, and the chunk adds nothing to it.
    Whole(UploadView),
    /// Its bytes can be written.
    Open(Box<OpenChunk>),
}

/// A chunk whose bytes are being written, to an upload that is locked meanwhile. Dropped before
/// [`Store::end_chunk`], it leaves nothing.
pub struct OpenChunk {
    id: Id,
    file: LockedFile,
    path: PathBuf,
    before: UploadView,
    sha256: Digest,
    most: u64,
    hasher: Hasher,
    bytes: u64,
    confirmed: bool,
}

impl Store {
    /// Begins a chunk.
    ///
    /// # Errors
    /// [`RefusalKind::NotFound`] without such an upload of the tenant, [`RefusalKind::WrongOffset`]
    /// where the chunk does not begin at the end, [`RefusalKind::Locked`] while another request
    /// adds to the same upload.
    pub fn begin_chunk(&self, caller: &Caller, id: &Id, chunk: &Chunk) -> Result<ChunkBegun> {
        let (before, file) = self.lock_upload(caller, id)?;
        if chunk.offset != before.received {
            return Err(Error::refused(
                RefusalKind::WrongOffset,
                format!("adding a chunk: found one that begins at {}, expected {}", chunk.offset, before.received),
                "ask for the offset (HEAD), and go on from there",
            ));
        }
        let Some(mut file) = file else { return Ok(ChunkBegun::Whole(before)) };
        let path = self.upload_path(id);
        let io = || Error::io("writing", &path);
        // What a failure left behind the end is nothing.
        if file.metadata().map_err(io())?.len() != chunk.offset {
            file.set_len(chunk.offset).map_err(io())?;
        }
        file.seek(SeekFrom::Start(chunk.offset)).map_err(io())?;
        let most = chunk.most.min(before.length - before.received);
        let (id, sha256, hasher) = (*id, chunk.sha256, Hasher::default());
        let open = OpenChunk { id, file, path, before, sha256, most, hasher, bytes: 0, confirmed: false };
        Ok(ChunkBegun::Open(Box::new(open)))
    }

    /// Confirms a chunk whose bytes are all written, and gives how far the upload is now: all of
    /// the chunk is on the disk then, or nothing of it is there.
    ///
    /// # Errors
    /// [`RefusalKind::WrongChecksum`] for other bytes than those of the chunk's hash,
    /// [`RefusalKind::NotFound`] when the upload was deleted meanwhile.
    pub fn end_chunk(&self, caller: &Caller, mut chunk: OpenChunk) -> Result<UploadView> {
        let found = std::mem::take(&mut chunk.hasher).finish();
        if found != chunk.sha256 {
            return Err(Error::refused(
                RefusalKind::WrongChecksum,
                format!("adding a chunk: found bytes of hash {found}, expected {}", chunk.sha256),
                "send the chunk again",
            ));
        }
        chunk.file.sync_all().map_err(Error::io("writing", &chunk.path))?;
        let received = chunk.before.received + chunk.bytes;
        self.note_received(caller, &chunk.id, received)?;
        chunk.confirmed = true;
        Ok(UploadView { received, ..chunk.before.clone() })
    }
}

impl OpenChunk {
    /// Writes the bytes that come next.
    ///
    /// # Errors
    /// [`RefusalKind::TooLarge`] for more bytes than the chunk may have, [`RefusalKind::DiskFull`].
    pub fn write(&mut self, piece: &[u8]) -> Result<()> {
        let bytes = self.bytes + piece.len() as u64;
        if bytes > self.most {
            return Err(Error::refused(
                RefusalKind::TooLarge,
                format!("adding a chunk: found more than {} bytes, expected that many at most", self.most),
                "send smaller chunks, and none beyond the length of the upload",
            ));
        }
        self.file.write_all(piece).map_err(Error::io("writing", &self.path))?;
        self.hasher.update(piece);
        self.bytes = bytes;
        Ok(())
    }

    /// The refusal of a chunk whose end did not come.
    pub fn cut_off(&self) -> Error {
        Error::refused(
            RefusalKind::TooSlow,
            format!("adding a chunk: found an end after {} bytes, expected the whole chunk", self.bytes),
            "ask for the offset (HEAD), and send the chunk again",
        )
    }
}

impl Drop for OpenChunk {
    fn drop(&mut self) {
        if !self.confirmed {
            // What stays for all that is cut off by the next chunk.
            let _ = self.file.set_len(self.before.received);
        }
    }
}
