//! Files for the reader `idx-images`.
#![no_main]

beaa_fuzz::target!("idx-images");
