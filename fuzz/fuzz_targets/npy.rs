//! Files for the reader `npy`.
#![no_main]

beaa_fuzz::target!("npy");
