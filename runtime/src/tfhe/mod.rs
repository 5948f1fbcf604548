//! The `tfhe` backend: look-up programs on single images, exact integers by programmable bootstrapping. Must never let a secret key
//! reach [`run`], nor use parameters that are not one of the `tfhe` crate's own 128-bit sets.

mod bootstrap;
mod ciphertexts;
mod client;
mod keys;
mod keyswitch;
mod parameters;
mod server;
mod verify;

pub use ciphertexts::{EncryptedInput, EncryptedOutput};
pub use client::{decrypt, encrypt};
pub use keys::{ClientKey, KeyPair, ServerKey, keygen};
pub use server::{RunReport, StageTime, run};
pub use verify::{Verification, verify};
