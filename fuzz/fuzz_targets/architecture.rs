//! Files for the reader `architecture`.
#![no_main]

beaa_fuzz::target!("architecture");
