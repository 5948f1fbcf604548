//! Files for the reader `signature`.
#![no_main]

beaa_fuzz::target!("signature");
