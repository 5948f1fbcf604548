//! Files for the reader `program-run`.
#![no_main]

beaa_fuzz::target!("program-run");
