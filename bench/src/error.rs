//! What can go wrong while measuring. A measured result that is wrong is an error: a fast wrong
//! answer is no figure.

/// Any error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// From the scheme.
    #[error(transparent)]
    Scheme(#[from] beaa_ckks::Error),
    /// From a model or a program.
    #[error(transparent)]
    File(#[from] beaa_ir::Error),
    /// From the compiler.
    #[error(transparent)]
    Compiler(#[from] beaa_compiler::Error),
    /// From encrypting, running or decrypting.
    #[error(transparent)]
    Runtime(#[from] beaa_runtime::Error),
    /// Rates that no machine has.
    #[error(transparent)]
    Machine(#[from] beaa_compiler::MachineError),
    /// Something cannot be measured with these settings.
    #[error("{operation}: found {found}, expected {expected}")]
    Setting {
        /// What was being done.
        operation: &'static str,
        /// What was found.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// The measured run gave another answer than the network in clear.
    #[error("{operation}: the answers differ by {found:.3e}, expected at most {allowed:.3e}; the times mean nothing")]
    Wrong {
        /// What was being done.
        operation: &'static str,
        /// The largest difference.
        found: f64,
        /// The largest difference allowed.
        allowed: f64,
    },
    /// A graphics card gave other answers than the processor.
    #[error("comparing answers of a graphics card: found other bits than the processor's; the times mean nothing")]
    OtherBits,
    /// A plot could not be drawn.
    #[error("drawing {plot}: {cause}")]
    Plot {
        /// Which.
        plot: &'static str,
        /// What the plotting library says.
        cause: String,
    },
}

/// With this crate's error.
pub type Result<T> = std::result::Result<T, Error>;

pub(crate) fn setting(operation: &'static str, found: impl ToString, expected: impl ToString) -> Error {
    Error::Setting { operation, found: found.to_string(), expected: expected.to_string() }
}
