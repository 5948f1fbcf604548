//! Files for the reader `medmnist`.
#![no_main]

beaa_fuzz::target!("medmnist");
