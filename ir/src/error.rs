//! Errors of models, programs and their files. Every message says what was being done, what was
//! found, what was expected and what to do; none contains image data.

use std::path::PathBuf;

/// What can be wrong with a model, a program or a file of either.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file could not be read or written.
    #[error("{operation} {path}: {source}")]
    Io {
        /// What was being done, for example "reading model".
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The file cannot be what it should be, or writing it would destroy something.
    #[error(transparent)]
    File(beaa_base::Error),
    /// The bytes are not a file of ours, or are damaged.
    #[error("{operation}: found {found}, expected {expected}; {remedy}")]
    Malformed {
        /// What was being done.
        operation: &'static str,
        /// What was there.
        found: String,
        /// What should have been there.
        expected: String,
        /// What the user can do.
        remedy: &'static str,
    },
    /// The file is of a version that this build does not read.
    #[error("{kind} file has format version {found}, this build reads up to {newest}; use beaa of a newer release")]
    Version {
        /// The kind of file.
        kind: String,
        /// The version in the file.
        found: u32,
        /// The oldest version that is understood.
        oldest: u32,
        /// The newest version that is understood.
        newest: u32,
    },
    /// The file is of a version that this build no longer reads.
    #[error("{kind} file has format version {found}, this build reads from {oldest} on; {remedy}")]
    Outdated {
        /// The kind of file.
        kind: String,
        /// The version in the file.
        found: u32,
        /// The oldest version that is understood.
        oldest: u32,
        /// The newest version that is understood.
        newest: u32,
        /// What to do.
        remedy: &'static str,
    },
    /// An image is not of the size that the network takes.
    #[error("{operation}: found {found} numbers, expected {expected}")]
    ImageSize {
        /// What was being done.
        operation: &'static str,
        /// Numbers of the image.
        found: usize,
        /// Numbers that the network takes.
        expected: usize,
    },
    /// Pixels where a network takes real numbers, or the reverse.
    #[error("{operation}: found {found}, expected {expected}; {remedy}")]
    InputKind {
        /// What was being done.
        operation: &'static str,
        /// What was there.
        found: &'static str,
        /// What should have been there.
        expected: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// There are more or fewer numbers than there should be.
    #[error("{operation}: found {found} numbers, expected {expected}")]
    Length {
        /// What was being done.
        operation: &'static str,
        /// How many there are.
        found: usize,
        /// How many there should be.
        expected: usize,
    },
    /// The classes of a data set or a program are not those of a network.
    #[error("{operation}: found {found}, expected {expected}; {remedy}")]
    Classes {
        /// What was being done.
        operation: &'static str,
        /// The classes of the data set or program.
        found: String,
        /// The network's classes.
        expected: String,
        /// What the user can do.
        remedy: &'static str,
    },
    /// A model contradicts itself.
    #[error("layer `{layer}`: found {found}, expected {expected}")]
    Layer {
        /// The layer's name.
        layer: String,
        /// What was there.
        found: String,
        /// What should have been there.
        expected: String,
    },
    /// A program contradicts itself.
    #[error(
        "step {step} ({op}): found {found}, expected {expected}; \
         the program is damaged or was made by another version, compile it again"
    )]
    Step {
        /// Index of the step.
        step: usize,
        /// Name of its operation.
        op: &'static str,
        /// What was there.
        found: String,
        /// What should have been there.
        expected: String,
    },
}

impl From<beaa_base::Error> for Error {
    fn from(error: beaa_base::Error) -> Self {
        match error {
            beaa_base::Error::Io { operation, path, source } => Self::Io { operation, path, source },
            other => Self::File(other),
        }
    }
}

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A [`Error::Malformed`] with the usual remedy for a damaged file.
    pub fn malformed(operation: &'static str, found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self::Malformed {
            operation,
            found: found.into(),
            expected: expected.into(),
            remedy: "check that the file is the right one and was copied whole",
        }
    }

    pub(crate) fn layer(layer: &str, found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self::Layer { layer: layer.into(), found: found.into(), expected: expected.into() }
    }

    pub(crate) fn step(step: usize, op: &'static str, found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self::Step { step, op, found: found.into(), expected: expected.into() }
    }
}
