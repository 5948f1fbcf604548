//! What failures and clients that never came back leave behind, and what removes it: files without
//! an entry, entries of files that nothing names, and uploads that nobody went on with.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;
use std::time::{Duration, SystemTime};

use beaa_base::output::is_temporary;

use super::database::{Record, Transaction, values};
use super::{BLOBS, Store, UPLOADS, WORK, blobs, digest, id};
use crate::{Error, Result, clock};

/// Files younger than this may be at work, whatever the database says of them.
const YOUNG: Duration = Duration::from_secs(600);
const LISTING: &str = "listing the files of the store";

impl Store {
    /// Forgets uploads that were not touched for `idle_ms` and files that nothing names, and
    /// removes files without an entry. Returns how many files and uploads are gone.
    ///
    /// # Errors
    /// When database or folder fail.
    pub fn sweep(&self, idle_ms: i64) -> Result<usize> {
        let before = clock::now_ms().saturating_sub(idle_ms);
        let query = "SELECT tenant, id FROM uploads WHERE touched_ms < ?";
        let idle =
            self.read(|transaction| transaction.rows("looking for uploads without end", query, values![before]))?;
        let mut gone = idle.len();
        for upload in &idle {
            self.forget_upload(upload.get(0)?, &id(upload.get(1)?)?, "server", "upload ended")?;
        }
        self.write(blobs::release_unnamed)?;
        // While nobody else gives a file its name.
        self.write(|transaction| {
            let uploads = "SELECT id FROM uploads WHERE complete = 0";
            let uploads = names(transaction, uploads, |row| Ok(id(row.get(0)?)?.to_string()))?;
            gone += remove_others(&self.folder.join(UPLOADS), &uploads)?;
            let running = "SELECT id, attempts FROM jobs WHERE state = 'running'";
            let at_work = |row: &Record| Ok(format!("{}.{}", id(row.get(0)?)?, row.get::<i64>(1)?));
            gone += remove_others(&self.folder.join(WORK), &names(transaction, running, at_work)?)?;
            let kept = "SELECT sha256 FROM blobs";
            let kept = names(transaction, kept, |row| Ok(digest(row.get(0)?)?.to_string()))?;
            for folder in entries(&self.folder.join(BLOBS))? {
                // With a connection that is lost goes the right to write: others may name files.
                transaction.number(LISTING, "SELECT 1", &[])?;
                gone += remove_others(&self.folder.join(BLOBS).join(folder), &kept)?;
            }
            Ok(gone)
        })
    }
}

fn names(
    transaction: &Transaction<'_>,
    query: &str,
    name: impl Fn(&Record) -> Result<String>,
) -> Result<BTreeSet<OsString>> {
    transaction.rows(LISTING, query, &[])?.iter().map(|row| name(row).map(OsString::from)).collect()
}

/// Removes old files of a folder that are not among `kept`.
fn remove_others(folder: &Path, kept: &BTreeSet<OsString>) -> Result<usize> {
    let mut gone = 0;
    for name in entries(folder)? {
        let path = folder.join(&name);
        let old = |m: std::fs::Metadata| m.modified().is_ok_and(|at| is_old(at, SystemTime::now()));
        // What is being written may take longer than anything is young.
        if kept.contains(&name) || is_temporary(&name) || !std::fs::metadata(&path).is_ok_and(old) {
            continue;
        }
        if path.is_dir() {
            std::fs::remove_dir_all(&path).map_err(Error::io("removing", &path))?;
        } else {
            blobs::remove(&path)?;
        }
        gone += 1;
    }
    Ok(gone)
}

fn is_old(modified: SystemTime, now: SystemTime) -> bool {
    now.duration_since(modified).is_ok_and(|age| age > YOUNG)
}

fn entries(folder: &Path) -> Result<Vec<OsString>> {
    let failed = || Error::io("listing", folder);
    let entries = std::fs::read_dir(folder).map_err(failed())?;
    entries.map(|entry| Ok(entry.map_err(failed())?.file_name())).collect()
}
