//! The figures of one run of the demo, as in `report.json`. Plain data; must never compute more than a sum.

use serde::Serialize;

/// Everything that the table on top of the report says.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Summary {
    /// The release of `beaa`.
    pub(crate) version: &'static str,
    /// Name of the experiment.
    pub(crate) experiment: String,
    /// What replaced the ReLU.
    pub(crate) activation: String,
    /// Threads used.
    pub(crate) threads: usize,
    /// The images.
    pub(crate) data: DataFigures,
    /// Fractions classified right.
    pub(crate) accuracy: Accuracies,
    /// Encrypted predictions against the student's in clear.
    pub(crate) agreement: Agreement,
    /// Distances of logits.
    pub(crate) logit_error: Errors,
    /// Wall-clock of each step, in order.
    pub(crate) steps: Vec<StepTime>,
    /// The encrypted run divided by images.
    pub(crate) per_image: PerImage,
    /// Of the scheme.
    pub(crate) parameters: ParameterFigures,
    /// What travels.
    pub(crate) bytes: Sizes,
    /// Peaks of resident memory.
    pub(crate) memory: MemoryFigures,
    /// Whether every layer's error and range are as the compiler promised.
    pub(crate) verified: bool,
}

/// The images.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct DataFigures {
    /// Name of the set.
    pub(crate) name: String,
    /// Names of the classes.
    pub(crate) classes: Vec<String>,
    /// Images trained on.
    pub(crate) train: usize,
    /// Images for validation.
    pub(crate) validation: usize,
    /// Test images that were encrypted.
    pub(crate) encrypted: usize,
    /// Fingerprint of the whole set.
    pub(crate) checksum: String,
}

/// Fractions of the encrypted images classified right, 0..1.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Accuracies {
    /// The ReLU network, in clear.
    pub(crate) teacher: Option<f64>,
    /// The network without ReLU, in clear.
    pub(crate) student: Option<f64>,
    /// The same on ciphertexts.
    pub(crate) encrypted: Option<f64>,
}

/// Predictions that are the same.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Agreement {
    /// Images with the same prediction.
    pub(crate) agreeing: usize,
    /// Images compared.
    pub(crate) images: usize,
}

/// Largest absolute differences of logits.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Errors {
    /// Encrypted against the student in clear: rounding of weights and encryption.
    pub(crate) against_student: f64,
    /// Encrypted against the compiled program in clear: encryption alone.
    pub(crate) against_program: f64,
}

/// One step of the demo.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct StepTime {
    /// What was done.
    pub(crate) step: String,
    /// Wall-clock.
    pub(crate) seconds: f64,
    /// Largest resident size meanwhile, where the system tells.
    pub(crate) peak_bytes: Option<u64>,
}

/// Milliseconds of the encrypted run for each image.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct PerImage {
    /// Run time divided by the images that were in the batch.
    pub(crate) milliseconds_sent: f64,
    /// Run time divided by the slots: what an image costs when the batch is full. The run takes the same time either way.
    pub(crate) milliseconds_full_batch: f64,
}

/// Parameters of the scheme.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ParameterFigures {
    /// N: ring degree and number of slots.
    pub(crate) degree: usize,
    /// log2 of the largest modulus that any published value is taken by.
    pub(crate) log2_qp: f64,
    /// Widths of the primes, in bits.
    pub(crate) prime_bits: Vec<u32>,
    /// Promised security.
    pub(crate) security_bits: u32,
}

/// Bytes that travel.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Sizes {
    /// Client to server, once.
    pub(crate) evaluation_key: u64,
    /// Client to server, for the batch.
    pub(crate) input: u64,
    /// Server to client, for the batch.
    pub(crate) output: u64,
    /// Input divided by the images sent.
    pub(crate) input_per_image_sent: f64,
    /// Input divided by the slots.
    pub(crate) input_per_image_full_batch: f64,
}

/// Peaks of resident memory, where the system tells.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct MemoryFigures {
    /// Of the whole demo, training included.
    pub(crate) peak: Option<u64>,
    /// Of the encrypted run alone.
    pub(crate) peak_run: Option<u64>,
    /// Of the encrypted run's ciphertexts, as planned before it.
    pub(crate) planned_run: u64,
}
