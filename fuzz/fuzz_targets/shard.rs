//! Files for the reader `shard`.
#![no_main]

beaa_fuzz::target!("shard");
