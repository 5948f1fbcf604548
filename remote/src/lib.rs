//! Internal crate of beaa: the client's side of the HTTP interface. It sends files that are
//! encrypted already, follows jobs, and fetches encrypted answers; it resumes after interruptions.
//! It knows no key and no scheme: what encrypts and decrypts is above it.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod connection;
mod download;
mod error;
mod follow;
mod job_folder;
mod login;
mod upload;

pub use connection::Connection;
pub use error::{Error, Result};
pub use job_folder::{JobFolder, JobRecord};
pub use login::Login;
pub use upload::{FileToSend, hash_of};

use beaa_protocol::JobView;

/// Whoever shows how far a transfer or a job is.
pub trait Follower {
    /// Is called when so many of `all` bytes have been moved; `what` says which.
    fn moved(&self, what: &str, bytes: u64, all: u64);
    /// Is called with each news of a job.
    fn job(&self, job: &JobView);
    /// Is called before a pause after which something is tried again.
    fn again(&self, why: &str);
}
