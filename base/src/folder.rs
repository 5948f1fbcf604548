//! Folders that a command fills: known again by a marker, so that nothing of anybody else's is
//! removed, and written by one process at a time.

use std::fs::{File, TryLockError};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::output::{Care, write};
use crate::{Error, LockedFile, Result};

/// The file that says that a folder is ours.
const MARKER: &str = ".beaa-folder.json";

/// What the marker says.
#[derive(Serialize, Deserialize)]
struct Marker {
    holds: String,
}

/// The right to write into a folder; ends with the value, and with the process however it ends.
#[derive(Debug)]
pub struct FolderLock {
    _folder: Option<LockedFile>,
}

/// Takes the right to write into `folder`, which exists.
///
/// # Errors
/// [`Error::Busy`] if another process has it.
#[cfg(unix)]
pub fn lock(folder: &Path) -> Result<FolderLock> {
    let file = File::open(folder).map_err(Error::io("opening folder", folder))?;
    match LockedFile::try_lock(file) {
        Ok(file) => Ok(FolderLock { _folder: Some(file) }),
        Err(TryLockError::WouldBlock) => Err(Error::Busy { path: folder.to_path_buf() }),
        // A file system without locks: as before there were any.
        Err(TryLockError::Error(_)) => Ok(FolderLock { _folder: None }),
    }
}

/// Systems on which a folder cannot be opened have no such lock.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn lock(_: &Path) -> Result<FolderLock> {
    Ok(FolderLock { _folder: None })
}

/// Whether `folder` bears the marker of what `holds` says, such as "a training run".
pub fn is_marked(folder: &Path, holds: &str) -> bool {
    let text = std::fs::read(folder.join(MARKER)).ok();
    text.and_then(|t| serde_json::from_slice::<Marker>(&t).ok()).is_some_and(|m| m.holds == holds)
}

/// Marks `folder` as holding what `holds` says.
///
/// # Errors
/// [`Error::Io`] if the marker cannot be written.
pub fn mark(folder: &Path, holds: &str) -> Result<()> {
    if is_marked(folder, holds) {
        return Ok(());
    }
    let marker = serde_json::json!({ "holds": holds });
    write(&folder.join(MARKER), format!("{marker}\n").as_bytes(), Care::Result)
}

/// The first of `names` that stands in `folder`.
pub fn first_of<'a>(folder: &Path, names: &[&'a str]) -> Option<&'a str> {
    names.iter().copied().find(|name| folder.join(name).symlink_metadata().is_ok())
}

/// Removes files by name from a folder, and the folder if nothing else is in it. What else is in it
/// stays, and so does the folder then.
///
/// # Errors
/// [`Error::Io`] if something cannot be removed.
pub fn remove_files(folder: &Path, names: &[&str]) -> Result<()> {
    for name in names.iter().chain(&[MARKER]) {
        let path = folder.join(name);
        match std::fs::remove_file(&path) {
            Err(e) if !matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
                return Err(Error::io("removing", &path)(e));
            }
            _ => {}
        }
    }
    remove_if_empty(folder)
}

/// Removes a folder if nothing is in it.
///
/// # Errors
/// [`Error::Io`] if it is empty and cannot be removed.
pub fn remove_if_empty(folder: &Path) -> Result<()> {
    use std::io::ErrorKind::{DirectoryNotEmpty, NotADirectory, NotFound};
    match std::fs::remove_dir(folder) {
        Err(e) if !matches!(e.kind(), DirectoryNotEmpty | NotFound | NotADirectory) => {
            Err(Error::io("removing", folder)(e))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_known_by_its_marker() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!is_marked(folder.path(), "a run"));
        mark(folder.path(), "a run").unwrap();
        assert!(is_marked(folder.path(), "a run") && !is_marked(folder.path(), "a matrix"));
    }

    #[test]
    fn only_named_files_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        std::fs::create_dir(&run).unwrap();
        for name in ["a.json", "notes.txt"] {
            std::fs::write(run.join(name), "x").unwrap();
        }
        remove_files(&run, &["a.json", "b.json"]).unwrap();
        assert!(!run.join("a.json").exists() && run.join("notes.txt").exists());
        std::fs::remove_file(run.join("notes.txt")).unwrap();
        mark(&run, "a run").unwrap();
        remove_files(&run, &[]).unwrap();
        assert!(!run.exists());
        remove_files(&run, &["a.json"]).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn one_folder_has_one_writer() {
        let folder = tempfile::tempdir().unwrap();
        let held = lock(folder.path()).unwrap();
        assert!(lock(folder.path()).unwrap_err().to_string().contains("another process"));
        drop(held);
        lock(folder.path()).unwrap();
    }
}
