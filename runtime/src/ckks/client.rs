//! What a client does: encrypt images, decrypt results. It needs the program's signature file, not
//! the model.

use std::path::Path;

use beaa_base::output::OutputFile;
use beaa_ckks::{
    CiphertextId, Decryptor, Encoding, Encryptor, Parameters, PublicSeed, SecretRngs, compress_b, compress_b_in_pieces,
    compressed_len, compressing_bytes, noise,
};
use beaa_ir::ckks::{Signature, SignatureFile, ValueInfo};
use beaa_ir::compose_scattered;
use beaa_ir::container::Kind;
use beaa_ir::images::ImageMajor;
use beaa_ir::promise::Deviating;
use beaa_memory::Need;
use rayon::prelude::*;

use super::ciphertexts::CiphertextHeader;
use super::copies;
use super::{ClientKey, EncryptedInput, EncryptedOutput};
use crate::answers::outside;
use crate::error::operand;
use crate::files::{expect_key, expect_program};
use crate::randomness::{BatchContents, for_batch};
use crate::{Answers, BatchId, Error, Progress, Receipt, Result};

/// Polynomials of one limb that encrypting one element takes at its worst moment, beside its
/// result.
const POLYNOMIALS_PER_THREAD: usize = 8;
const DECRYPTING: &str = "decrypting results";

/// Encrypts a batch of normalised images, their elements in the order channel, row, column:
/// ciphertext `i` holds element `i` of every image. Slots that are left repeat images, so that
/// [`decrypt`] recognises forged answers; which, only the receipt says. INSECURE with a `seed`,
/// from which all randomness then comes.
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
) -> Result<(EncryptedInput, Receipt)> {
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
    let receipt = encryption.receipt();
    Ok((EncryptedInput::new(encryption.header, bytes), receipt))
}

/// A batch of encrypted images that is written, and has no name yet: its receipt comes first.
pub struct ComposedInput {
    file: OutputFile,
    bytes: u64,
}

impl ComposedInput {
    /// Gives the file its name, and returns its size in bytes.
    ///
    /// # Errors
    /// When the file cannot be completed.
    pub fn commit(self) -> Result<u64> {
        self.file.commit().map_err(beaa_ir::Error::from)?;
        Ok(self.bytes)
    }
}

/// Encrypts images as [`encrypt`] does, the same bytes, and writes them to a file as they are made:
/// the batch is never in memory as a whole.
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
) -> Result<(ComposedInput, Receipt)> {
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
    let (file, bytes) = compose_scattered(path, Kind::Ciphertexts, header, bytes, |payload| {
        compress_b_in_pieces(parameters, limbs, len, half, |offset, bytes| {
            let written = payload.write_at(offset, bytes);
            written.map_err(|source| {
                Error::File(beaa_ir::Error::Io { operation: "writing", path: path.to_path_buf(), source })
            })
        })
    })?;
    progress.end();
    Ok((ComposedInput { file, bytes }, encryption.receipt()))
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
    /// Images that are sent again in the slots that are left.
    copies: Vec<usize>,
    deviating: Vec<Deviating>,
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
        expect_allowed(signature, images)?;
        let deviating = signature.deviating(images)?;
        let contents = BatchContents { key: key.id(), program, images: images.images() };
        let numbers = images.rows().map(|image| image.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>());
        let mut rng = for_batch(seed, &contents, numbers)?;
        let public = rng.public_seed();
        let header = CiphertextHeader {
            program: program.clone(),
            key: key.id().into(),
            images: images.images(),
            ciphertexts: len,
            limbs,
            stored_components: 1,
            seed: Some(public),
            batch: Some(BatchId::of_seed(&public)),
            from_seed: seed.is_some() || key.is_from_seed(),
        };
        let encoding = Encoding { scale: signature.input_scale, limbs };
        let encryptor = Encryptor::new(p, &key.secret)?;
        let sources = rng.split();
        let copies = copies::drawn(images.images(), p.degree(), &mut rng);
        Ok(Self { parameters: p, images, encryptor, encoding, public, sources, header, copies, deviating })
    }

    fn receipt(&self) -> Receipt {
        let (copies, deviating) = (self.copies.clone(), self.deviating.clone());
        Receipt::new(BatchId::of_seed(&self.public), &self.header.belonging(), copies, deviating)
    }

    fn need(&self, more: u64) -> Result<Need> {
        need(self.parameters, self.header.limbs, self.header.ciphertexts, more)
    }

    /// The half `b` of one element's ciphertext, `[limb][N]`.
    fn half(&self, element: usize) -> beaa_ckks::Result<Vec<u64>> {
        let sent = (0..self.images.images()).chain(self.copies.iter().copied());
        let slots: Vec<f64> = sent.map(|i| f64::from(self.images.image(i)[element])).collect();
        let id = CiphertextId { seed: self.public, index: element as u64 };
        self.encryptor.encrypt(&slots, self.encoding, id, &mut self.sources.get(id.index))
    }
}

