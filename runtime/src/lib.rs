//! Internal crate of beaa: runs compiled programs. For each backend the keys and ciphertexts on
//! disk, what a client does, what a server does, and both side by side for verification. It knows
//! neither trainer nor compiler.
//!
//! `ckks` and `tfhe` have the same names: `keygen` makes a [`ckks::KeyPair`], `encrypt` and
//! `decrypt` are the client's, `run` is the server's and takes no secret key, `verify` is for
//! whoever has everything.

#![forbid(unsafe_code)]
#![warn(clippy::missing_errors_doc)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod answers;
pub mod backend;
pub mod ckks;
mod error;
mod execute;
mod files;
mod layer_time;
pub mod plaintext;
mod progress;
mod protected;
mod randomness;
mod receipt;
mod receipt_folder;
mod slice;
#[cfg(feature = "tfhe")]
pub mod tfhe;

pub use beaa_secrets::Passphrase;

pub use answers::{Answers, Outside, Reason};
pub use error::{Error, Result};
pub use layer_time::{LayerTime, OperationTime};
pub use progress::{Progress, Silent};
pub use protected::{change_passphrase, is_protected};
pub use receipt::{BatchId, Receipt, SentBatch};
pub use receipt_folder::ReceiptFolder;
