//! Encrypting images: as many batches as hold them, each ciphertext by ciphertext, in memory or
//! straight to a file.

use std::ops::Range;
use std::path::Path;

use beaa_ckks::{
    CiphertextId, Encoding, Encryptor, Parameters, PublicSeed, SecretRngs, compress_b, compress_b_in_pieces,
    compressed_len, compressing_bytes,
};
use beaa_ir::ckks::{Signature, SignatureFile};
use beaa_ir::compose_scattered;
use beaa_ir::container::Kind;
use beaa_ir::images::ImageMajor;
use beaa_ir::promise::Deviating;
use beaa_memory::Need;

use super::batches::{self, ImageSource};
use super::ciphertexts::ComposedCiphertexts;
use super::header::{BatchHeader, CiphertextHeader, Common};
use super::slots::PackedSlots;
use super::{ClientKey, EncryptedInput, copies};
use crate::error::operand;
use crate::progress::{Numbered, go_on};
use crate::randomness::{BatchContents, for_batch};
use crate::receipt::SentBatch;
use crate::{BatchId, Error, Progress, Receipt, Result};

/// Polynomials of one limb that encrypting one element takes at its worst moment, beside its
/// result.
const POLYNOMIALS_PER_THREAD: usize = 8;
const ENCRYPTING: &str = "encrypting images";

/// Encrypts normalised images, their elements in the order channel, row, column: in each batch,
/// ciphertext `i` holds the `i`-th element that the program reads of every image, or the elements
/// that the program packs into it. More images than a batch holds become several batches, as few as
/// hold them. Slots that are left repeat images, so that
/// [`decrypt`](super::decrypt) recognises forged answers; which, only the receipt says. INSECURE
/// with a `seed`, from which all randomness then comes.
///
/// # Errors
/// When there is no image, an image is not of the program's size or out of range, the key has other
/// parameters than the program, or the system gives no randomness; when images cannot be read.
pub fn encrypt<S: ImageSource + ?Sized>(
    file: &SignatureFile,
    key: &ClientKey,
    images: &S,
    seed: Option<u64>,
    progress: &dyn Progress,
) -> std::result::Result<(EncryptedInput, Receipt), S::Error> {
    let encryption = Encryption::new(file, key, images, seed)?;
    let Encryption { parameters, header, batches, .. } = &encryption;
    let all = encryption.batch_bytes()?.saturating_mul(batches.len() as u64);
    encryption.need(all)?.check().map_err(Error::from)?;
    let (mut pieces, mut deviating) = (Vec::with_capacity(batches.len()), Vec::new());
    for (number, batch) in batches.iter().enumerate() {
        let inputs = images.read(batch.images.clone())?;
        deviating.extend(encryption.check(batch, &inputs)?);
        let progress = Numbered::new(progress, number, batches.len());
        progress.begin("encrypt", header.ciphertexts as u64);
        pieces.push(compress_b(parameters, header.limbs, header.ciphertexts, |ciphertext, half| {
            go_on(&progress, ENCRYPTING)?;
            encryption.half(batch, &inputs, ciphertext, half)?;
            progress.advance(1);
            Ok::<_, Error>(())
        })?);
        progress.end();
    }
    let receipt = encryption.receipt(deviating);
    Ok((EncryptedInput::new(encryption.header, pieces), receipt))
}

/// Encrypts images as [`encrypt`] does, the same bytes, and writes them to a file as they are made:
/// the ciphertexts are never in memory as a whole, and of the images no more than one batch.
///
/// # Errors
/// As [`encrypt`], when images cannot be read, and when the file cannot be written.
pub fn encrypt_to_file<S: ImageSource + ?Sized>(
    path: &Path,
    file: &SignatureFile,
    key: &ClientKey,
    images: &S,
    seed: Option<u64>,
    progress: &dyn Progress,
) -> std::result::Result<(ComposedCiphertexts, Receipt), S::Error> {
    let encryption = Encryption::new(file, key, images, seed)?;
    let Encryption { parameters, header, batches, .. } = &encryption;
    encryption.need(0)?.check().map_err(Error::from)?;
    let (limbs, len, each) = (header.limbs, header.ciphertexts, encryption.batch_bytes()?);
    let bytes = each
        .checked_mul(batches.len() as u64)
        .ok_or_else(|| operand(format!("{len} ciphertexts"), "no more than a file holds"))?;
    let mut deviating = Vec::new();
    let written = compose_scattered(path, Kind::Ciphertexts, header, bytes, |payload| {
        for (number, batch) in batches.iter().enumerate() {
            let inputs = images.read(batch.images.clone())?;
            deviating.extend(encryption.check(batch, &inputs)?);
            let (progress, start) = (Numbered::new(progress, number, batches.len()), number as u64 * each);
            progress.begin("encrypt", len as u64);
            let half = |ciphertext, half: &mut [u64]| {
                go_on(&progress, ENCRYPTING)?;
                encryption.half(batch, &inputs, ciphertext, half)?;
                progress.advance(1);
                Ok::<_, Error>(())
            };
            compress_b_in_pieces(parameters, limbs, len, half, |offset, bytes| {
                payload.write_at(start + offset, bytes).map_err(Error::from)
            })?;
            progress.end();
        }
        Ok::<(), S::Error>(())
    });
    let (file, bytes) = written?;
    Ok((ComposedCiphertexts::new(file, bytes), encryption.receipt(deviating)))
}

