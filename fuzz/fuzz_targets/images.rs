//! Files for the reader `images`.
#![no_main]

beaa_fuzz::target!("images");
