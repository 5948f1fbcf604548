//! Files for the reader `tfhe-images`.
#![no_main]

beaa_fuzz::target!("tfhe-images");
