//! Files for the reader `tfhe-receipt`.
#![no_main]

beaa_fuzz::target!("tfhe-receipt");
