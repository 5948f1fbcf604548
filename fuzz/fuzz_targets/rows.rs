//! Files for the reader `rows`.
#![no_main]

beaa_fuzz::target!("rows");
