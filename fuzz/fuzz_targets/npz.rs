//! Files for the reader `npz`.
#![no_main]

beaa_fuzz::target!("npz");
