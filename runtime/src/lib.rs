//! Runs a compiled program on encrypted batches: keys and ciphertexts on disk, what a client does, what a server does,
//! and both side by side for verification. Must never let a secret key reach [`run`], and knows no trainer, no compiler.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod backend;
mod ckks;
mod error;
mod execute;
mod plaintext;
mod progress;
#[cfg(feature = "tfhe")]
mod tfhe;

#[cfg(feature = "tfhe")]
pub use crate::tfhe::{
    LookupClientKey, LookupInput, LookupOutput, LookupRunReport, LookupServerKey, LookupVerification, StageTime,
    decrypt_lookup, encrypt_lookup, keygen_lookup, run_lookup, verify_lookup,
};
pub use beaa_ir::Schedule;
pub use ckks::{Ciphertexts, EncryptedInput, EncryptedOutput, Images, Results, Role};
pub use ckks::{ClientKey, ServerKey, keygen};
pub use ckks::{LayerError, Verification, verify};
pub use ckks::{RunReport, decrypt, encrypt, plan, run};
pub use error::{Error, Result};
pub use execute::{LayerTime, OperationTime};
pub use plaintext::run_clear;
pub use progress::{Progress, Silent};
