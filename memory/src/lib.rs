//! Internal crate of beaa: how much memory this process may take, and what a piece of work needs,
//! known before it starts; what is freed is kept on request. It knows nothing of networks and of
//! encryption.

#![deny(unsafe_code)]
#![warn(clippy::missing_errors_doc)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod freed;
mod limits;
mod need;
mod pages;
mod process;

pub use freed::keep_freed;
pub use limits::{Limit, LimitedBy, limit};
pub use need::{Need, Shortage, bytes_text};
pub use pages::{PageKeeper, Words, keep_pages, mapped_bytes};
pub use process::{peak, reset_peak};
