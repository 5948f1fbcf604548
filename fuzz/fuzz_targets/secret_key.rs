//! Files for the reader `secret-key`.
#![no_main]

beaa_fuzz::target!("secret-key");
