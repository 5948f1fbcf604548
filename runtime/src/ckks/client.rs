//! What a client does: encrypt images, decrypt results. It needs the program's signature file, not
//! the model.

use beaa_ckks::{CiphertextId, Decryptor, Encoding, Encryptor, compress_b};
use beaa_ir::ckks::{SignatureFile, ValueInfo};
use beaa_ir::images::ImageMajor;
use rayon::prelude::*;

use super::ciphertexts::CiphertextHeader;
use super::keys::source;
use super::{ClientKey, EncryptedInput, EncryptedOutput};
use crate::files::{expect_key, expect_program};
use crate::{Error, Progress, Result};

/// Encrypts a batch of normalised images, their elements in the order channel, row, column:
/// ciphertext `i` holds element `i` of every image. INSECURE with a `seed`, from which all
/// randomness then comes.
///
/// # Errors
/// When there is no image or more than slots, an image is not of the program's size or out of
/// range, the key has other parameters than the program, or the system gives no randomness.
pub fn encrypt(
    file: &SignatureFile,
    key: &ClientKey,
    images: &ImageMajor<f32>,
    seed: Option<u64>,
    progress: &dyn Progress,
) -> Result<EncryptedInput> {
    let SignatureFile { signature, program, .. } = file;
    key.expect_parameters("encrypting images", &signature.parameters)?;
    let p = &key.parameters;
    let (len, limbs) = (signature.input.shape().len(), signature.input_limbs);
    if images.images() == 0 || images.images() > p.degree() {
        let slots = p.degree();
        return Err(Error::BatchSize { operation: "encrypting images", images: images.images(), slots });
    }
    if images.elements() != len {
        let found = images.elements();
        return Err(Error::ImageSize { operation: "encrypting images", found, expected: len });
    }
    // Values beyond the allowed ones would leave the range that the program was compiled for.
    let bound = signature.input.bound() * 1.001;
    let in_range = |v: &f32| v.is_finite() && v.abs() <= bound;
    if let Some(image) = images.rows().position(|values| !values.iter().all(in_range)) {
        return Err(Error::ImageRange { image, bound });
    }
    let mut rng = source(seed, "encryption")?;
    let public = rng.public_seed();
    let encryptor = Encryptor::new(p, &key.secret)?;
    let encoding = Encoding { scale: signature.input_scale, limbs };
    let sources = rng.split();
    progress.begin("encrypt", len as u64);
    let bytes = compress_b(p, limbs, len, |element| {
        let slots: Vec<f64> = images.rows().map(|image| f64::from(image[element])).collect();
        let index = element as u64;
        let b = encryptor.encrypt(&slots, encoding, CiphertextId { seed: public, index }, &mut sources.get(index));
        progress.advance(1);
        b
    })?;
    progress.end();
    let header = CiphertextHeader {
        program: program.clone(),
        key: key.id().into(),
        images: images.images(),
        ciphertexts: len,
        limbs,
        stored_components: 1,
        seed: Some(public),
    };
    Ok(EncryptedInput::new(header, bytes))
}

/// Half the width of the noise that hides the error of the program's results by a factor of
/// `2^bits`, for [`decrypt`].
///
/// # Errors
/// When there are not 0 to 60 bits, or the signature does not say how large the error is.
pub fn flooding_width(file: &SignatureFile, bits: f64) -> Result<f64> {
    if !(0.0..=60.0).contains(&bits) {
        return Err(Error::FloodingBits { found: bits });
    }
    let error = file.output_error.filter(|e| e.is_finite() && *e > 0.0).ok_or(Error::NoOutputError)?;
    Ok(error * bits.exp2())
}

/// Decrypts results: the outputs of each image, as the compiled network gives them. With `flood`,
/// adds noise uniform within plus or minus that much, so that results may be shared: without it a
/// published result can leak the key (Li and Micciancio 2021).
///
/// # Errors
/// When the results are of another program or under another key, when their file is damaged, when
/// `flood` is negative or not finite, or when the system gives no randomness.
pub fn decrypt(
    file: &SignatureFile,
    key: &ClientKey,
    output: &EncryptedOutput,
    flood: Option<f64>,
) -> Result<ImageMajor<f64>> {
    let SignatureFile { signature, program, .. } = file;
    if let Some(found) = flood.filter(|width| !width.is_finite() || *width < 0.0) {
        return Err(Error::FloodingWidth { found });
    }
    key.expect_parameters("decrypting results", &signature.parameters)?;
    expect_program("decrypting results", &output.header().program, program)?;
    expect_key("decrypting results", &output.header().key, key.id())?;
    let p = &key.parameters;
    let batch = output.packed(p)?.expand()?;
    let (len, limbs, components) = (batch.len(), batch.limbs(), batch.components());
    let outputs = signature.classes.outputs();
    if (len, limbs, components) != (outputs, signature.output_limbs, signature.output_components) {
        let scale = signature.output_scale;
        let found = ValueInfo { len, limbs, components, scale };
        let expected =
            ValueInfo { len: outputs, limbs: signature.output_limbs, components: signature.output_components, scale };
        return Err(Error::WrongShape { operation: "decrypting results", found, expected });
    }
    if output.images() > p.degree() {
        let slots = p.degree();
        return Err(Error::BatchSize { operation: "decrypting results", images: output.images(), slots });
    }
    let decryptor = Decryptor::new(p, &key.secret)?;
    let columns = (0..batch.len())
        .into_par_iter()
        .map(|i| Ok(decryptor.decrypt(&batch, i, signature.output_scale)?))
        .collect::<Result<Vec<_>>>()?;
    let mut rng = flood.map(|width| Ok::<_, crate::Error>((width, source(None, "flooding")?))).transpose()?;
    let mut noise = || rng.as_mut().map_or(0.0, |(width, rng)| *width * rng.symmetric());
    let mut outputs = Vec::with_capacity(output.images() * columns.len());
    for image in 0..output.images() {
        outputs.extend(columns.iter().map(|column| column[image] + noise()));
    }
    Ok(ImageMajor::new(output.images(), columns.len(), outputs)?)
}
