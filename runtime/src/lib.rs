//! Runs programs on encrypted batches.
