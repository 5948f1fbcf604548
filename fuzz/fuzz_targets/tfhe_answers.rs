//! Files for the reader `tfhe-answers`.
#![no_main]

beaa_fuzz::target!("tfhe-answers");
