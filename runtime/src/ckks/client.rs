//! What a client does: encrypt images, decrypt results. It needs the program's signature and fingerprint, not the
//! model. Must never write a plaintext anywhere.

use beaa_ckks::{CiphertextId, Decryptor, Encoding, Encryptor, compress_b};
use beaa_ir::ckks::{Signature, ValueInfo};
use rayon::prelude::*;

use super::ciphertexts::CiphertextHeader;
use super::keys::source;
use super::{ClientKey, EncryptedInput, EncryptedOutput};
use crate::files::{expect_key, expect_program};
use crate::{Error, Progress, Result};

/// Encrypts a batch of normalised images (channels, rows, columns): ciphertext `i` holds element `i` of every image.
/// `program` is the program's fingerprint. INSECURE with a `seed`.
pub fn encrypt(
    signature: &Signature,
    program: &str,
    key: &ClientKey,
    images: &[Vec<f32>],
    seed: Option<u64>,
    progress: &dyn Progress,
) -> Result<EncryptedInput> {
    key.expect_parameters("encrypting images", &signature.parameters)?;
    let p = &key.parameters;
    let (len, limbs) = (signature.input.shape().len(), signature.input_limbs);
    if images.is_empty() || images.len() > p.degree() {
        let slots = p.degree();
        return Err(Error::BatchSize { operation: "encrypting images", images: images.len(), slots });
    }
    // Values beyond the normalised pixel range would leave the range that the program was compiled for.
    let bound = signature.input.bound() * 1.001;
    for (image, values) in images.iter().enumerate() {
        if values.len() != len {
            let found = values.len();
            return Err(Error::ImageSize { operation: "encrypting images", image, found, expected: len });
        }
        if values.iter().any(|v| !v.is_finite() || v.abs() > bound) {
            return Err(Error::ImageRange { image, bound });
        }
    }
    let mut rng = source(seed, "encryption")?;
    let public = rng.public_seed();
    let encryptor = Encryptor::new(p, &key.secret)?;
    let encoding = Encoding { scale: signature.input_scale, limbs };
    let sources = rng.split();
    progress.begin("encrypt", len as u64);
    let bytes = compress_b(p, limbs, len, |element| {
        let slots: Vec<f64> = images.iter().map(|image| f64::from(image[element])).collect();
        let index = element as u64;
        let b = encryptor.encrypt(&slots, encoding, CiphertextId { seed: public, index }, &mut sources.get(index));
        progress.advance(1);
        b
    })?;
    progress.end();
    let header = CiphertextHeader {
        program: program.into(),
        key: key.id().into(),
        images: images.len(),
        ciphertexts: len,
        limbs,
        stored_components: 1,
        seed: Some(public),
    };
    Ok(EncryptedInput::new(header, bytes))
}

/// Decrypts results: for each image its outputs. With `flood`, adds noise uniform within plus or minus that much, so
/// that results may be shared: without it a published result can leak the key (Li and Micciancio 2021).
pub fn decrypt(
    signature: &Signature,
    program: &str,
    key: &ClientKey,
    output: &EncryptedOutput,
    flood: Option<f64>,
) -> Result<Vec<Vec<f64>>> {
    key.expect_parameters("decrypting results", &signature.parameters)?;
    expect_program("decrypting results", &output.header().program, program)?;
    expect_key("decrypting results", &output.header().key, key.id())?;
    let p = &key.parameters;
    let batch = output.packed(p)?.expand()?;
    let (len, limbs, components) = (batch.len(), batch.limbs(), batch.components());
    if (len, limbs, components) != (signature.outputs, signature.output_limbs, signature.output_components) {
        let scale = signature.output_scale;
        let found = ValueInfo { len, limbs, components, scale };
        let expected = ValueInfo {
            len: signature.outputs,
            limbs: signature.output_limbs,
            components: signature.output_components,
            scale,
        };
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
    Ok((0..output.images()).map(|i| columns.iter().map(|c| c[i] + noise()).collect()).collect())
}
