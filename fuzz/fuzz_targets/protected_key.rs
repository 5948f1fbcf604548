//! Files for the reader `protected-key`.
#![no_main]

beaa_fuzz::target!("protected-key");
