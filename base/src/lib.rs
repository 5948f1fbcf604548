//! Internal crate of beaa: how every other crate reads what people hand in, writes what it leaves,
//! and says how many there are of something. Knows no network and no ciphertext.
//!
//! All outputs follow one rule, in [`output`] and [`target`]; all inputs one in [`input`].

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod error;
pub mod folder;
pub mod input;
pub mod json;
mod locked_file;
pub mod output;
pub mod preprocessing;
pub mod printable;
mod space;
pub mod target;
mod temporary;
pub mod text;
pub mod words;

pub use error::{Error, Result};
pub use locked_file::LockedFile;
