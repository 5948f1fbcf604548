//! Files for the reader `training`.
#![no_main]

beaa_fuzz::target!("training");
