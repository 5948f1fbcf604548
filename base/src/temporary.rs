//! Files under temporary names, from which outputs become whole. Their writer holds a lock on them,
//! which ends with the process: whoever finds one without a writer removes it.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::NamedTempFile;

const PREFIX: &str = ".beaa-";
const SUFFIX: &str = ".tmp";

/// The temporary files of this process, for [`abandon`].
static LIVE: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// A temporary file that goes with this value, unless it is renamed.
pub(crate) struct Temporary {
    file: NamedTempFile,
}

impl Temporary {
    /// Creates one in `folder` for its owner alone, or for everybody as far as the user's mask
    /// allows, and removes those that dead processes left there.
    pub(crate) fn new(folder: &Path, secret: bool) -> std::io::Result<Self> {
        sweep(folder);
        let mut builder = tempfile::Builder::new();
        builder.prefix(PREFIX).suffix(SUFFIX);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(std::fs::Permissions::from_mode(if secret { 0o600 } else { 0o666 }));
        }
        #[cfg(not(unix))]
        let _ = secret;
        loop {
            let file = builder.tempfile_in(folder)?;
            // Where a file system knows no locks, nothing is swept either.
            let _ = file.as_file().lock();
            if exists(file.as_file()) {
                live().insert(file.path().to_path_buf());
                return Ok(Self { file });
            }
            // Another process took it for one of a dead one, just before the lock.
        }
    }

    pub(crate) fn file(&self) -> &File {
        self.file.as_file()
    }

    /// Gives it its name. The caller holds the lock of [`live`].
    pub(crate) fn persist(self, live: &mut BTreeSet<PathBuf>, target: &Path) -> std::io::Result<()> {
        let temporary = self.file.path().to_path_buf();
        let renamed = std::fs::rename(&temporary, target);
        if renamed.is_ok() {
            live.remove(&temporary);
        }
        renamed
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // The file itself is removed by its own type, if it still has this name.
        if let Ok(mut live) = LIVE.try_lock() {
            live.remove(self.file.path());
        }
    }
}

/// The temporary files of this process. While it is held, no output appears.
pub(crate) fn live() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    // A panic elsewhere does not make the names wrong.
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes what dead processes left in `folder`; what cannot be removed stays.
fn sweep(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if is_temporary(&entry.file_name())
            && entry.file_type().is_ok_and(|kind| kind.is_file())
            && let Ok(file) = File::open(entry.path())
            && file.try_lock().is_ok()
        {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Whether an output of that name is not whole yet: it goes with its writer, or with the next
/// output in its folder.
pub fn is_temporary(name: &OsStr) -> bool {
    name.to_str().is_some_and(|n| n.starts_with(PREFIX) && n.ends_with(SUFFIX))
}

#[cfg(unix)]
fn exists(file: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    file.metadata().is_ok_and(|m| m.nlink() > 0)
}

#[cfg(not(unix))]
fn exists(_: &File) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_dead_left_goes_and_what_the_living_write_stays() {
        let folder = tempfile::tempdir().unwrap();
        let stray = folder.path().join(".beaa-stray.tmp");
        let other = folder.path().join(".tmpOther");
        std::fs::write(&stray, "a key").unwrap();
        std::fs::write(&other, "not ours").unwrap();
        let living = Temporary::new(folder.path(), true).unwrap();
        assert!(!stray.exists() && other.exists());
        let second = Temporary::new(folder.path(), false).unwrap();
        assert!(living.file.path().exists() && second.file.path().exists());
        let path = living.file.path().to_path_buf();
        drop(living);
        assert!(!path.exists());
    }
}
