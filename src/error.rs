//! Errors of the library, by what a caller can do about them.

use std::path::{Path, PathBuf};

use beaa_secrets::PassphraseError;

/// The result of this library's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Why something could not be done. The message says what was being done, what was found, what was
/// expected and what to do; the source, if there is one, is for logs and its type promises nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The system could not read or write a file.
    #[error("{operation} {}: {source}", path.display())]
    Io {
        /// What was being done.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file is damaged, of another kind, or contradicts itself.
    #[error(transparent)]
    BadFile(Cause),
    /// A file has a format version that this release does not read.
    #[error("{kind} file has format version {found}, this release reads {oldest} to {newest}; {remedy}")]
    Version {
        /// The kind of file.
        kind: String,
        /// The version in the file.
        found: u32,
        /// The oldest version that is read.
        oldest: u32,
        /// The newest version that is read.
        newest: u32,
        /// What to do.
        remedy: &'static str,
    },
    /// A data set is missing, damaged or not what it should be.
    #[error(transparent)]
    DataSet(Cause),
    /// Parts of a network that have no counterpart under encryption; all of them.
    #[error("{} of the network's parts cannot be evaluated under encryption: {}", parts.len(), names(parts))]
    Unsupported {
        /// Every such part.
        parts: Vec<UnsupportedPart>,
    },
    /// An option or a setting is out of range.
    #[error(transparent)]
    BadOption(Cause),
    /// No program satisfies the options: precision, security and memory together ask for too much.
    #[error(transparent)]
    NoProgram(Cause),
    /// There is less memory than the work needs; nothing was started. The message says how much it
    /// is, and what limits it.
    #[error("{operation}: needs {needed} bytes of memory, expected at most {allowed}; {remedy}")]
    Memory {
        /// What was to be done.
        operation: String,
        /// Bytes that it takes.
        needed: u64,
        /// Bytes that it may take.
        allowed: u64,
        /// What makes it take less.
        remedy: &'static str,
    },
    /// Pixels or images are not of the size that the network takes.
    #[error("found an image of {found} numbers, expected {expected}")]
    ImageSize {
        /// Numbers of the image.
        found: usize,
        /// Numbers that the network takes.
        expected: usize,
    },
    /// Pixels for a network that takes real numbers, or the reverse.
    #[error("found {found}, expected {expected}, as the network was trained on")]
    InputKind {
        /// What was there.
        found: &'static str,
        /// What should have been there.
        expected: &'static str,
    },
    /// A real number is outside of the range that the network's program promises to take.
    #[error("sample {sample}, {channel}: found {value}, expected {min} to {max}; correct it, or leave the sample out")]
    OutOfRange {
        /// The sample's position.
        sample: usize,
        /// Its channel: the name in quotes, or the number.
        channel: String,
        /// The number, not normalised.
        value: f32,
        /// The smallest that is allowed.
        min: f32,
        /// The largest that is allowed.
        max: f32,
    },
    /// An image has a number that no normalised image of the network has, or one that is none:
    /// pixels that were not normalised, for example.
    #[error(
        "encrypting images: found image {image} out of range, expected numbers up to {bound:.3}; normalise images as \
         the network was trained to see them"
    )]
    ImageRange {
        /// The image's position.
        image: usize,
        /// The largest absolute value that the program was compiled for.
        bound: f32,
    },
    /// Numbers that are to be images are more or fewer than those of whole images.
    #[error("found {found} numbers, expected {expected}")]
    Length {
        /// How many there are.
        found: usize,
        /// How many there should be.
        expected: usize,
    },
    /// An image has no class: the network's outputs overflow on it.
    #[error("image {image} has no logit that is a number; the network overflows on it")]
    NoClass {
        /// The image's position in the batch.
        image: usize,
    },
    /// There is no image, where any number is taken.
    #[error("found no image, expected at least one")]
    NoImages,
    /// A batch holds no image, or more than a ciphertext has slots.
    #[error("found {images} images, expected 1 to {slots}")]
    BatchSize {
        /// Images in the batch.
        images: usize,
        /// Slots of a ciphertext.
        slots: usize,
    },
    /// A key, ciphertexts, a receipt and a program, or a network and a data set, that do not belong
    /// together.
    #[error(transparent)]
    Mismatch(Cause),
    /// A graphics card, its driver or its memory fails, or is not there.
    #[error(transparent)]
    Device(Cause),
    /// Answers that no program computed. What they decrypt to may tell the key.
    #[error(transparent)]
    Forged(Cause),
    /// A secret key needs its passphrase, or this is another one.
    #[error(transparent)]
    Passphrase(Cause),
    /// A key or ciphertexts were made with a seed (`--seed` of the command), for tests alone.
    #[error(
        "reading {}: found {what} made with --seed, so that whoever guesses the number can decrypt, expected the \
         system's randomness; make it again without --seed",
        path.display()
    )]
    FromSeed {
        /// What is in the file.
        what: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// Work was stopped by whoever watched its progress ([`Progress`](crate::Progress)).
    #[error("{operation}: stopped before the end, as it was told to; start it again for a result")]
    Stopped {
        /// What was being done.
        operation: &'static str,
    },
    /// Training or encrypted inference failed while it ran.
    #[error(transparent)]
    Failed(Cause),
    /// Training was stopped by the flag of [`Training::stop`](crate::Training::stop); it can be
    /// resumed.
    #[cfg(feature = "train")]
    #[error("training was interrupted; the state is in {}", checkpoint.display())]
    Interrupted {
        /// The folder from which it goes on.
        checkpoint: PathBuf,
    },
}

