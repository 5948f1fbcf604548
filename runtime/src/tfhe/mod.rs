//! The tfhe backend: programs of linear maps and tables on single images, exact integers by
//! programmable bootstrapping. Its parameters are one of the `tfhe` crate's own 128-bit sets;
//! [`run`] takes no secret key.

mod bootstrap;
mod ciphertexts;
mod client;
mod keys;
mod keyswitch;
mod parameters;
mod server;
mod verify;

pub use ciphertexts::{EncryptedInput, EncryptedOutput};
pub use client::{decrypt, decrypt_without_receipt, encrypt};
pub use keys::{ClientKey, KeyPair, ServerKey, keygen};
pub use server::{RunReport, StageTime, run};
pub use verify::{Verification, verify};
