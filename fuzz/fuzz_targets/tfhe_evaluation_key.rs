//! Files for the reader `tfhe-evaluation-key`.
#![no_main]

beaa_fuzz::target!("tfhe-evaluation-key");
