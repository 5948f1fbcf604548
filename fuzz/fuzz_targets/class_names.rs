//! Files for the reader `class-names`.
#![no_main]

beaa_fuzz::target!("class-names");
