//! The server: its store by itself, and its interface over HTTP.

#![allow(clippy::unwrap_used, clippy::panic)]

mod api;
mod browser;
mod client;
mod files;
mod kit;
mod load;
mod quotas;
mod running;
mod slow;
mod store;
mod tls;
mod upgrade;
