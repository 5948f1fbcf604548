//! Files for the reader `folder`.
#![no_main]

beaa_fuzz::target!("folder");
