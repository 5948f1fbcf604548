//! Files for the reader `model-compile-tfhe`.
#![no_main]

beaa_fuzz::target!("model-compile-tfhe");
