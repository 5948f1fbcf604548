//! What can go wrong while training, told with what was found, what was expected and what to do.
//! Errors of other crates are carried whole.

use std::path::PathBuf;

use crate::train::events::Phase;

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// One thing wrong in a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Path of the field, as `student.optimiser.learning_rate` or `network[2].conv2d.kernel`.
    pub field: String,
    /// What was found and what was expected.
    pub message: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// Why training, predicting or resuming did not happen.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration is wrong; everything wrong with it is listed.
    #[error("checking the training configuration: {} found\n{}", count(.problems), list(.problems))]
    Config {
        /// Everything wrong, in the order of the file.
        problems: Vec<Problem>,
    },
    /// The text is not a configuration at all.
    #[error("reading the training configuration: {source}; the files in configs/ show every part")]
    Syntax {
        /// From the JSON reader, with line and column.
        #[from]
        source: serde_json::Error,
    },
    /// The data cannot be used with this network.
    #[error("{operation}: found {found}, expected {expected}; {remedy}")]
    Data {
        /// What was being done.
        operation: &'static str,
        /// What is there.
        found: String,
        /// What should be there.
        expected: String,
        /// What to do.
        remedy: &'static str,
    },
    /// Loss or gradients are no longer finite.
    #[error(
        "training the {phase}, epoch {epoch}, step {step}: {what} is {value}; expected a finite number. The last good \
         state is {}; lower `{phase}.optimiser.learning_rate` (or `student.coefficient_factor`), or set `clip_norm`, \
         and start again",
        .checkpoint.as_ref().map_or("none (no checkpoint yet)".to_owned(), |p| p.display().to_string())
    )]
    Diverged {
        /// Which network.
        phase: Phase,
        /// Counted from 1.
        epoch: usize,
        /// Counted from 1.
        step: usize,
        /// `the loss` or `the norm of the gradients`.
        what: &'static str,
        /// The offending value.
        value: f64,
        /// The newest checkpoint, which is still good.
        checkpoint: Option<PathBuf>,
    },
    /// A checkpoint cannot be used.
    #[error("resuming from {}: {found}, expected {expected}; {remedy}", .path.display())]
    Checkpoint {
        /// The checkpoint's folder.
        path: PathBuf,
        /// What is wrong.
        found: String,
        /// What should be there.
        expected: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A file cannot be read or written.
    #[error("{operation} {}: {source}", .path.display())]
    Io {
        /// What was being done.
        operation: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file or a folder cannot be used.
    #[error(transparent)]
    File(beaa_base::Error),
    /// The model language refused a model.
    #[error(transparent)]
    Model(#[from] beaa_ir::Error),
    /// The data set could not be read.
    #[error(transparent)]
    Dataset(#[from] beaa_datasets::Error),
    /// The compute device is not there.
    #[error("opening the compute device `{name}`: found {found}, expected one; {remedy}")]
    NoDevice {
        /// As configurations call it.
        name: &'static str,
        /// What is there instead.
        found: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// The compute device failed.
    #[error("{operation} on the compute device: {message}; this is a bug or a lack of memory")]
    Device {
        /// What was being done.
        operation: &'static str,
        /// What the device said.
        message: String,
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

impl Error {
    /// An I/O error about one path.
    pub(crate) fn io(operation: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { operation, path, source }
    }

    /// A failed read from the compute device.
    pub(crate) fn device<E: std::fmt::Debug>(operation: &'static str) -> impl FnOnce(E) -> Self {
        move |e| Self::Device { operation, message: format!("{e:?}") }
    }
}

fn count(problems: &[Problem]) -> String {
    match problems.len() {
        1 => "one problem".to_owned(),
        n => beaa_base::words::count(n, "problem"),
    }
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(|p| format!("  {p}")).collect::<Vec<_>>().join("\n")
}
