//! Internal crate of beaa: where keys are while they are used, and how they are kept. Memory that
//! is locked and wiped, a process that leaves no core dump, passphrases in the age format. Knows no
//! scheme and no file format of ours.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod age;
mod error;
mod line;
mod locked;
mod passphrase;
mod process;
mod terminal;

pub use error::PassphraseError;
pub use locked::{Locked, lock_limit};
pub use passphrase::Passphrase;
pub use process::forbid_core_dumps;
pub use terminal::restore_terminal;
