//! Files for the reader `checkpoint-optimiser`.
#![no_main]

beaa_fuzz::target!("checkpoint-optimiser");
