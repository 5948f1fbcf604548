//! Errors of the scheme: what was being done, what was found and what was expected; never a key, a
//! plaintext or randomness.

use std::ops::RangeInclusive;

use crate::rns_ring::RnsRing;

/// What can be wrong with parameters, operands or keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Parameters that are malformed.
    #[error("parameters: found {found}, expected {expected}")]
    Parameters {
        /// What was found.
        found: String,
        /// What is possible.
        expected: String,
    },
    /// Parameters below the promised security.
    #[error(
        "parameters: log2(QP) = {log_qp} bits at degree {degree} is less than {security}-bit security, which allows \
         {allowed}; use fewer or smaller primes, or a larger degree"
    )]
    Insecure {
        /// Bits of the whole modulus, special primes included.
        log_qp: u32,
        /// Ring degree.
        degree: usize,
        /// Promised bits.
        security: u32,
        /// Most bits allowed.
        allowed: u32,
    },
    /// A key that belongs to other parameters.
    #[error("{operation}: found a key for {found}, expected one for {expected}; make keys for these parameters")]
    KeyMismatch {
        /// The operation.
        operation: &'static str,
        /// The ring of the key.
        found: Box<RnsRing>,
        /// The ring of the parameters.
        expected: Box<RnsRing>,
    },
    /// A rotation for which no key was made.
    #[error(
        "{operation}: found no Galois key for a rotation by {rotation} slots of {limbs} limbs, expected one; make keys \
         for it"
    )]
    MissingGaloisKey {
        /// The operation.
        operation: &'static str,
        /// Slots to the left.
        rotation: usize,
        /// Of what is rotated.
        limbs: usize,
    },
    /// A number of limbs that the parameters or the operation do not allow.
    #[error("{operation}: found {found} limbs, expected {} to {}", allowed.start(), allowed.end())]
    Limbs {
        /// The operation.
        operation: &'static str,
        /// The number of limbs.
        found: usize,
        /// Numbers that are possible.
        allowed: RangeInclusive<usize>,
    },
    /// More slots than the ring has.
    #[error("{operation}: found {found} slots, expected {expected}")]
    Slots {
        /// The operation.
        operation: &'static str,
        /// The number of slots.
        found: usize,
        /// The most that are possible.
        expected: usize,
    },
    /// An operand that does not fit the operation.
    #[error("{operation}: found {found}, expected {expected}")]
    Operand {
        /// The operation.
        operation: &'static str,
        /// What was found.
        found: String,
        /// What it takes.
        expected: String,
    },
    /// A value too large for the modulus or for exact encoding.
    #[error(
        "{operation}: a value of 2^{found_bits} does not fit, at most 2^{allowed_bits} does; use a smaller scale or \
         check the input's range"
    )]
    Overflow {
        /// The operation.
        operation: &'static str,
        /// Bits of the offending value.
        found_bits: i32,
        /// Bits that fit.
        allowed_bits: i32,
    },
    /// The operating system gave no randomness.
    #[error("the operating system's random generator failed: {0}")]
    Randomness(String),
}

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

pub(crate) fn operand(operation: &'static str, found: impl Into<String>, expected: impl Into<String>) -> Error {
    Error::Operand { operation, found: found.into(), expected: expected.into() }
}
