//! Files for the reader `program`.
#![no_main]

beaa_fuzz::target!("program");
