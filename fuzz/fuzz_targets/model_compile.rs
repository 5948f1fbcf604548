//! Files for the reader `model-compile`.
#![no_main]

beaa_fuzz::target!("model-compile");