/// The cause of an error.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A part of a network that cannot be imported or compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnsupportedPart {
    /// Its name in the network.
    pub name: String,
    /// What it is.
    pub found: String,
    /// What can be done about it.
    pub remedy: String,
}

/// What messages call bytes that are in no file.
pub(crate) fn in_memory() -> &'static Path {
    Path::new("bytes in memory")
}

/// Refuses what was made with a seed.
pub(crate) fn refuse_seed(from_seed: bool, what: &'static str, path: &Path) -> Result<()> {
    if from_seed { Err(Error::FromSeed { what, path: path.to_path_buf() }) } else { Ok(()) }
}

fn names(parts: &[UnsupportedPart]) -> String {
    let one = |p: &UnsupportedPart| format!("`{}` ({}): {}", p.name, p.found, p.remedy);
    parts.iter().map(one).collect::<Vec<_>>().join("; ")
}

impl From<beaa_ir::Error> for Error {
    fn from(error: beaa_ir::Error) -> Self {
        use beaa_ir::Error as Found;
        match error {
            Found::Io { operation, path, source } => Self::Io { operation, path, source },
            Found::Version { kind, found, oldest, newest } => {
                Self::Version { kind, found, oldest, newest, remedy: "use a newer release" }
            }
            Found::Outdated { kind, found, oldest, newest, remedy } => {
                Self::Version { kind, found, oldest, newest, remedy }
            }
            Found::ImageSize { found, expected, .. } => Self::ImageSize { found, expected },
            Found::InputKind { found, expected, .. } => Self::InputKind { found, expected },
            Found::Length { found, expected, .. } => Self::Length { found, expected },
            other @ Found::Classes { .. } => Self::Mismatch(other.into()),
            other => Self::BadFile(other.into()),
        }
    }
}

impl From<PassphraseError> for Error {
    fn from(error: PassphraseError) -> Self {
        Self::BadOption(error.into())
    }
}

impl From<beaa_memory::Shortage> for Error {
    fn from(shortage: beaa_memory::Shortage) -> Self {
        let beaa_memory::Shortage { operation, needed, allowed, remedy, .. } = shortage;
        Self::Memory { operation, needed, allowed, remedy }
    }
}

impl From<beaa_datasets::Error> for Error {
    fn from(error: beaa_datasets::Error) -> Self {
        Self::DataSet(error.into())
    }
}

