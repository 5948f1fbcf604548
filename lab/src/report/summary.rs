//! The figures of one run of the demonstration, as in `report.json`: plain data.

use beaa_evaluation::metrics::Classification;
use beaa_trainer::StudentActivation;
use serde::Serialize;

/// Everything that the table on top of the report says.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// The release of `beaa`.
    pub version: &'static str,
    /// Name of the experiment.
    pub experiment: String,
    /// What replaced the ReLU.
    pub activation: StudentActivation,
    /// Threads used.
    pub threads: usize,
    /// The images.
    pub data: DataFigures,
    /// Fractions classified right.
    pub accuracy: Accuracies,
    /// What stands behind the accuracy on ciphertexts.
    pub encrypted: Option<Classification>,
    /// Encrypted predictions against the student's in clear.
    pub agreement: Agreement,
    /// Distances of logits.
    pub logit_error: Errors,
    /// Wall-clock of each step, in order.
    pub steps: Vec<StepTime>,
    /// The encrypted run divided by images.
    pub per_image: PerImage,
    /// Of the scheme.
    pub parameters: ParameterFigures,
    /// What travels.
    pub bytes: Sizes,
    /// Peaks of resident memory.
    pub memory: MemoryFigures,
    /// Whether every layer's error and range are as the compiler promised.
    pub verified: bool,
}

/// The images.
#[derive(Debug, Clone, Serialize)]
pub struct DataFigures {
    /// Name of the set.
    pub name: String,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Images trained on.
    pub train: usize,
    /// Images for validation.
    pub validation: usize,
    /// Test images that were encrypted.
    pub encrypted: usize,
    /// Fingerprint of the whole set.
    pub checksum: String,
}

/// Fractions of the encrypted images classified right, 0..1.
#[derive(Debug, Clone, Serialize)]
pub struct Accuracies {
    /// The ReLU network, in clear.
    pub teacher: Option<f64>,
    /// The network without ReLU, in clear.
    pub student: Option<f64>,
    /// The same on ciphertexts.
    pub encrypted: Option<f64>,
}

/// Predictions that are the same.
#[derive(Debug, Clone, Serialize)]
pub struct Agreement {
    /// Images with the same prediction.
    pub agreeing: usize,
    /// Images compared.
    pub images: usize,
}

/// Largest absolute differences of logits.
#[derive(Debug, Clone, Serialize)]
pub struct Errors {
    /// Encrypted against the student in clear: rounding of weights and encryption.
    pub against_student: f64,
    /// Encrypted against the compiled program in clear: encryption alone.
    pub against_program: f64,
}

/// One step of the demo.
#[derive(Debug, Clone, Serialize)]
pub struct StepTime {
    /// What was done.
    pub step: String,
    /// Wall-clock.
    pub seconds: f64,
    /// Largest resident size meanwhile, where the system tells.
    pub peak_bytes: Option<u64>,
}

/// Milliseconds of the encrypted run for each image.
#[derive(Debug, Clone, Serialize)]
pub struct PerImage {
    /// Run time divided by the images that were in the batch.
    pub milliseconds_sent: f64,
    /// Run time divided by the slots: what an image costs when the batch is full. The run takes the
    /// same time either way.
    pub milliseconds_full_batch: f64,
}

/// Parameters of the scheme.
#[derive(Debug, Clone, Serialize)]
pub struct ParameterFigures {
    /// N: ring degree and number of slots.
    pub degree: usize,
    /// log2 of the largest modulus that any published value is taken by.
    pub log2_qp: f64,
    /// Widths of the primes, in bits.
    pub prime_bits: Vec<u32>,
    /// Promised security.
    pub security_bits: u32,
}

/// Bytes that travel.
#[derive(Debug, Clone, Serialize)]
pub struct Sizes {
    /// Client to server, once.
    pub evaluation_key: u64,
    /// Client to server, for the batch.
    pub input: u64,
    /// Server to client, for the batch.
    pub output: u64,
    /// Input divided by the images sent.
    pub input_per_image_sent: f64,
    /// Input divided by the slots.
    pub input_per_image_full_batch: f64,
}

/// Peaks of resident memory, where the system tells.
#[derive(Debug, Clone, Serialize)]
pub struct MemoryFigures {
    /// Of the whole demo, training included.
    pub peak: Option<u64>,
    /// Of the encrypted run alone.
    pub peak_run: Option<u64>,
    /// Of the encrypted run's ciphertexts, as planned before it.
    pub planned_run: u64,
}
