//! How to measure, whatever is measured.

use beaa_compiler::ckks::Options;

/// How the caller reads the resident memory of this process, as far as the system tells.
#[derive(Clone, Copy)]
pub struct MemoryProbe {
    /// Starts measuring the peak anew and says whether that worked.
    pub reset: fn() -> bool,
    /// Returns the peak since then, in bytes.
    pub peak: fn() -> Option<u64>,
}

/// How to measure a network.
pub struct BenchSettings {
    /// Options of the compiler.
    pub options: Options,
    /// The larger of the two numbers of threads; the other is one.
    pub threads: usize,
    /// Whether to repeat less, for rough figures sooner.
    pub quick: bool,
    /// Seed of images, and of keys, which protect nothing here.
    pub seed: u64,
    /// Reads the resident memory.
    pub memory: MemoryProbe,
}
