//! Files for the reader `matrix`.
#![no_main]

beaa_fuzz::target!("matrix");
