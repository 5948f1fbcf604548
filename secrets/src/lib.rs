//! Internal crate of beaa: where keys are while they are used. Memory that is locked and wiped, and
//! a process that leaves no core dump. Knows no scheme and no file format.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod locked;
mod process;

pub use locked::{Locked, lock_limit};
pub use process::forbid_core_dumps;
