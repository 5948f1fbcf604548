//! Files for the reader `jpeg`.
#![no_main]

beaa_fuzz::target!("jpeg");
