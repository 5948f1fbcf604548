//! Files for the reader `receipt`.
#![no_main]

beaa_fuzz::target!("receipt");
