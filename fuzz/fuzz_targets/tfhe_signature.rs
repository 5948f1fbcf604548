//! Files for the reader `tfhe-signature`.
#![no_main]

beaa_fuzz::target!("tfhe-signature");
