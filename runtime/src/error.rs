//! Errors of running a program. They must never carry a key, an image or a result.

/// What can go wrong between a program, its keys and its ciphertexts.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file is damaged, of another kind or version, or cannot be read.
    #[error(transparent)]
    File(#[from] beaa_ir::Error),
    /// The scheme refused its parameters or operands.
    #[error(transparent)]
    Scheme(#[from] beaa_ckks::Error),
    /// Two things that do not belong together.
    #[error("{operation}: {what} belongs to {found}, expected {expected}; {remedy}")]
    Mismatch {
        /// What was being done.
        operation: &'static str,
        /// The thing that does not fit.
        what: &'static str,
        /// What it belongs to.
        found: String,
        /// What it should belong to.
        expected: String,
        /// What the user can do.
        remedy: &'static str,
    },
    /// Input that the program does not take.
    #[error("{operation}: found {found}, expected {expected}")]
    Input {
        /// What was being done.
        operation: &'static str,
        /// What was given.
        found: String,
        /// What is taken.
        expected: String,
    },
}

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

pub(crate) fn input(operation: &'static str, found: impl Into<String>, expected: impl Into<String>) -> Error {
    Error::Input { operation, found: found.into(), expected: expected.into() }
}
