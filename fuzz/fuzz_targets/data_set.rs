//! Files for the reader `data-set`.
#![no_main]

beaa_fuzz::target!("data-set");
