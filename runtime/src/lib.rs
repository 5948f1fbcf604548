//! Runs a compiled program on encrypted batches: keys and ciphertexts on disk, what a client does, what a server does,
//! and both side by side for verification. Must never let a secret key reach [`run`], and knows no trainer, no compiler.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod backend;
pub mod ckks;
mod error;
mod execute;
mod files;
pub mod plaintext;
mod progress;
#[cfg(feature = "tfhe")]
pub mod tfhe;

pub use error::{Error, Result};
pub use execute::{LayerTime, OperationTime};
pub use progress::{Progress, Silent};
