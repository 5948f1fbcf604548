//! A program on encrypted test images, all in memory: what it costs and whether it says the same.

use anyhow::Result;
use beaa_datasets::Images;
use beaa_evaluation::Reporter;
use beaa_evaluation::metrics::{accuracy, agreeing, classification, largest_difference};
use beaa_evaluation::model_images::normalise;
use beaa_ir::ckks::{Program, SignatureFile};
use beaa_ir::images::ImageMajor;
use beaa_ir::stats::log2_product;
use beaa_runtime::ckks::{self, KeyPair};
use serde::{Deserialize, Serialize};

/// What one encrypted run measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EncryptedFigures {
    /// Test images encrypted.
    pub images: usize,
    /// Of the decrypted results on these, 0..1.
    pub accuracy: f64,
    /// Area under the receiver operating characteristic of the decrypted results, with two classes;
    /// none in rows of before it was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auc: Option<f64>,
    /// Of the student in clear on these, 0..1.
    pub clear: f64,
    /// Images that both give the same class.
    pub agreeing: usize,
    /// Largest difference of a logit to the student's; none if it is no number.
    pub largest_error: Option<f64>,
    /// The server's work.
    pub run_seconds: f64,
    /// `run_seconds` over all slots of all batches, whether they hold an image or not.
    pub milliseconds_per_image: f64,
    /// Threads that the run used.
    pub threads: usize,
    /// N: slots, that is images in a full batch.
    pub degree: usize,
    /// Primes of a fresh ciphertext.
    pub limbs: usize,
    /// log2 of the largest modulus that any published value is taken by.
    pub log2_qp: f64,
    /// Promised security in bits.
    pub security_bits: u32,
}

/// Encrypts `images`, in as many batches as they need, runs, decrypts and compares with `student`,
/// their logits in clear.
pub(super) fn measure(
    program: &Program,
    images: &Images,
    student: &ImageMajor<f32>,
    reporter: &dyn Reporter,
) -> Result<EncryptedFigures> {
    let signature = program.signature();
    let parameters = &signature.parameters;
    let inputs = normalise(images, &signature.input)?;
    let work = reporter.progress();
    let file = SignatureFile::from(program);
    let KeyPair { client, server } = ckks::keygen(signature, None)?;
    let (input, receipt) = ckks::encrypt(&file, &client, &inputs, None, &*work)?;
    reporter.check_interrupted("encrypting")?;
    let (output, run) = ckks::run(program, &server, &input, &*work)?;
    reporter.check_interrupted("the encrypted run")?;
    let answers = ckks::decrypt(&file, &client, &output, &receipt)?;
    let logits = answers.exact();
    let predicted = signature.classes.of(logits);
    assert_eq!(student.images(), images.len(), "logits in clear, one row for each image");
    let in_clear = signature.classes.of(student);
    let labels: Vec<usize> = images.labels().iter().map(|&label| usize::from(label)).collect();
    let figures = classification(&signature.classes, logits, &labels).zip(accuracy(&in_clear, &labels));
    let Some((encrypted, clear)) = figures else { unreachable!("a batch without images was encrypted") };
    let primes = || parameters.moduli.iter().chain(&parameters.special);
    Ok(EncryptedFigures {
        images: images.len(),
        accuracy: encrypted.accuracy,
        auc: encrypted.auc,
        clear,
        agreeing: agreeing(&predicted, &in_clear),
        largest_error: Some(largest_difference(logits.rows(), student.rows())).filter(|d| d.is_finite()),
        run_seconds: run.seconds,
        milliseconds_per_image: 1e3 * run.seconds / (input.batches() * parameters.degree) as f64,
        threads: rayon::current_num_threads(),
        degree: parameters.degree,
        limbs: parameters.moduli.len(),
        log2_qp: log2_product(primes()),
        security_bits: parameters.security,
    })
}