impl From<beaa_import::Error> for Error {
    fn from(error: beaa_import::Error) -> Self {
        use beaa_import::Error as Found;
        match error {
            Found::File(error) => error.into(),
            Found::Unsupported { problems, .. } => Self::Unsupported {
                parts: problems
                    .into_iter()
                    .map(|p| UnsupportedPart { name: p.name, found: p.kind, remedy: p.remedy })
                    .collect(),
            },
            other => Self::BadFile(other.into()),
        }
    }
}

impl From<beaa_compiler::Error> for Error {
    fn from(error: beaa_compiler::Error) -> Self {
        use beaa_compiler::Error as Found;
        match error {
            Found::Unsupported { layers, .. } => Self::Unsupported {
                parts: layers
                    .into_iter()
                    .map(|l| UnsupportedPart { name: l.layer, found: l.found, remedy: l.remedy.to_owned() })
                    .collect(),
            },
            other @ Found::Option { .. } => Self::BadOption(other.into()),
            Found::TooLarge(shortage) => shortage.into(),
            Found::Stopped => Self::Stopped { operation: "compiling" },
            other => Self::NoProgram(other.into()),
        }
    }
}

impl From<beaa_runtime::Error> for Error {
    fn from(error: beaa_runtime::Error) -> Self {
        use beaa_runtime::Error as Found;
        match error {
            Found::File(error) => error.into(),
            Found::Memory(shortage) => shortage.into(),
            Found::NoImages { .. } => Self::NoImages,
            Found::Stopped { operation } => Self::Stopped { operation },
            Found::ImageRange { image, bound } => Self::ImageRange { image, bound },
            Found::BatchSize { images, slots, .. } => Self::BatchSize { images, slots },
            Found::ImageSize { found, expected, .. } => Self::ImageSize { found, expected },
            other @ (Found::WrongProgram { .. }
            | Found::WrongKey { .. }
            | Found::WrongParameters { .. }
            | Found::NoEvaluationKey
            | Found::WrongBatch { .. }
            | Found::WrongCount { .. }) => Self::Mismatch(other.into()),
            other @ (Found::NoPassphrase { .. } | Found::Passphrase { .. }) => Self::Passphrase(other.into()),
            other @ (Found::Forged { .. } | Found::Transparent) => Self::Forged(other.into()),
            other @ (Found::FloodingBits { .. }
            | Found::SharedBefore { .. }
            | Found::SharingForgotten { .. }
            | Found::NoPromise { .. }
            | Found::TooFewCopies { .. }
            | Found::LargerError { .. }
            | Found::FloodingTooWide { .. }) => Self::BadOption(other.into()),
            other @ (Found::OtherKeyInside { .. }
            | Found::WrongKind { .. }
            | Found::WrongShape { .. }
            | Found::Damaged { .. }) => Self::BadFile(other.into()),
            other @ Found::Device(_) => Self::Device(other.into()),
            other => Self::Failed(other.into()),
        }
    }
}

#[cfg(feature = "cards")]
impl From<beaa_cuda::UnknownDevice> for Error {
    fn from(error: beaa_cuda::UnknownDevice) -> Self {
        Self::BadOption(error.into())
    }
}

#[cfg(feature = "train")]
impl From<beaa_trainer::Error> for Error {
    fn from(error: beaa_trainer::Error) -> Self {
        use beaa_trainer::Error as Found;
        match error {
            Found::Io { operation, path, source } => Self::Io { operation, path, source },
            Found::File(error) => beaa_ir::Error::from(error).into(),
            Found::Model(error) => error.into(),
            Found::Memory(shortage) => shortage.into(),
            Found::Dataset(error) => error.into(),
            other @ (Found::Config { .. } | Found::Syntax { .. } | Found::NoDevice { .. }) => {
                Self::BadOption(other.into())
            }
            other @ Found::Data { .. } => Self::DataSet(other.into()),
            other => Self::Failed(other.into()),
        }
    }
}
