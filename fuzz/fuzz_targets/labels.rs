//! Files for the reader `labels`.
#![no_main]

beaa_fuzz::target!("labels");
