//! Files by their hashes. A file gets its name before the database speaks of it, and loses it in
//! the transaction that forgets it, so that a failure between the two leaves a file too many and
//! never one too few.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use beaa_protocol::{Digest, Hasher};
use rusqlite::{Transaction, params};

use super::{BLOBS, Store, database, private_folder, signed};
use crate::{Error, Result};

/// Bytes that are hashed at a time.
const PIECE: usize = 1 << 20;

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
        match std::fs::hard_link(file, &target) {
            // It came twice, or a failure kept the database from noting it.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            linked => linked.map_err(Error::io("naming file", &target))?,
        }
        beaa_base::output::sync_folder(folder)?;
        let noted = transaction.execute(
            "INSERT INTO blobs (sha256, bytes) VALUES (?, ?) ON CONFLICT DO NOTHING",
            params![sha256.bytes(), signed(bytes)],
        );
        noted.map_err(database("noting a file"))?;
        Ok(())
    }

    /// Forgets and removes the file of that hash, unless something else in the store names it.
    pub(super) fn release_blob(&self, transaction: &Transaction<'_>, sha256: &Digest) -> Result<()> {
        let failed = database("removing a file");
        let named = transaction.query_row(
            "SELECT EXISTS (SELECT 1 FROM programs WHERE file = ?1 OR signature = ?1)
                 OR EXISTS (SELECT 1 FROM keys WHERE sha256 = ?1)
                 OR EXISTS (SELECT 1 FROM uploads WHERE sha256 = ?1 AND complete = 1 AND purpose = 'images')
                 OR EXISTS (SELECT 1 FROM jobs
                            WHERE key_sha256 = ?1 OR images_sha256 = ?1 OR answers_sha256 = ?1)",
            [sha256.bytes()],
            |row| row.get::<_, bool>(0),
        );
        if named.map_err(failed)? {
            return Ok(());
        }
        transaction.execute("DELETE FROM blobs WHERE sha256 = ?", [sha256.bytes()]).map_err(failed)?;
        remove(&self.blob(sha256))
    }
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
