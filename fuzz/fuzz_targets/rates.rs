//! Files for the reader `rates`.
#![no_main]

beaa_fuzz::target!("rates");
