//! Files for the reader `cifar`.
#![no_main]

beaa_fuzz::target!("cifar");
