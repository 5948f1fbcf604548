//! Files for the reader `metrics`.
#![no_main]

beaa_fuzz::target!("metrics");
