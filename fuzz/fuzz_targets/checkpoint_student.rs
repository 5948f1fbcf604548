//! Files for the reader `checkpoint-student`.
#![no_main]

beaa_fuzz::target!("checkpoint-student");
