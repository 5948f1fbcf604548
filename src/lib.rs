//! Encrypted inference of neural networks in batches: train, compile, encrypt, run, decrypt.
//!
//! This package is a library and, with the feature `command`, the command `beaa`.
