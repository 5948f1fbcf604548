//! Files for the reader `tfhe-program`.
#![no_main]

beaa_fuzz::target!("tfhe-program");
