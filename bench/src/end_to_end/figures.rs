//! What measuring one network end to end gives.

use serde::Serialize;

use crate::op_counts::{OperationFigures, PartFigures};
use crate::timing::TimeSample;

/// All figures of one network.
#[derive(Debug, Clone, Serialize)]
pub struct NetworkFigures {
    /// Its name.
    pub model: String,
    /// Ring degree N, the number of slots, all in use.
    pub degree: usize,
    /// Bits of all primes together.
    pub log_qp: f64,
    /// Bits of each prime; special ones come last.
    pub prime_bits: Vec<u32>,
    /// Bits of security.
    pub security: u32,
    /// Threads of the larger of the two runs.
    pub threads: usize,
    /// Seconds of the compiler, one thread.
    pub compile_seconds: f64,
    /// Seconds of key generation.
    pub keygen_seconds: f64,
    /// Seconds of encryption for all slots, one thread.
    pub encrypt: TimeSample,
    /// The same on all threads.
    pub encrypt_threads: TimeSample,
    /// Wall-clock seconds of the run, one thread.
    pub run: TimeSample,
    /// Processor seconds of the same: less where other programs want the core.
    pub run_processor: TimeSample,
    /// Wall-clock seconds on all threads.
    pub run_threads: TimeSample,
    /// Seconds of decryption, one thread.
    pub decrypt: TimeSample,
    /// Part by part: the fastest run on one thread, in processor seconds.
    pub parts: Vec<PartFigures>,
    /// The same operation by operation.
    pub operations: Vec<OperationFigures>,
    /// Seconds of the fastest run on one thread that no part accounts for: packing the answer.
    pub rest_seconds: f64,
    /// Predicted seconds of the whole run, one thread.
    pub predicted_seconds: f64,
    /// The part of it for packing the answer.
    pub predicted_rest_seconds: f64,
    /// Whether the rates behind the prediction were measured on this machine.
    pub calibrated: bool,
    /// Bytes of encrypted images.
    pub upload_bytes: u64,
    /// Bytes of the answer.
    pub answer_bytes: u64,
    /// Bytes of the evaluation key.
    pub key_bytes: u64,
    /// Bytes of ciphertexts at the worst moment, as planned.
    pub planned_bytes: u64,
    /// Peak of resident memory while running, if the system tells.
    pub peak_bytes: Option<u64>,
    /// Resident before the run: program, upload, images.
    pub before_bytes: Option<u64>,
    /// The same network in plain f32.
    pub plain: BaselineFigures,
    /// Largest difference between encrypted and plain outputs.
    pub largest_error: f64,
    /// Largest such difference that was allowed: so many predicted deviations.
    pub allowed_error: f64,
}

/// The baseline.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BaselineFigures {
    /// Seconds for one image, one core.
    pub seconds_per_image: f64,
    /// Images worked on at once.
    pub block: usize,
    /// Products of weights in a second.
    pub products_per_second: f64,
    /// Products of weights for one image.
    pub products: usize,
}

impl NetworkFigures {
    /// Milliseconds of a sample for each slot.
    pub fn per_image(&self, sample: &TimeSample) -> f64 {
        1e3 * sample.minimum / self.degree as f64
    }

    /// How much longer an image takes encrypted, both in processor seconds of one core.
    pub fn ratio(&self) -> f64 {
        self.run_processor.minimum / self.degree as f64 / self.plain.seconds_per_image
    }

    /// How much faster all threads are than one.
    pub fn speed_up(&self) -> f64 {
        self.run.minimum / self.run_threads.minimum
    }
}
