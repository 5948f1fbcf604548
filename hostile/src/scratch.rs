//! The folder where a reader finds its file.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// A folder of this process, removed with the value.
pub struct Scratch(tempfile::TempDir);

impl Scratch {
    /// In memory where the system has such a place: outputs wait for the disk otherwise.
    ///
    /// # Errors
    /// If no folder can be made.
    pub fn new() -> Result<Self> {
        let memory = Path::new("/dev/shm");
        let inside = tempfile::Builder::new().prefix("hostile-").tempdir_in(memory);
        Ok(Self(inside.or_else(|_| tempfile::tempdir()).context("making a folder")?))
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file that only its owner can read, as secret keys must be.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf> {
        let path = self.path().join(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut options = OpenOptions::new();
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        // A new file each time: the last one may still be mapped.
        if path.exists() {
            fs::remove_file(&path)?;
        }
        options.create_new(true).write(true).open(&path)?.write_all(bytes)?;
        Ok(path)
    }

    /// Asserts that what `save` writes, `load` reads as something that writes the same bytes.
    ///
    /// # Errors
    /// If a file cannot be written.
    ///
    /// # Panics
    /// If it is not read, or writes other bytes.
    pub fn same_again<T, E: std::fmt::Display>(
        &self,
        value: &T,
        save: impl Fn(&T, &Path) -> std::result::Result<(), E>,
        load: impl Fn(&Path) -> std::result::Result<T, E>,
    ) -> Result<()> {
        let path = self.path().join("again");
        let write = |value: &T| -> Result<Vec<u8>> {
            save(value, &path).map_err(|e| anyhow::anyhow!("{e}"))?;
            Ok(fs::read(&path)?)
        };
        let first = write(value)?;
        let read = load(&path);
        assert!(
            read.is_ok(),
            "what was written is not read again: {}",
            read.err().map_or(String::new(), |e| e.to_string())
        );
        if let Ok(read) = read {
            let second = write(&read)?;
            assert!(first == second, "what was written and read again is written as something else");
        }
        Ok(())
    }
}
