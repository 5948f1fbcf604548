//! Encrypted and clear side by side, integer by integer, for the owner of the model, of the images
//! and of both keys.

use beaa_ir::images::ImageMajor;
use beaa_ir::tfhe::{Program, SignatureFile, evaluate, quantise_pixels};
use serde::Serialize;
use tfhe::core_crypto::prelude::*;

use super::keys::KeyPair;
use super::{client, parameters, server};
use crate::{Progress, Result};

/// What was compared, and what was found.
#[derive(Debug, Clone, Serialize)]
pub struct Verification {
    /// Images that took part.
    pub images: usize,
    /// Integers compared: all that stages hand on, and the outputs.
    pub integers: usize,
    /// How many of these integers differ.
    pub wrong: usize,
    /// Sums that left the slots they were promised, in clear as under encryption.
    pub wrapped: usize,
    /// Standard deviation of the noise that bootstrapping left, log2 of the fraction of the torus.
    pub log2_noise: f64,
    /// The standard deviation that was predicted, in the same unit.
    pub log2_noise_predicted: f64,
    /// Wall-clock seconds of the encrypted run.
    pub seconds: f64,
    /// Outputs of each image, as decrypted.
    pub outputs: ImageMajor<i64>,
}

/// Encrypts images of 8-bit pixels, runs `program` on them, and compares every integer with the
/// program in clear. INSECURE with a `seed`.
///
/// # Errors
/// When the images are not of the program's size, there are none, or the keys have other parameters
/// than the program.
pub fn verify(
    program: &Program,
    KeyPair { client, server: key }: &KeyPair,
    images: &ImageMajor<u8>,
    seed: Option<u64>,
    progress: &dyn Progress,
) -> Result<Verification> {
    let file = SignatureFile::from(program);
    let signature = &file.signature;
    let clear: Vec<_> = images.rows().map(|p| evaluate(program, &quantise_pixels(signature.pixel_steps, p))).collect();
    let (input, _) = client::encrypt(&file, client, images, seed, progress)?;
    let (mut integers, mut wrong, mut squares) = (0, 0, 0.0);
    let mut observe = |image: usize, k: usize, values: &[Vec<u64>]| {
        let slots = program.slots_after(k);
        let expected = &clear[image].stages[k];
        assert_eq!(values.len(), expected.len(), "elements of stage {k}");
        for (words, &expected) in values.iter().zip(expected) {
            let ciphertext = LweCiphertext::from_container(words.as_slice(), parameters::modulus());
            let phase = decrypt_lwe_ciphertext(&client.large.lwe(), &ciphertext).0;
            // What is left of the expected point is noise, unless it is half a step away.
            let error = phase.wrapping_sub(parameters::point(expected, slots)) as i64;
            integers += 1;
            wrong += usize::from(error.unsigned_abs() > parameters::point(1, slots) / 2);
            squares += (error as f64 * (-64_f64).exp2()).powi(2);
        }
    };
    let (output, report) = server::run_observed(program, key, &input, progress, &mut observe)?;
    let log2_noise = (squares / integers.max(1) as f64).sqrt().log2();
    let outputs = client::integers(&file, client, &output)?;
    for (found, expected) in outputs.rows().zip(&clear) {
        integers += found.len();
        wrong += found.iter().zip(&expected.outputs).filter(|(a, b)| a != b).count();
    }
    Ok(Verification {
        images: images.images(),
        integers,
        wrong,
        wrapped: clear.iter().map(|c| c.wrapped).sum(),
        log2_noise,
        log2_noise_predicted: signature.parameters.bootstrap_variance().sqrt().log2(),
        seconds: report.seconds,
        outputs,
    })
}
