//! Files for the reader `results`.
#![no_main]

beaa_fuzz::target!("results");
