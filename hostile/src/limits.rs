//! What a process that reads may take.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// Bytes of address space of a reading process, all that it maps and its program included.
pub const ADDRESS_SPACE: u64 = 2 << 30;

/// What a reading process may take.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Time for one input.
    pub time: Duration,
    /// Bytes of address space.
    pub memory: u64,
    /// Where inputs that failed are kept.
    pub kept: PathBuf,
}

impl Default for Limits {
    fn default() -> Self {
        let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/hostile");
        // Long enough for a busy machine: honest work takes milliseconds.
        Self { time: Duration::from_secs(60), memory: ADDRESS_SPACE, kept: target }
    }
}
