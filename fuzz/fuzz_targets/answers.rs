//! Files for the reader `answers`.
#![no_main]

beaa_fuzz::target!("answers");