/// The bytes that [`encrypt_to_file`] takes at its worst moment, beside the images.
///
/// # Errors
/// When the key has other parameters than the program.
pub fn encryption_bytes(file: &SignatureFile, key: &ClientKey) -> Result<u64> {
    let signature = &file.signature;
    key.expect_parameters(ENCRYPTING, &signature.parameters)?;
    Ok(need(&key.parameters, signature.input_limbs, signature.input_ciphertexts(), 0)?.resident())
}

/// The work on pieces of `len` ciphertexts, what each thread takes, and so many bytes more.
fn need(parameters: &Parameters, limbs: usize, len: usize, more: u64) -> Result<Need> {
    // A thread holds the slots, what encoding makes of them, and the residues of one prime.
    let per_thread = (POLYNOMIALS_PER_THREAD * parameters.degree() * size_of::<u64>()) as u64;
    let threads = rayon::current_num_threads() as u64 * per_thread;
    let bytes = compressing_bytes(parameters, limbs, len)?.saturating_add(threads).saturating_add(more);
    Ok(Need::new(ENCRYPTING, bytes, "encrypt to a file, fewer images at a time"))
}

/// Batches that are being encrypted, element by element.
struct Encryption<'a> {
    signature: &'a Signature,
    parameters: &'a Parameters,
    encryptor: Encryptor,
    encoding: Encoding,
    header: CiphertextHeader,
    /// Where each element that is read is in an image.
    positions: Vec<usize>,
    /// Where it is in ciphertexts that hold several of them.
    packed: Option<PackedSlots<'a>>,
    batches: Vec<PlannedBatch>,
}

/// What is drawn for a batch before it is encrypted.
struct PlannedBatch {
    /// Which of all images it holds.
    images: Range<usize>,
    public: PublicSeed,
    sources: SecretRngs,
    /// Images that are sent again in the slots that are left.
    copies: Vec<usize>,
}

impl<'a> Encryption<'a> {
    /// Draws what each batch needs. With a seed, that depends on the images, which are then read
    /// twice.
    fn new<S: ImageSource + ?Sized>(
        file: &'a SignatureFile,
        key: &'a ClientKey,
        images: &S,
        seed: Option<u64>,
    ) -> std::result::Result<Self, S::Error> {
        let SignatureFile { signature, program, .. } = file;
        key.expect_parameters(ENCRYPTING, &signature.parameters)?;
        let p = &key.parameters;
        let (len, limbs) = (signature.input_ciphertexts(), signature.input_limbs);
        let capacity = signature.capacity();
        if images.images() == 0 {
            return Err(Error::NoImages { operation: ENCRYPTING }.into());
        }
        // Programs that encode alike share their batches under a seed, bit by bit.
        let mut encoding =
            format!("{:?} {limbs} {} {:?}", signature.parameters, signature.input_scale, signature.reads);
        if let Some(packing) = signature.packing.as_ref().filter(|_| seed.is_some()) {
            encoding += &format!(" {:?}", packing.input);
        }
        let mut batches = Vec::new();
        for range in batches::split(images.images(), capacity) {
            let contents = BatchContents { key: key.id(), encoding: &encoding, images: range.len() };
            let mut rng = match seed {
                None => for_batch(seed, &contents, std::iter::empty::<[u8; 0]>())?,
                Some(_) => {
                    let inputs = images.read(range.clone())?;
                    let bytes = |image: &[f32]| image.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>();
                    for_batch(seed, &contents, inputs.rows().map(bytes))?
                }
            };
            let (public, sources) = (rng.public_seed(), rng.split());
            let copies = copies::drawn(range.len(), capacity, &mut rng);
            batches.push(PlannedBatch { images: range, public, sources, copies });
        }
        let common = Common {
            program: program.clone(),
            key: key.id().into(),
            ciphertexts: len,
            limbs,
            stored_components: 1,
            from_seed: seed.is_some() || key.is_from_seed(),
        };
        let of = |b: &PlannedBatch| BatchHeader {
            images: b.images.len(),
            seed: Some(b.public),
            batch: Some(BatchId::of_seed(&b.public)),
        };
        let header = CiphertextHeader::new(common, batches.iter().map(of).collect());
        let encoding = Encoding { scale: signature.input_scale, limbs };
        let encryptor = Encryptor::new(p, &key.secret).map_err(Error::from)?;
        let positions = signature.reads.positions().collect();
        let packed = signature.packing.as_ref().map(|packing| PackedSlots::new(&packing.input, p.degree()));
        Ok(Self { signature, parameters: p, encryptor, encoding, header, positions, packed, batches })
    }

