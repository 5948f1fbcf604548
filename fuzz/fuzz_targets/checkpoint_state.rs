//! Files for the reader `checkpoint-state`.
#![no_main]

beaa_fuzz::target!("checkpoint-state");
