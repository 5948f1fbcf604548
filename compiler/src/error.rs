//! What can stop a compilation: the user's fault and our own bug are different variants, and every
//! message says what to do.

use std::fmt;

/// What helps against noise on the `tfhe` backend.
const TFHE_REMEDY: &str = "ask for fewer bits or a larger probability of failure, or compile for ckks";

/// Why a model could not be compiled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Layers that have no homomorphic form; all of them, not just the first.
    #[error(
        "compiling `{model}`: {} of its layers cannot be evaluated under encryption:\n{}",
        layers.len(), list(layers)
    )]
    Unsupported {
        /// The model's name.
        model: String,
        /// Every such layer.
        layers: Vec<UnsupportedLayer>,
    },
    /// An option out of range.
    #[error("option `{option}`: found {found}, expected {expected}")]
    Option {
        /// Its name.
        option: &'static str,
        /// What was given.
        found: String,
        /// What is possible.
        expected: String,
    },
    /// No parameters carry the network at the security and batch asked for.
    #[error(
        "choosing parameters: the network needs log2(QP) = {needed} bits, but degree {degree} allows {allowed} at \
         {security}-bit security; {remedy}"
    )]
    Parameters {
        /// Bits that the cheapest plan needs.
        needed: u32,
        /// The largest degree tried.
        degree: usize,
        /// Bits that it allows.
        allowed: u32,
        /// The security asked for.
        security: u32,
        /// What the user can do.
        remedy: &'static str,
    },
    /// The precision asked for is out of reach.
    #[error(
        "choosing scales: the predicted error of an output is at best {best:.3e}, {requested:.3e} \
         was asked for; {remedy}"
    )]
    Precision {
        /// The smallest standard deviation found.
        best: f64,
        /// The one allowed.
        requested: f64,
        /// What the user can do.
        remedy: &'static str,
    },
    /// No schedule takes as little memory as asked.
    #[error(
        "choosing bands: running needs at least {} at this batch and precision (most of it for layer `{layer}`), \
         {} was asked for; allow as much, or shorten the modulus: a larger error, lower security, a smaller batch \
         where the ring degree {degree} is more than it takes, or narrower layers", gib(*least), gib(*requested)
    )]
    Memory {
        /// The bytes allowed.
        requested: u64,
        /// The bytes of the least schedule found.
        least: u64,
        /// The layer at its worst moment.
        layer: String,
        /// The ring degree.
        degree: usize,
    },
    /// A layer whose noise leaves no table of some use on the `tfhe` backend.
    #[error(
        "lowering to look-ups: the noise of layer `{layer}` (weights of norm {norm:.0}, {dropped_bits} bits dropped) \
         leaves no table of {levels} levels; {}",
        TFHE_REMEDY
    )]
    TfheNoise {
        /// The layer.
        layer: String,
        /// Norm of the weights of its noisiest element.
        norm: f64,
        /// Bits taken off its sums.
        dropped_bits: u32,
        /// The fewest levels that a table may have.
        levels: u32,
    },
    /// Outputs whose noise leaves too few bits on the `tfhe` backend.
    #[error(
        "lowering to look-ups: the noise of layer `{layer}` leaves outputs of fewer than {bits} bits; {}",
        TFHE_REMEDY
    )]
    TfheOutputs {
        /// The layer.
        layer: String,
        /// The fewest bits that an output may have.
        bits: u32,
    },
    /// Whoever compiles asked for an end.
    #[error("compiling: stopped before the end, as it was told to; start it again for a result")]
    Stopped,
    /// There is less memory than compiling needs.
    #[error(transparent)]
    TooLarge(#[from] beaa_memory::Shortage),
    /// The network is larger than any program that could be run.
    #[error("compiling `{model}`: found {found}, expected {expected}; {remedy}")]
    Size {
        /// The model's name.
        model: String,
        /// What there is too much of.
        found: String,
        /// How much there may be.
        expected: String,
        /// What the user can do.
        remedy: &'static str,
    },
    /// A program for the `tfhe` backend whose integers are wrong too often.
    #[error(
        "lowering to look-ups: an integer of an image would be wrong with probability 2^{failure:.1}, at most \
         2^{allowed:.1} is allowed; most of it comes from layer `{layer}` (2^{worst:.1}): {}",
        TFHE_REMEDY
    )]
    TfheFailure {
        /// log2 of the probability for the whole program.
        failure: f64,
        /// log2 of the largest one allowed.
        allowed: f64,
        /// The layer most likely to be wrong.
        layer: String,
        /// log2 of its probability.
        worst: f64,
    },
    /// A layer whose values can be so large that no modulus holds them, for want of a range.
    #[error(
        "bounding values: the range of layer `{layer}` is not known: {found}; give --samples (images that the program \
         will see), also to `beaa import`, so that the ranges of its values are measured"
    )]
    UnknownRange {
        /// The layer.
        layer: String,
        /// What is known of its values.
        found: String,
    },
    /// A network whose numbers overflow.
    #[error(
        "{operation}: found {found} in layer `{layer}`, expected numbers that double precision and a modulus hold; the \
         weights of this layer or of those before it are too large or too small: check the trained network, train it \
         with normalisation or a range penalty"
    )]
    Overflow {
        /// What was being done.
        operation: String,
        /// What came of it.
        found: String,
        /// The layer.
        layer: String,
    },
    /// The compiler contradicted itself.
    #[error("pass `{pass}`: {found}; this is a bug of the compiler, please report it with the model")]
    Internal {
        /// The pass after which it was noticed.
        pass: &'static str,
        /// What is wrong.
        found: String,
    },
    /// The program that was built does not check.
    #[error("building the program: {0}")]
    Program(#[from] beaa_ir::Error),
}

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// A layer that cannot be compiled, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsupportedLayer {
    /// Its name in the model.
    pub layer: String,
    /// What it is.
    pub found: String,
    /// What the user can do.
    pub remedy: &'static str,
}

impl fmt::Display for UnsupportedLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  `{}` ({}): {}", self.layer, self.found, self.remedy)
    }
}

fn list(layers: &[UnsupportedLayer]) -> String {
    layers.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn gib(bytes: u64) -> String {
    format!("{:.2} GiB", bytes as f64 / (1_u64 << 30) as f64)
}

pub(crate) fn internal(pass: &'static str, found: impl Into<String>) -> Error {
    Error::Internal { pass, found: found.into() }
}
