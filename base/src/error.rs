//! What can be wrong with a file before anybody looks at what it means.

use std::path::{Path, PathBuf};

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a file or a folder is not read or not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The system could not do it.
    #[error("{operation} {}: {source}", path.display())]
    Io {
        /// What was being done, for example "reading".
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// What is there cannot be what it should be.
    #[error("{operation} {}: found {found}, expected {expected}; {remedy}", path.display())]
    Unfit {
        /// What was being done.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// What is there.
        found: String,
        /// What should be there.
        expected: String,
        /// What to do.
        remedy: &'static str,
    },
    /// Doing as told would destroy something.
    #[error("{operation} {}: found {found}, expected {expected}; {remedy}", path.display())]
    Refused {
        /// What was being done.
        operation: &'static str,
        /// The file or folder that would suffer.
        path: PathBuf,
        /// What is there.
        found: String,
        /// What should be there.
        expected: String,
        /// What to do.
        remedy: &'static str,
    },
    /// Another process writes there now.
    #[error(
        "writing into {}: found another process that writes there now, expected none; wait until it ends, or choose \
         another folder",
        path.display()
    )]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// The disk is too full for what will be written.
    #[error(
        "writing {}: found {free} bytes free, expected {needed}; make room there, or choose another disk",
        path.display()
    )]
    NoSpace {
        /// The file.
        path: PathBuf,
        /// Bytes that will be written.
        needed: u64,
        /// Bytes that the disk has left for this user.
        free: u64,
    },
}

impl Error {
    /// A failure of the system at one path.
    pub fn io(operation: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { operation, path, source }
    }

    /// A folder where a file should be.
    pub(crate) fn is_folder(operation: &'static str, path: &Path) -> Self {
        Self::Unfit {
            operation,
            path: path.to_path_buf(),
            found: "a folder".to_owned(),
            expected: "a file".to_owned(),
            remedy: "give the path of a file",
        }
    }
}
