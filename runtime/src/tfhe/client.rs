//! What a client of the `tfhe` backend does: encrypt images, decrypt results. It needs the program's signature and fingerprint, not the
//! model. Must never write a plaintext anywhere.

use beaa_ir::tfhe::{PARAMETER_SET, Signature, quantise_pixels};
use tfhe::core_crypto::commons::math::random::Seed;
use tfhe::core_crypto::prelude::*;

use super::ciphertexts::{self, CiphertextHeader, EncryptedInput, EncryptedOutput};
use super::keys::{self, ClientKey};
use super::parameters;
use crate::files::{expect_key, expect_program};
use crate::{Error, Progress, Result};

/// Encrypts images of 8-bit pixels (channels, rows, columns). `program` is the program's fingerprint, `large_key` whether its first stage
/// takes off bits. INSECURE with a `seed`.
pub fn encrypt(
    signature: &Signature,
    program: &str,
    key: &ClientKey,
    images: &[&[u8]],
    seed: Option<u64>,
    progress: &dyn Progress,
) -> Result<EncryptedInput> {
    keys::expect("encrypting images", &key.parameters, &signature.parameters)?;
    let len = signature.input.shape().len();
    if images.is_empty() {
        return Err(Error::NoImages { operation: "encrypting images" });
    }
    if let Some((image, pixels)) = images.iter().enumerate().find(|(_, pixels)| pixels.len() != len) {
        let found = pixels.len();
        return Err(Error::ImageSize { operation: "encrypting images", image, found, expected: len });
    }
    let points: Vec<u64> = images
        .iter()
        .flat_map(|pixels| quantise_pixels(signature.pixel_steps, pixels))
        .map(|v| parameters::point(v, signature.input_slots))
        .collect();
    let mut seeder = parameters::seeder(seed, 2);
    let public = seeder.seed().0;
    let (secret, size) = match signature.input_large_key {
        true => (&key.large, parameters::large().to_lwe_size()),
        false => (&key.small, parameters::small().to_lwe_size()),
    };
    let count = LweCiphertextCount(points.len());
    let mut list = SeededLweCiphertextListOwned::new(0, size, count, Seed(public).into(), parameters::modulus());
    let noise = if signature.input_large_key { parameters::large_noise() } else { parameters::small_noise() };
    progress.begin("encrypt", images.len() as u64);
    par_encrypt_seeded_lwe_ciphertext_list(
        &secret.lwe(),
        &mut list,
        &PlaintextList::from_container(points),
        noise,
        seeder.as_mut(),
    );
    progress.advance(images.len() as u64);
    progress.end();
    let header = CiphertextHeader {
        program: program.into(),
        key: key.id().into(),
        images: images.len(),
        seed: Some(format!("{public:032x}")),
    };
    Ok(EncryptedInput { header, bodies: list.into_container() })
}

/// Decrypts results: for each image its output integers. [`Signature::logits`] makes numbers of them.
pub fn decrypt(
    signature: &Signature,
    program: &str,
    key: &ClientKey,
    output: &EncryptedOutput,
) -> Result<Vec<Vec<i64>>> {
    keys::expect("decrypting results", &key.parameters, &signature.parameters)?;
    let (outputs, size) = (signature.output_scale.len(), PARAMETER_SET.polynomial_size + 1);
    expect_program("decrypting results", &output.header.program, program)?;
    expect_key("decrypting results", &output.header.key, key.id())?;
    ciphertexts::expect_words("decrypting results", &output.header, output.words.len(), outputs * size)?;
    let shift = 64 - signature.output_bits;
    let integer = |words: &[u64]| {
        let ciphertext = LweCiphertext::from_container(words, parameters::modulus());
        let phase = decrypt_lwe_ciphertext(&key.large.lwe(), &ciphertext).0;
        // To the nearest multiple, then as a signed number.
        (phase.wrapping_add(1 << (shift - 1)) as i64) >> shift
    };
    Ok(output.words.chunks(outputs * size).map(|image| image.chunks(size).map(integer).collect()).collect())
}
