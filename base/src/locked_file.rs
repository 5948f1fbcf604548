//! Files that one process at a time has, until the value ends.

use std::fs::{File, TryLockError};
use std::ops::{Deref, DerefMut};

/// A file with an exclusive lock, which ends with the value.
#[derive(Debug)]
pub struct LockedFile(File);

impl LockedFile {
    /// Locks a file without waiting.
    ///
    /// # Errors
    /// [`TryLockError::WouldBlock`] while somebody else has it, [`TryLockError::Error`] where the
    /// file system has no locks.
    pub fn try_lock(file: File) -> Result<Self, TryLockError> {
        file.try_lock()?;
        Ok(Self(file))
    }
}

impl Deref for LockedFile {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}

impl DerefMut for LockedFile {
    fn deref_mut(&mut self) -> &mut File {
        &mut self.0
    }
}

/// Unlocks: closing alone does not where a process that is just being started has the file, too,
/// until it runs its program.
impl Drop for LockedFile {
    fn drop(&mut self) {
        // What cannot be unlocked is when the last who has the file closes it.
        let _ = self.0.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_free_again_whoever_else_has_it_open() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let open = || File::options().write(true).open(file.path()).unwrap();
        let first = LockedFile::try_lock(open()).unwrap();
        // As a process has it that was forked meanwhile.
        let inherited = first.try_clone().unwrap();
        assert!(matches!(LockedFile::try_lock(open()), Err(TryLockError::WouldBlock)));
        drop(first);
        LockedFile::try_lock(open()).unwrap();
        drop(inherited);
    }
}
