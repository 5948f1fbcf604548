//! Files for the reader `png`.
#![no_main]

beaa_fuzz::target!("png");
