//! Files for the reader `configuration`.
#![no_main]

beaa_fuzz::target!("configuration");
