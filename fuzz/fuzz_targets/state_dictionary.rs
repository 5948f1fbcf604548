//! Files for the reader `state-dictionary`.
#![no_main]

beaa_fuzz::target!("state-dictionary");
