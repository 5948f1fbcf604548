//! Files for the reader `model`.
#![no_main]

beaa_fuzz::target!("model");
