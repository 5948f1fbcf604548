//! Internal crate of beaa: the server of encrypted jobs. A store that loses nothing (`store`), the
//! HTTP interface to it (`http`, `listen`), and the workers that run programs (`worker`, `pool`).
//!
//! A process of the server holds ciphertexts, evaluation keys and hashes of tokens; it takes no
//! secret key of a client, and no type that holds one is named here.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod certificate;
mod clock;
mod database_error;
mod database_url;
mod error;
pub mod http;
pub mod listen;
mod pool;
mod quota;
mod random;
mod serve;
pub mod settings;
pub mod store;
mod timed;
mod told;
pub mod worker;

pub use database_error::DatabaseError;
pub use database_url::DatabaseUrl;
pub use error::{Error, Refusal, RefusalKind, Result};
pub use pool::WorkerPool;
pub use serve::{Service, end_on_termination, serve};
