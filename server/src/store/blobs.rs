//! Files by their hashes. A file gets its name before the transaction that speaks of it has ended,
//! and loses it after the one that forgets it has, so that a failure between the two leaves a file
//! too many, which is swept, and no entry without its file.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use beaa_protocol::{Digest, Hasher};

use super::database::{Transaction, values};
use super::{BLOBS, Store, private_folder, signed};
use crate::{Error, Result};

/// Bytes that are hashed at a time.
const PIECE: usize = 1 << 20;
/// Whether something in the store names an entry of `blobs`.
const NAMED: &str = "(EXISTS (SELECT 1 FROM programs WHERE file = blobs.sha256 OR signature = blobs.sha256)
    OR EXISTS (SELECT 1 FROM keys WHERE sha256 = blobs.sha256)
    OR EXISTS (SELECT 1 FROM uploads WHERE sha256 = blobs.sha256 AND complete = 1 AND purpose = 'images')
    OR EXISTS (SELECT 1 FROM jobs WHERE key_sha256 = blobs.sha256 OR images_sha256 = blobs.sha256
                   OR answers_sha256 = blobs.sha256))";

impl Store {
    /// Where the file of that hash is, if it is there.
    pub fn blob(&self, sha256: &Digest) -> PathBuf {
        let name = sha256.to_string();
        self.folder.join(BLOBS).join(&name[..2]).join(name)
    }

    /// Gives a whole file, which is on the disk, its name by its hash, and notes it. The old name
    /// stays until the caller removes it after the transaction.
    pub(super) fn adopt(&self, transaction: &Transaction<'_>, file: &Path, sha256: &Digest, bytes: u64) -> Result<()> {
        let target = self.blob(sha256);
        let folder = folder_of(&target);
        private_folder(folder)?;
        // A sweep that was going on when its machine lost the database leaves young files.
        rejuvenate(file)?;
        match std::fs::hard_link(file, &target) {
            // It came twice, or a failure kept the database from noting it.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                rejuvenate(&target)?;
                if std::fs::metadata(&target).map_err(Error::io("reading", &target))?.len() != bytes {
                    replace(file, &target)?;
                }
            }
            linked => linked.map_err(Error::io("naming file", &target))?,
        }
        beaa_base::output::sync_folder(folder)?;
        transaction.execute(
            "noting a file",
            "INSERT INTO blobs (sha256, bytes) VALUES (?, ?) ON CONFLICT DO NOTHING",
            values![sha256.bytes(), signed(bytes)],
        )?;
        Ok(())
    }

    /// Puts the good bytes of a file where others are under the name of its hash.
    pub(super) fn repair(&self, file: &Path, sha256: &Digest) -> Result<()> {
        let target = self.blob(sha256);
        if !target.exists() || hash_of(&target)?.0 == *sha256 {
            return Ok(());
        }
        tracing::warn!(file = %target.display(), "a damaged file of the store is replaced");
        replace(file, &target)
    }

    /// Removes the files of hashes that [`release`] gave, after its transaction. One that cannot be
    /// removed now is swept later.
    pub(super) fn remove_released(&self, released: &[Digest]) {
        if let Err(error) = self.remove_unnoted(released) {
            tracing::warn!("removing files: {error}");
        }
    }

    fn remove_unnoted(&self, released: &[Digest]) -> Result<()> {
        if released.is_empty() {
            return Ok(());
        }
        // Nobody gives a file its name meanwhile, and who did so before has noted it.
        self.write(|transaction| {
            for sha256 in released {
                let query = "SELECT count(*) FROM blobs WHERE sha256 = ?";
                if transaction.number("removing a file", query, values![sha256.bytes()])? == 0 {
                    remove(&self.blob(sha256))?;
                }
            }
            Ok(())
        })
    }
}

/// Forgets the files of those hashes that nothing in the store names any more, and gives these, to
/// be removed when the transaction has ended.
pub(super) fn release(transaction: &Transaction<'_>, hashes: &[Digest]) -> Result<Vec<Digest>> {
    let mut released = Vec::new();
    for sha256 in hashes {
        let query = format!("DELETE FROM blobs WHERE sha256 = ? AND NOT {NAMED}");
        if transaction.execute("forgetting a file", &query, values![sha256.bytes()])? == 1 {
            released.push(*sha256);
        }
    }
    Ok(released)
}

/// Forgets all files that nothing in the store names, and gives how many these are.
pub(super) fn release_unnamed(transaction: &Transaction<'_>) -> Result<u64> {
    let query = format!("DELETE FROM blobs WHERE NOT {NAMED}");
    transaction.execute("forgetting files", &query, &[])
}

/// Makes a file as young as one that was written just now.
fn rejuvenate(path: &Path) -> Result<()> {
    let now = |file: File| file.set_modified(SystemTime::now());
    File::open(path).and_then(now).map_err(Error::io("naming file", path))
}

/// Gives a file a name that another has, at one moment.
fn replace(file: &Path, target: &Path) -> Result<()> {
    let beside = target.with_extension("new");
    remove(&beside)?;
    std::fs::hard_link(file, &beside).map_err(Error::io("naming file", &beside))?;
    std::fs::rename(&beside, target).map_err(Error::io("naming file", target))?;
    Ok(beaa_base::output::sync_folder(folder_of(target))?)
}

/// The hash of a file and its size.
pub(super) fn hash_of(path: &Path) -> Result<(Digest, u64)> {
    let mut file = File::open(path).map_err(Error::io("reading", path))?;
    let (mut hasher, mut bytes, mut piece) = (Hasher::default(), 0, vec![0; PIECE]);
    loop {
        match file.read(&mut piece).map_err(Error::io("reading", path))? {
            0 => return Ok((hasher.finish(), bytes)),
            read => {
                hasher.update(&piece[..read]);
                bytes += read as u64;
            }
        }
    }
}

/// Removes a file that may be gone already.
pub(super) fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(Error::io("removing", path)),
    }
}

/// Makes sure that a file is on the disk.
pub(super) fn synchronise(path: &Path) -> Result<()> {
    let file = File::open(path).map_err(Error::io("reading", path))?;
    file.sync_all().map_err(Error::io("writing", path))
}

/// The folder of a blob.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) => folder,
        None => unreachable!("a file of the store without a folder"),
    }
}
