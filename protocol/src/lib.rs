//! Internal crate of beaa: what the client and the server of encrypted jobs say to each other over
//! HTTP: paths, bodies, problems, hashes. Both sides use these types, so that neither can drift
//! from the other. Knows no key, no ciphertext and no connection.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod digest;
mod id;
mod problem;
pub mod upload;
mod views;

pub use digest::{Digest, Hasher};
pub use id::Id;
pub use problem::{PROBLEM_TYPE, Problem};
pub use views::{
    Account, JobList, JobState, JobView, KeyList, KeyView, LayerView, NewJob, ProgramList, ProgramView, ProgressView,
    Scope, Usage,
};

/// A word from outside that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("reading {what}: found `{found}`, expected {expected}")]
pub struct Malformed {
    /// What was read.
    pub what: &'static str,
    /// What it is.
    pub found: String,
    /// What it should be.
    pub expected: &'static str,
}

/// The first part of every path of the interface but those of health and of the page for people.
pub const VERSION: &str = "v1";
