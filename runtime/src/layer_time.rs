//! Where the time of a run went, by layers and operations.

use serde::Serialize;

/// The time of one part of a run, or of all bands of one.
#[derive(Debug, Clone, Serialize)]
pub struct LayerTime {
    /// The model's layers that took part, joined by `+`.
    pub layer: String,
    /// The operations, joined by `+`.
    pub operation: String,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// Ciphertexts that resulted.
    pub ciphertexts: usize,
    /// The operations one by one, when several ran as one.
    pub operations: Vec<OperationTime>,
}

/// The time of one operation of a fused part.
#[derive(Debug, Clone, Serialize)]
pub struct OperationTime {
    /// The model's layer; `input` for the unpacking of what is read in place.
    pub layer: String,
    /// What was done.
    pub operation: String,
    /// Seconds, summed over threads.
    pub thread_seconds: f64,
}
