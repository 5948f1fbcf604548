//! Errors of running a program. They carry no key, no image and no result.

use std::path::PathBuf;

use beaa_base::words::count;
use beaa_ir::ckks::ValueInfo;

/// What can go wrong between a program, its keys and its ciphertexts.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file is damaged, of another kind or version, or cannot be read.
    #[error(transparent)]
    File(#[from] beaa_ir::Error),
    /// The scheme refused its parameters or operands.
    #[error(transparent)]
    Scheme(#[from] beaa_ckks::Error),
    /// Ciphertexts are of another program.
    #[error(
        "{operation}: the ciphertext file belongs to program {}, expected program {}; \
         encrypt the images for this program",
        short(found),
        short(expected)
    )]
    WrongProgram {
        /// What was being done.
        operation: &'static str,
        /// Fingerprint of the program that the ciphertexts name.
        found: String,
        /// Fingerprint of the program at hand.
        expected: String,
    },
    /// Ciphertexts are under another key.
    #[error(
        "{operation}: the ciphertext file belongs to key {found}, expected key {expected}; \
         use the key pair under which the images were encrypted"
    )]
    WrongKey {
        /// What was being done.
        operation: &'static str,
        /// Name of the key that the ciphertexts are under.
        found: String,
        /// Name of the key at hand.
        expected: String,
    },
    /// A key has other parameters than the program.
    #[error(
        "{operation}: the key belongs to other parameters ({found}), expected those of the program \
         ({expected}); make keys for this program with `beaa keygen`"
    )]
    WrongParameters {
        /// What was being done.
        operation: &'static str,
        /// The key's parameters, described.
        found: String,
        /// The program's parameters, described.
        expected: String,
    },
    /// A file holds images where results are expected, or the other way round.
    #[error("reading ciphertexts: found {found} in {}, expected {expected}", path.display())]
    WrongKind {
        /// The file.
        path: PathBuf,
        /// What it holds.
        found: &'static str,
        /// What it should hold.
        expected: &'static str,
    },
    /// Ciphertexts are not what the program takes or gives.
    #[error("{operation}: found {}, expected {}", describe(found), describe(expected))]
    WrongShape {
        /// What was being done.
        operation: &'static str,
        /// What the ciphertexts are.
        found: ValueInfo,
        /// What the program takes or gives.
        expected: ValueInfo,
    },
    /// No image, where any number is taken.
    #[error("{operation}: found no image, expected at least one")]
    NoImages {
        /// What was being done.
        operation: &'static str,
    },
    /// No image, or more images than a ciphertext has slots.
    #[error("{operation}: found {}, expected 1 to {slots}, the number of slots", count(*images, "image"))]
    BatchSize {
        /// What was being done.
        operation: &'static str,
        /// Images in the batch.
        images: usize,
        /// Slots of a ciphertext.
        slots: usize,
    },
    /// An image of another size than the program's.
    #[error("{operation}: found {found} numbers in each image, expected {expected}")]
    ImageSize {
        /// What was being done.
        operation: &'static str,
        /// Numbers of each image.
        found: usize,
        /// Numbers of an image of the program.
        expected: usize,
    },
    /// An image with a value that normalised pixels do not have.
    #[error("encrypting images: found image {image} out of range, expected numbers up to {bound:.3}")]
    ImageRange {
        /// Position in the batch.
        image: usize,
        /// Largest absolute value that the program was compiled for.
        bound: f32,
    },
    /// More bits of noise than can be meant, or fewer than none.
    #[error("hiding the error of results: found {found}, expected a number of bits from 0 to 60")]
    FloodingBits {
        /// The bits.
        found: f64,
    },
    /// Noise of a width that is none.
    #[error("decrypting results: found noise of width {found}, expected a number that is not negative")]
    FloodingWidth {
        /// The width.
        found: f64,
    },
    /// A signature does not say how large the error is that is to be hidden.
    #[error("the program does not say how large its output's error is; compile it again")]
    NoOutputError,
    /// A file does not hold what its header says.
    #[error("{operation}: found {found}, expected {expected}")]
    Damaged {
        /// What was being done.
        operation: &'static str,
        /// What the file holds.
        found: String,
        /// What its header says.
        expected: String,
    },
    /// Operands that an operation does not take.
    #[error("running an operation: found {found}, expected {expected}")]
    Operand {
        /// What was passed.
        found: String,
        /// What is taken.
        expected: String,
    },
}

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

pub(crate) fn operand(found: impl Into<String>, expected: impl Into<String>) -> Error {
    Error::Operand { found: found.into(), expected: expected.into() }
}

pub(crate) fn damaged(operation: &'static str, found: impl Into<String>, expected: impl Into<String>) -> Error {
    Error::Damaged { operation, found: found.into(), expected: expected.into() }
}

/// The first 16 digits of a fingerprint.
fn short(fingerprint: &str) -> &str {
    fingerprint.get(..16).unwrap_or(fingerprint)
}

fn describe(value: &ValueInfo) -> String {
    let ValueInfo { len, limbs, scale, components } = value;
    format!("{len} ciphertexts of {limbs} limbs and {components} components at scale {scale:e}")
}
