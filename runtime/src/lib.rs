//! Runs a compiled program on encrypted batches: keys and ciphertexts on disk, what a client does, what a server does,
//! and both side by side for verification. Must never let a secret key reach [`run`], and knows no trainer, no compiler.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod backend;
mod ciphertexts;
mod clear;
mod client;
mod error;
mod execute;
mod keys;
#[cfg(feature = "tfhe")]
mod lookup;
mod progress;
mod schedule;
mod server;
mod verify;

pub use beaa_ir::ckks::Schedule;
pub use ciphertexts::{Ciphertexts, EncryptedInput, EncryptedOutput, Images, Results, Role};
pub use clear::run_clear;
pub use client::{decrypt, encrypt};
pub use error::{Error, Result};
pub use execute::{LayerTime, OperationTime};
pub use keys::{ClientKey, ServerKey, keygen};
#[cfg(feature = "tfhe")]
pub use lookup::{
    LookupClientKey, LookupInput, LookupOutput, LookupRunReport, LookupServerKey, LookupVerification, StageTime,
    decrypt_lookup, encrypt_lookup, keygen_lookup, run_lookup, verify_lookup,
};
pub use progress::{Progress, Silent};
pub use schedule::plan;
pub use server::{RunReport, run};
pub use verify::{LayerError, Verification, verify};