    /// Refuses images that the program does not take, and gives those that it was not compiled for.
    fn check(&self, batch: &PlannedBatch, images: &ImageMajor<f32>) -> Result<Vec<Deviating>> {
        assert_eq!(images.images(), batch.images.len(), "images of a batch");
        let (signature, first) = (self.signature, batch.images.start);
        let len = signature.input.shape().len();
        if images.elements() != len {
            return Err(Error::ImageSize { operation: ENCRYPTING, found: images.elements(), expected: len });
        }
        // Values beyond the normalised pixel range would leave the range that the program was
        // compiled for.
        let bound = signature.input.bound() * 1.001;
        let in_range = |v: &f32| v.is_finite() && v.abs() <= bound;
        if let Some(image) = images.rows().position(|values| !values.iter().all(in_range)) {
            return Err(Error::ImageRange { image: first + image, bound });
        }
        expect_allowed(signature, images, first)?;
        let deviating = signature.deviating(images)?.into_iter();
        Ok(deviating.map(|d| Deviating { image: first + d.image, ..d }).collect())
    }

    fn receipt(&self, deviating: Vec<Deviating>) -> Receipt {
        let sent = |b: &PlannedBatch| SentBatch {
            batch: BatchId::of_seed(&b.public),
            images: b.images.len(),
            copies: b.copies.clone(),
        };
        let CiphertextHeader { program, key, from_seed, .. } = &self.header;
        Receipt::new(program, key, self.batches.iter().map(sent).collect(), deviating, *from_seed)
    }

    /// Bytes of the ciphertexts of one batch.
    fn batch_bytes(&self) -> Result<u64> {
        let (limbs, len) = (self.header.limbs, self.header.ciphertexts);
        let bytes = compressed_len(self.parameters, limbs, 1, len)?;
        bytes.ok_or_else(|| operand(format!("{len} ciphertexts"), "no more than a file holds"))
    }

    fn need(&self, more: u64) -> Result<Need> {
        need(self.parameters, self.header.limbs, self.header.ciphertexts, more)
    }

    /// Writes the half `b` of one of the ciphertexts, `[limb][N]`.
    fn half(
        &self,
        batch: &PlannedBatch,
        images: &ImageMajor<f32>,
        ciphertext: usize,
        half: &mut [u64],
    ) -> beaa_ckks::Result<()> {
        let sent = (0..images.images()).chain(batch.copies.iter().copied());
        let slots: Vec<f64> = match &self.packed {
            None => {
                let element = self.positions[ciphertext];
                sent.map(|i| f64::from(images.image(i)[element])).collect()
            }
            Some(packed) => packed.pack(ciphertext, |element, slots| {
                let element = self.positions[element];
                slots.iter_mut().zip(sent.clone()).for_each(|(slot, i)| *slot = f64::from(images.image(i)[element]));
            }),
        };
        let id = CiphertextId { seed: batch.public, index: ciphertext as u64 };
        self.encryptor.encrypt(&slots, self.encoding, id, &mut batch.sources.get(id.index), half)
    }
}

/// Refuses real numbers outside of the range of their channel, which may be far narrower than that
/// of another; the first image is number `first` of all.
fn expect_allowed(signature: &Signature, images: &ImageMajor<f32>, first: usize) -> Result<()> {
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
                return Err(Error::ImageRange { image: first + image, bound });
            }
        }
    }
    Ok(())
}
