//! Files for the reader `evaluation-key`.
#![no_main]

beaa_fuzz::target!("evaluation-key");
