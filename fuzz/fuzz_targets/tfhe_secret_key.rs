//! Files for the reader `tfhe-secret-key`.
#![no_main]

beaa_fuzz::target!("tfhe-secret-key");
