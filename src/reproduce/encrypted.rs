//! A program on encrypted test images, all in memory: what it costs and whether it says the same. Must never write a key.

use anyhow::Result;
use beaa_datasets::Images;
use beaa_ir::ckks::{Program, program_hash};
use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::progress::Work;
use crate::score::{accuracy, agreeing, largest_difference, predictions};
use crate::selection::normalise;

/// Figures of one encrypted run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Encrypted {
    /// Test images encrypted.
    pub(crate) images: usize,
    /// Of the decrypted results on these, 0..1.
    pub(crate) accuracy: f64,
    /// Of the student in clear on these, 0..1.
    pub(crate) clear: f64,
    /// Images that both give the same class.
    pub(crate) agreeing: usize,
    /// Largest difference of a logit to the student's; none if it is no number.
    pub(crate) largest_error: Option<f64>,
    /// The server's work.
    pub(crate) run_seconds: f64,
    /// `run_seconds` over all slots, whether sent or not.
    pub(crate) milliseconds_per_image: f64,
    pub(crate) threads: usize,
    /// N: slots, that is images in a full batch.
    pub(crate) degree: usize,
    pub(crate) limbs: usize,
    pub(crate) log2_qp: f64,
    pub(crate) security_bits: u32,
}

/// Encrypts as many of `images` as fit, runs, decrypts and compares with `student`, the logits in clear.
pub(super) fn measure(
    program: &Program,
    images: &Images,
    student: &[Vec<f32>],
    context: &Context,
) -> Result<Encrypted> {
    let signature = program.signature();
    let parameters = &signature.parameters;
    let images = images.take(parameters.degree);
    let inputs = normalise(&images, &signature.input)?;
    let work = Work::new(&context.console);
    let hash = program_hash(program);
    let (client, server) = beaa_runtime::keygen(parameters, None)?;
    let input = beaa_runtime::encrypt(signature, &hash, &client, &inputs, None, &work)?;
    context.go_on("encrypting")?;
    let (output, run) = beaa_runtime::run(program, &server, &input, &work)?;
    context.go_on("the encrypted run")?;
    let logits = beaa_runtime::decrypt(signature, &hash, &client, &output, None)?;
    let predicted = predictions(&logits);
    let student = student.get(..images.len()).unwrap_or(student);
    let in_clear = predictions(student);
    let right = |p: &[usize]| accuracy(p, images.labels()).unwrap_or(0.0);
    let primes = || parameters.moduli.iter().chain(&parameters.special);
    Ok(Encrypted {
        images: images.len(),
        accuracy: right(&predicted),
        clear: right(&in_clear),
        agreeing: agreeing(&predicted, &in_clear),
        largest_error: Some(largest_difference(&logits, student)).filter(|d| d.is_finite()),
        run_seconds: run.seconds,
        milliseconds_per_image: 1e3 * run.seconds / parameters.degree as f64,
        threads: rayon::current_num_threads(),
        degree: parameters.degree,
        limbs: parameters.moduli.len(),
        log2_qp: primes().map(|&q| (q as f64).log2()).sum(),
        security_bits: parameters.security,
    })
}
