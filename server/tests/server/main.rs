//! The server: its store by itself, and its interface over HTTP.

#![allow(clippy::unwrap_used, clippy::panic)]

mod api;
mod kit;
mod running;
mod store;
