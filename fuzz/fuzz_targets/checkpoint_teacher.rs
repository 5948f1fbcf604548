//! Files for the reader `checkpoint-teacher`.
#![no_main]

beaa_fuzz::target!("checkpoint-teacher");
