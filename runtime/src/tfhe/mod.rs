//! The `tfhe` backend: look-up programs on single images, exact integers by programmable bootstrapping. Must never let a secret key
//! reach [`run_lookup`], nor use parameters that are not one of the `tfhe` crate's own 128-bit sets.

mod bootstrap;
mod ciphertexts;
mod client;
mod keys;
mod keyswitch;
mod parameters;
mod server;
mod verify;

pub use ciphertexts::{LookupInput, LookupOutput};
pub use client::{decrypt_lookup, encrypt_lookup};
pub use keys::{LookupClientKey, LookupServerKey, keygen_lookup};
pub use server::{LookupRunReport, StageTime, run_lookup};
pub use verify::{LookupVerification, verify_lookup};
