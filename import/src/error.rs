//! Errors of the import: what was being done, what was found, what was expected, what to do.

use std::fmt;

/// Why a network could not be imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read, is not what it should be, or contradicts itself.
    #[error(transparent)]
    File(beaa_ir::Error),
    /// Parts of the network that have no counterpart in a model; all of them, not just the first.
    #[error("importing `{network}`: {} of its parts cannot be imported:\n{}", problems.len(), list(problems))]
    Unsupported {
        /// The network's name.
        network: String,
        /// Every such part.
        problems: Vec<Problem>,
    },
    /// The model that was built contradicts itself.
    #[error("checking the imported model: {0}")]
    Model(#[from] beaa_ir::Error),
}

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// A part of a network that cannot be imported, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Its name: a node, a layer or a tensor.
    pub name: String,
    /// What kind of thing it is: an operator, a layer type.
    pub kind: String,
    /// What was found.
    pub found: String,
    /// What the user can do.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  `{}` ({}): {}; {}", self.name, self.kind, self.found, self.remedy)
    }
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

impl Error {
    pub(crate) fn malformed(
        operation: &'static str,
        found: impl Into<String>,
        expected: impl Into<String>,
        remedy: &'static str,
    ) -> Self {
        let (found, expected) = (found.into(), expected.into());
        Self::File(beaa_ir::Error::Malformed { operation, found, expected, remedy })
    }

    /// The error of `operation` on the file `path`, from the system's reason.
    pub(crate) fn io(operation: &'static str, path: &std::path::Path) -> impl Fn(std::io::Error) -> Self {
        move |source| Self::File(beaa_ir::Error::Io { operation, path: path.to_path_buf(), source })
    }
}

/// What is wrong with one part, before it is known which part it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Defect {
    pub(crate) found: String,
    pub(crate) remedy: String,
}

/// A result whose error does not yet know where it happened.
pub(crate) type Checked<T> = std::result::Result<T, Defect>;

/// An error that does not yet know where it happened.
pub(crate) fn defect<T>(found: impl Into<String>, remedy: impl Into<String>) -> Checked<T> {
    Err(Defect { found: found.into(), remedy: remedy.into() })
}

impl From<beaa_ir::Error> for Defect {
    fn from(error: beaa_ir::Error) -> Self {
        // One remedy is enough, and the error's own fits its cause.
        if let beaa_ir::Error::Malformed { operation, found, expected, remedy } = error {
            return Self { found: format!("{operation}: found {found}, expected {expected}"), remedy: remedy.into() };
        }
        Self { found: error.to_string(), remedy: "check the numbers of the trained network".into() }
    }
}
