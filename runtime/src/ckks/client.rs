//! What a client does: encrypt images, decrypt results. It needs the program's signature file, not
//! the model.

use std::path::Path;

use beaa_ckks::{
    CiphertextId, Decryptor, Encoding, Encryptor, Parameters, PublicSeed, SecretRngs, compress_b, compress_b_in_pieces,
    compressed_len, compressing_bytes,
};
use beaa_ir::ckks::{SignatureFile, ValueInfo};
use beaa_ir::container::Kind;
use beaa_ir::images::ImageMajor;
use beaa_ir::write_scattered;
use beaa_memory::Need;
use rayon::prelude::*;

use super::ciphertexts::CiphertextHeader;
use super::keys::source;
use super::{ClientKey, EncryptedInput, EncryptedOutput};
use crate::error::operand;
use crate::files::{expect_key, expect_program};
use crate::{Error, Progress, Result};

/// Polynomials of one limb that encrypting one element takes at its worst moment, beside its result.
const POLYNOMIALS_PER_THREAD: usize = 8;

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
    let encryption = Encryption::new(file, key, images, seed)?;
    let Encryption { parameters, header, .. } = &encryption;
    let all = compressed_len(parameters, header.limbs, 1, header.ciphertexts)?.unwrap_or(u64::MAX);
    encryption.need(all)?.check()?;
    progress.begin("encrypt", header.ciphertexts as u64);
    let bytes = compress_b(parameters, header.limbs, header.ciphertexts, |element| {
        let half = encryption.half(element);
        progress.advance(1);
        half
    })?;
    progress.end();
    Ok(EncryptedInput::new(encryption.header, bytes))
}

/// Encrypts images as [`encrypt`] does, the same bytes, and writes them to a file as they are made:
/// the batch is never in memory as a whole. Returns the size of the file in bytes.
///
/// # Errors
/// As [`encrypt`], and when the file cannot be written.
pub fn encrypt_to_file(
    path: &Path,
    file: &SignatureFile,
    key: &ClientKey,
    images: &ImageMajor<f32>,
    seed: Option<u64>,
    progress: &dyn Progress,
) -> Result<u64> {
    let encryption = Encryption::new(file, key, images, seed)?;
    let Encryption { parameters, header, .. } = &encryption;
    encryption.need(0)?.check()?;
    let (limbs, len) = (header.limbs, header.ciphertexts);
    let bytes = compressed_len(parameters, limbs, 1, len)?
        .ok_or_else(|| operand(format!("{len} ciphertexts"), "no more than a file holds"))?;
    progress.begin("encrypt", len as u64);
    let half = |element| {
        let half = encryption.half(element);
        progress.advance(1);
        half
    };
    let size = write_scattered(path, Kind::Ciphertexts, header, bytes, |payload| {
        compress_b_in_pieces(parameters, limbs, len, half, |offset, bytes| {
            let written = payload.write_at(offset, bytes);
            written.map_err(|source| {
                Error::File(beaa_ir::Error::Io { operation: "writing", path: path.to_path_buf(), source })
            })
        })
    })?;
    progress.end();
    Ok(size)
}

/// The bytes that [`encrypt_to_file`] takes at its worst moment, beside the images.
///
/// # Errors
/// When the key has other parameters than the program.
pub fn encryption_bytes(file: &SignatureFile, key: &ClientKey) -> Result<u64> {
    let signature = &file.signature;
    key.expect_parameters("encrypting images", &signature.parameters)?;
    Ok(need(&key.parameters, signature.input_limbs, signature.input.shape().len(), 0)?.resident())
}

/// The work on pieces of `len` ciphertexts, what each thread takes, and so many bytes more.
fn need(parameters: &Parameters, limbs: usize, len: usize, more: u64) -> Result<Need> {
    // A thread holds the slots, what encoding makes of them, and the residues of one prime.
    let per_thread = (POLYNOMIALS_PER_THREAD * parameters.degree() * size_of::<u64>()) as u64;
    let threads = rayon::current_num_threads() as u64 * per_thread;
    let bytes = compressing_bytes(parameters, limbs, len)?.saturating_add(threads).saturating_add(more);
    Ok(Need::new("encrypting images", bytes, "encrypt to a file, fewer images at a time"))
}

/// A batch that is being encrypted, element by element.
struct Encryption<'a> {
    parameters: &'a Parameters,
    images: &'a ImageMajor<f32>,
    encryptor: Encryptor<'a>,
    encoding: Encoding,
    public: PublicSeed,
    sources: SecretRngs,
    header: CiphertextHeader,
}

impl<'a> Encryption<'a> {
    fn new(file: &SignatureFile, key: &'a ClientKey, images: &'a ImageMajor<f32>, seed: Option<u64>) -> Result<Self> {
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
        // Values beyond the normalised pixel range would leave the range that the program was
        // compiled for.
        let bound = signature.input.bound() * 1.001;
        let in_range = |v: &f32| v.is_finite() && v.abs() <= bound;
        if let Some(image) = images.rows().position(|values| !values.iter().all(in_range)) {
            return Err(Error::ImageRange { image, bound });
        }
        let mut rng = source(seed, "encryption")?;
        let public = rng.public_seed();
        let header = CiphertextHeader {
            program: program.clone(),
            key: key.id().into(),
            images: images.images(),
            ciphertexts: len,
            limbs,
            stored_components: 1,
            seed: Some(public),
        };
        let encoding = Encoding { scale: signature.input_scale, limbs };
        let encryptor = Encryptor::new(p, &key.secret)?;
        Ok(Self { parameters: p, images, encryptor, encoding, public, sources: rng.split(), header })
    }

    fn need(&self, more: u64) -> Result<Need> {
        need(self.parameters, self.header.limbs, self.header.ciphertexts, more)
    }

    /// The half `b` of one element's ciphertext, `[limb][N]`.
    fn half(&self, element: usize) -> beaa_ckks::Result<Vec<u64>> {
        let slots: Vec<f64> = self.images.rows().map(|image| f64::from(image[element])).collect();
        let id = CiphertextId { seed: self.public, index: element as u64 };
        self.encryptor.encrypt(&slots, self.encoding, id, &mut self.sources.get(id.index))
    }
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