/// Refuses real numbers outside of the range of their channel, which may be far narrower than that
/// of another.
fn expect_allowed(signature: &Signature, images: &ImageMajor<f32>) -> Result<()> {
    if signature.input.reals().is_none() {
        return Ok(());
    }
    let allowed = signature.input.allowed_range();
    let plane = images.elements() / allowed.len();
    for (image, values) in images.rows().enumerate() {
        for (values, range) in values.chunks(plane).zip(&allowed) {
            let bound = range.min.abs().max(range.max.abs());
            let slack = bound * 1e-3;
            if !values.iter().all(|v| (range.min - slack..=range.max + slack).contains(v)) {
                return Err(Error::ImageRange { image, bound });
            }
        }
    }
    Ok(())
}

/// Decrypts the answers to the batch that `receipt` is of, and marks those that are none: outside
/// of what the program promises, or another one for the same image in another slot.
///
/// # Errors
/// When the answers are to another batch, of another program or under another key, when there are
/// more or fewer than images were sent, when they are not of the program's shape, were not computed
/// by a program, or their file is damaged.
pub fn decrypt(file: &SignatureFile, key: &ClientKey, output: &EncryptedOutput, receipt: &Receipt) -> Result<Answers> {
    receipt.expect(DECRYPTING, &output.header().belonging())?;
    let columns = open(file, key, output)?;
    let signature = &file.signature;
    let slots = receipt.images() + receipt.copies().len();
    if slots > key.parameters.degree() {
        return Err(Error::WrongCount { operation: DECRYPTING, found: slots, expected: key.parameters.degree() });
    }
    let promised = promised_error(file, &key.parameters);
    // Copies are judged by what was promised; what they show may only coarsen the answers.
    let all = rows(&columns, slots)?;
    let excluded: Vec<usize> = outside(&all, 0.0, signature.promise.as_ref()).iter().map(|o| o.image).collect();
    let found = copies::compare(&all, receipt, &excluded, promised)?;
    let error = promised.max(found.error.unwrap_or(0.0));
    let mut answers = Answers::new(rows(&columns, receipt.images())?, error, signature.promise.as_ref());
    answers.mark(found.disagreeing);
    Ok(answers)
}

/// Decrypts answers of which nothing is known but what they say themselves: a server may have made
/// them of anything, those to another batch included. Prefer [`decrypt`].
///
/// # Errors
/// As [`decrypt`], but for batch and number.
pub fn decrypt_without_receipt(file: &SignatureFile, key: &ClientKey, output: &EncryptedOutput) -> Result<Answers> {
    let columns = open(file, key, output)?;
    if !(1..=key.parameters.degree()).contains(&output.images()) {
        let slots = key.parameters.degree();
        return Err(Error::BatchSize { operation: DECRYPTING, images: output.images(), slots });
    }
    let error = promised_error(file, &key.parameters);
    Ok(Answers::new(rows(&columns, output.images())?, error, file.signature.promise.as_ref()))
}

/// The deviation of an output's error, as the program promises and at least that of the scheme's
/// last operation, which the parameters alone tell: a signature comes from the server.
pub(super) fn promised_error(file: &SignatureFile, parameters: &Parameters) -> f64 {
    file.output_error.unwrap_or(0.0).max(least_error(&file.signature, parameters))
}

/// Deviation of the noise that the last rescaling leaves in every output, or a fresh encryption
/// where nothing was rescaled.
fn least_error(signature: &Signature, parameters: &Parameters) -> f64 {
    let integers = if signature.output_limbs < signature.input_limbs {
        noise::rescale(parameters.degree(), signature.output_components)
    } else {
        noise::fresh(parameters.degree())
    };
    integers / signature.output_scale
}

/// The N slots of every output.
fn open(file: &SignatureFile, key: &ClientKey, output: &EncryptedOutput) -> Result<Vec<Vec<f64>>> {
    let SignatureFile { signature, program, .. } = file;
    key.expect_parameters(DECRYPTING, &signature.parameters)?;
    expect_program(DECRYPTING, &output.header().program, program)?;
    expect_key(DECRYPTING, &output.header().key, key.id())?;
    let p = &key.parameters;
    let batch = output.packed(p)?.expand()?;
    let (len, limbs, components) = (batch.len(), batch.limbs(), batch.components());
    let outputs = signature.classes.outputs();
    if (len, limbs, components) != (outputs, signature.output_limbs, signature.output_components) {
        let scale = signature.output_scale;
        let found = ValueInfo { len, limbs, components, scale };
        let expected =
            ValueInfo { len: outputs, limbs: signature.output_limbs, components: signature.output_components, scale };
        return Err(Error::WrongShape { operation: DECRYPTING, found, expected });
    }
    if batch.is_transparent() {
        return Err(Error::Transparent);
    }
    let decryptor = Decryptor::new(p, &key.secret)?;
    let column = |i| Ok(decryptor.decrypt(&batch, i, signature.output_scale)?);
    (0..batch.len()).into_par_iter().map(column).collect()
}

/// The outputs in the first `count` slots, slot by slot.
fn rows(columns: &[Vec<f64>], count: usize) -> Result<ImageMajor<f64>> {
    let slots = (0..count).flat_map(|slot| columns.iter().map(move |column| column[slot]));
    Ok(ImageMajor::new(count, columns.len(), slots.collect())?)
}
