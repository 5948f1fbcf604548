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
    /// There is less memory than the work needs.
    #[error(transparent)]
    Memory(#[from] beaa_memory::Shortage),
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
    /// Answers are to another batch than the receipt's.
    #[error(
        "{operation}: the answers name {found}, expected {expected}, which the receipt is of; use the receipt that \
         `beaa encrypt` wrote with these images"
    )]
    WrongBatch {
        /// What was being done.
        operation: &'static str,
        /// What the answers name.
        found: String,
        /// What the receipt names.
        expected: String,
    },
    /// There are more or fewer answers than images were sent.
    #[error(
        "{operation}: found answers for {found} images of a batch, expected {expected}, as many as were sent; ask the \
         server for its answers again"
    )]
    WrongCount {
        /// What was being done.
        operation: &'static str,
        /// Images that are answered.
        found: usize,
        /// Images that were sent.
        expected: usize,
    },
    /// Answers that no key is needed for: nobody computed them from the images.
    #[error(
        "decrypting results: found answers that can be read without a key, expected what a program computes from \
         encrypted images; the file was made by hand, do not trust it"
    )]
    Transparent,
    /// Copies of images in other slots have other answers.
    #[error(
        "decrypting results: {disagreeing} of {copied} images that were sent more than once have different answers, \
         expected the same; these answers were not computed by the program, and what they are may tell your key: show \
         them to nobody"
    )]
    Forged {
        /// Images with different answers.
        disagreeing: usize,
        /// Images that were sent more than once.
        copied: usize,
    },
    /// Packed ciphertexts are more or fewer than the program takes.
    #[error("{operation}: found {}, expected {expected}", count(*found, "packed ciphertext"))]
    WrongCiphertexts {
        /// What was being done.
        operation: &'static str,
        /// Ciphertexts of a batch.
        found: usize,
        /// As many as the program takes.
        expected: usize,
    },
    /// An evaluation key that lacks rotations of the program.
    #[error(
        "{operation}: found an evaluation key without {missing} of the {} that the program makes, expected all of \
         them; make keys for this program with `beaa keygen`",
        count(*rotations, "rotation")
    )]
    MissingRotations {
        /// What was being done.
        operation: &'static str,
        /// Rotations without a Galois key.
        missing: usize,
        /// Rotations of the program.
        rotations: usize,
    },
    /// No evaluation key for a program that switches keys.
    #[error(
        "running a program: found no evaluation key, expected one, since the program switches keys; give the one that \
         `beaa keygen` made with the client's secret key"
    )]
    NoEvaluationKey,
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
    /// No image in a batch, or more images than a ciphertext has slots.
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
    /// More bits of security than can be meant, or fewer than none.
    #[error("hiding the error of results: found {found}, expected a number of bits from 0 to 60")]
    FloodingBits {
        /// The bits.
        found: f64,
    },
    /// Answers that were handed out before: twice the same under two noises is known better.
    #[error(
        "hiding the error of results: the answers to this batch were shared before, with {bits} bits, expected once; \
         give the first ones again, or encrypt the images anew"
    )]
    SharedBefore {
        /// The bits at that time.
        bits: f64,
    },
    /// A receipt that says that answers were shared would be replaced by one that does not.
    #[error(
        "writing receipt {}: found the receipt of the same batch, which says that its answers were shared, expected \
         that this is kept; go on with the receipt that is there",
        path.display()
    )]
    SharingForgotten {
        /// The file.
        path: PathBuf,
    },
    /// Nothing says how large the error is that is to be hidden, or what it is measured against.
    #[error("hiding the error of results: the program promises {missing}, expected both; compile it again")]
    NoPromise {
        /// What is missing.
        missing: &'static str,
    },
    /// Too few slots hold copies by which the promised error could be measured.
    #[error(
        "hiding the error of results: found {found} copies of images in unused slots, expected {expected} at least, by \
         which the promised error is checked; encrypt fewer images at once"
    )]
    TooFewCopies {
        /// Slots with copies.
        found: usize,
        /// Slots needed.
        expected: usize,
    },
    /// The error is larger than what the program promises.
    #[error(
        "hiding the error of results: found an error of {found:.2e}, expected {expected:.2e} as the program promises; \
         it cannot be hidden by what it is not"
    )]
    LargerError {
        /// As copies of images show it.
        found: f64,
        /// As promised.
        expected: f64,
    },
    /// The noise that hides the error hides the answers, too.
    #[error(
        "hiding the error of results: {bits} bits take noise of deviation {noise:.2e}, expected at most {allowed:.2e}, \
         an eighth of the promised range; compile with --logit-error {error:.1e}, share fewer images at once, or share \
         nothing but classes (docs/security.md)"
    )]
    FloodingTooWide {
        /// The bits of security.
        bits: f64,
        /// Deviation of the noise.
        noise: f64,
        /// The most that leaves an answer.
        allowed: f64,
        /// The promised error with which it would be so much.
        error: f64,
    },
    /// A secret key is encrypted, and no passphrase is there.
    #[error(
        "opening the secret key {}: found key {key}, encrypted with a passphrase, expected the passphrase, too; give \
         it at a terminal or with --passphrase-file",
        path.display()
    )]
    NoPassphrase {
        /// The key's file.
        path: PathBuf,
        /// The name of the pair.
        key: String,
    },
    /// A secret key is not encrypted or not decrypted with a passphrase.
    #[error("opening the secret key {}: {source}", path.display())]
    Passphrase {
        /// The key's file.
        path: PathBuf,
        /// Why not.
        source: beaa_secrets::PassphraseError,
    },
    /// What an encrypted secret key says in clear is not what is in it.
    #[error(
        "opening the secret key {}: found key {found} under the passphrase, expected {expected}, as the file says in \
         clear; it was put together by somebody else",
        path.display()
    )]
    OtherKeyInside {
        /// The key's file.
        path: PathBuf,
        /// The name under the passphrase.
        found: String,
        /// The name in clear.
        expected: String,
    },
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
    /// A device other than the processor refused or failed.
    #[error(transparent)]
    Device(Box<dyn std::error::Error + Send + Sync>),
    /// Whoever watches the progress asked for an end.
    #[error("{operation}: stopped before the end, as it was told to; start it again for a result")]
    Stopped {
        /// What was being done.
        operation: &'static str,
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
