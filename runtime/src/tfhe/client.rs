//! What a client of the tfhe backend does: encrypt images, decrypt results. It needs the program's
//! signature file, not the model.

use beaa_ir::images::ImageMajor;
use beaa_ir::tfhe::{PARAMETER_SET, SignatureFile, quantise_pixels};
use tfhe::core_crypto::commons::math::random::Seed;
use tfhe::core_crypto::prelude::*;

use super::ciphertexts::{self, CiphertextHeader, EncryptedInput, EncryptedOutput};
use super::keys::{self, ClientKey};
use super::parameters::{self, Seeds};
use crate::files::{expect_key, expect_program};
use crate::randomness::{BatchContents, for_batch};
use crate::receipt::SentBatch;
use crate::{Answers, BatchId, Error, Progress, Receipt, Result};

/// Encrypts images of 8-bit pixels in the order channel, row, column. INSECURE with a `seed`, from
/// which all randomness then comes.
///
/// # Errors
/// When there is no image, the images are not of the program's size, or the key has other
/// parameters than the program, or the system gives no randomness.
pub fn encrypt(
    file: &SignatureFile,
    key: &ClientKey,
    images: &ImageMajor<u8>,
    seed: Option<u64>,
    progress: &dyn Progress,
) -> Result<(EncryptedInput, Receipt)> {
    let SignatureFile { signature, program } = file;
    keys::expect("encrypting images", &key.parameters, &signature.parameters)?;
    let len = signature.input.shape().len();
    if images.images() == 0 {
        return Err(Error::NoImages { operation: "encrypting images" });
    }
    if images.elements() != len {
        let found = images.elements();
        return Err(Error::ImageSize { operation: "encrypting images", found, expected: len });
    }
    let deviating = signature.deviating(&signature.input.normalise_all(images)?)?;
    let points: Vec<u64> = quantise_pixels(signature.pixel_steps, images.data())
        .into_iter()
        .map(|v| parameters::point(v, signature.input_slots))
        .collect();
    let contents = BatchContents { key: key.id(), encoding: program, images: images.images() };
    let mut seeder = Seeds(for_batch(seed, &contents, images.rows())?);
    let public = seeder.seed().0;
    let (secret, size, noise) = if signature.input_large_key {
        (&key.large, parameters::large().to_lwe_size(), parameters::large_noise())
    } else {
        (&key.small, parameters::small().to_lwe_size(), parameters::small_noise())
    };
    let count = LweCiphertextCount(points.len());
    let mut list = SeededLweCiphertextListOwned::new(0, size, count, Seed(public).into(), parameters::modulus());
    progress.begin("encrypt", images.images() as u64);
    par_encrypt_seeded_lwe_ciphertext_list(
        &secret.lwe(),
        &mut list,
        &PlaintextList::from_container(points),
        noise,
        &mut seeder,
    );
    progress.advance(images.images() as u64);
    progress.end();
    let header = CiphertextHeader {
        program: program.clone(),
        key: key.id().into(),
        images: images.images(),
        seed: Some(format!("{public:032x}")),
        batch: Some(BatchId::of_seed(&public.to_be_bytes())),
        from_seed: seed.is_some() || key.is_from_seed(),
    };
    let batch = BatchId::of_seed(&public.to_be_bytes());
    let sent = SentBatch { batch, images: images.images(), copies: Vec::new() };
    let receipt = Receipt::new(program, key.id(), vec![sent], deviating, header.from_seed);
    Ok((EncryptedInput { header, bodies: list.into_container() }, receipt))
}

/// Decrypts the answers to the images that `receipt` is of, and marks those outside of what the
/// program promises.
///
/// # Errors
/// When the answers are to other images, of another program or under another key, when there are
/// more or fewer than images were sent, or when their file is damaged.
pub fn decrypt(file: &SignatureFile, key: &ClientKey, output: &EncryptedOutput, receipt: &Receipt) -> Result<Answers> {
    receipt.expect("decrypting results", &output.header.belonging())?;
    decrypt_without_receipt(file, key, output)
}

/// Decrypts answers of which nothing is known but what they say themselves: a server may have made
/// them of anything, those to other images included. Prefer [`decrypt`].
///
/// # Errors
/// As [`decrypt`], but for batch and number.
pub fn decrypt_without_receipt(file: &SignatureFile, key: &ClientKey, output: &EncryptedOutput) -> Result<Answers> {
    let signature = &file.signature;
    let integers = integers(file, key, output)?;
    let logits = integers.rows().map(|i| signature.logits(i));
    let logits = ImageMajor::from_rows(integers.elements(), logits)?;
    Ok(Answers::new(logits, 0.0, signature.promise.as_ref()))
}

/// Decrypts the output integers of each image.
pub(super) fn integers(file: &SignatureFile, key: &ClientKey, output: &EncryptedOutput) -> Result<ImageMajor<i64>> {
    let SignatureFile { signature, program } = file;
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
    let integers = output.words.chunks(size).map(integer).collect();
    Ok(ImageMajor::new(output.images(), outputs, integers)?)
}
