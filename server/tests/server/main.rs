//! The server: its store by itself, and its interface over HTTP.

#![allow(clippy::unwrap_used, clippy::panic)]

mod api;
mod browser;
mod client;
mod cluster;
mod files;
mod kept;
mod kit;
mod leases;
mod load;
mod postgres_faults;
mod quotas;
mod running;
mod slow;
mod store;
mod tls;
mod upgrade;
