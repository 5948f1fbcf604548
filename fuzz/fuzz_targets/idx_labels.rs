//! Files for the reader `idx-labels`.
#![no_main]

beaa_fuzz::target!("idx-labels");
