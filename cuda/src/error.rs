//! What can go wrong between a program and a graphics card.

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A library of CUDA that is loaded at run time is not there.
    #[error("{operation}: found no {library}, expected it among the system's libraries; {remedy}")]
    MissingLibrary {
        /// What was being done.
        operation: &'static str,
        /// The library.
        library: &'static str,
        /// What helps.
        remedy: &'static str,
    },
    /// The driver refused.
    #[error("{operation}: found {found}, expected success; {remedy}")]
    Driver {
        /// What was being done.
        operation: &'static str,
        /// What the driver says.
        found: String,
        /// What may help.
        remedy: &'static str,
    },
    /// NVRTC refused the kernels.
    #[error(
        "compiling the kernels for {architecture}: found {found}, expected no error; use a version of NVRTC that knows \
         this card"
    )]
    Compile {
        /// For which cards.
        architecture: String,
        /// What the compiler says.
        found: String,
    },
    /// A run takes more memory than the device has.
    #[error("{operation}: found {found} bytes of free memory, expected {expected}; {remedy}")]
    Memory {
        /// What was to be done.
        operation: &'static str,
        /// Free bytes.
        found: u64,
        /// Bytes that it takes.
        expected: u64,
        /// What helps.
        remedy: &'static str,
    },
    /// Something that runs on the processor only.
    #[error("{operation}: found {found}, expected {expected}; run it on the processor")]
    Unsupported {
        /// What was being done.
        operation: &'static str,
        /// What was found.
        found: String,
        /// What the device takes.
        expected: String,
    },
}

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<Error> for beaa_runtime::Error {
    fn from(error: Error) -> Self {
        Self::Device(Box::new(error))
    }
}
