//! Files for the reader `csv`.
#![no_main]

beaa_fuzz::target!("csv");
