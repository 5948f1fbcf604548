//! Ciphertexts on their way between client and server, and their files. They are held compressed; a
//! file is mapped, not copied. Several batches lie one behind the other, each of the same size.

use std::marker::PhantomData;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use beaa_base::output::OutputFile;
use beaa_ckks::{CompressedBatch, CompressedShape, Parameters, Release};
use beaa_ir::container::{self, Kind, Opened};

use super::header::CiphertextHeader;
use crate::error::damaged;
use crate::files::written_size;
use crate::{BatchId, Error, Result};

/// The ciphertexts of one batch.
enum Bytes {
    Owned(Vec<u8>),
    Mapped(MappedBytes),
}

/// Bytes of a batch from which on its memory is given back while it is read: every time interrupts
/// all threads.
const LARGE: usize = 8 << 20;

/// A part of the payload of a file, whose memory is given back: as soon as it has been read, since
/// batches may be larger than all memory, or where it is small when nobody reads it any more.
struct MappedBytes {
    file: Arc<Opened<CiphertextHeader>>,
    part: Range<usize>,
}

impl Release for MappedBytes {
    fn release(&self, bytes: Range<usize>) {
        if self.part.len() >= LARGE {
            self.file.release(self.part.start + bytes.start..self.part.start + bytes.end);
        }
    }
}

impl Drop for MappedBytes {
    fn drop(&mut self) {
        self.file.release(self.part.clone());
    }
}

impl Bytes {
    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Owned(b) => b,
            Self::Mapped(m) => &m.file.payload()[m.part.clone()],
        }
    }
}

/// Ciphertexts of one or more batches of images. The role keeps images and results apart.
pub struct Ciphertexts<R> {
    header: CiphertextHeader,
    /// Of each batch.
    bytes: Vec<Bytes>,
    role: PhantomData<R>,
}

/// Images, as a client sends them: seeded, so that half of each ciphertext is implied.
pub enum Images {}

/// Results, as a server answers them.
pub enum Results {}

/// Encrypted images.
pub type EncryptedInput = Ciphertexts<Images>;

/// Encrypted results.
pub type EncryptedOutput = Ciphertexts<Results>;

/// What tells images from results in a file.
pub trait Role {
    /// Whether the uniform halves come from a seed.
    const SEEDED: bool;
    /// The name in messages.
    const NAME: &'static str;
}

impl Role for Images {
    const SEEDED: bool = true;
    const NAME: &'static str = "encrypted images";
}

impl Role for Results {
    const SEEDED: bool = false;
    const NAME: &'static str = "encrypted results";
}

/// A file of ciphertexts that is written, and has no name yet.
pub struct ComposedCiphertexts {
    file: OutputFile,
    bytes: u64,
}

impl ComposedCiphertexts {
    pub(super) fn new(file: OutputFile, bytes: u64) -> Self {
        Self { file, bytes }
    }

    /// Gives the file its name, and returns its size in bytes.
    ///
    /// # Errors
    /// When the file cannot be completed.
    pub fn commit(self) -> Result<u64> {
        self.file.commit().map_err(beaa_ir::Error::from)?;
        Ok(self.bytes)
    }
}

impl<R: Role> Ciphertexts<R> {
    /// Ciphertexts in memory, one piece for each batch.
    pub(super) fn new(header: CiphertextHeader, pieces: Vec<Vec<u8>>) -> Self {
        assert_eq!(header.batches().len(), pieces.len(), "pieces of so many batches");
        Self { header, bytes: pieces.into_iter().map(Bytes::Owned).collect(), role: PhantomData }
    }

    /// Number of images, of all batches together.
    pub fn images(&self) -> usize {
        self.header.images()
    }

    /// Fingerprint of the program that these are for or from.
    pub fn program(&self) -> &str {
        &self.header.program
    }

    /// The name of the key pair that they are under.
    pub fn key(&self) -> &str {
        &self.header.key
    }

    /// Number of batches, at least one.
    pub fn batches(&self) -> usize {
        self.header.batches().len()
    }

    /// The first batch that these are or answer, by which a receipt is found; ciphertexts of format
    /// 2 do not say.
    pub fn batch(&self) -> Option<&BatchId> {
        self.header.batches()[0].batch.as_ref()
    }

    /// Whether they are INSECURE: encrypted with a number in place of randomness, or under a key
    /// derived from one.
    pub fn is_from_seed(&self) -> bool {
        self.header.from_seed
    }

    /// Size of the ciphertexts in bytes, without the header of their file.
    pub fn bytes(&self) -> u64 {
        self.bytes.iter().map(|b| b.as_slice().len() as u64).sum()
    }

    /// Writes the ciphertexts and returns the size of the file in bytes.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<u64> {
        container::write(path, Kind::Ciphertexts, &self.header, self.bytes(), |w| {
            self.bytes.iter().try_for_each(|piece| w.write_all(piece.as_slice()))
        })?;
        written_size(path)
    }

    /// Gives the bytes of the file that [`Self::save`] writes.
    ///
    /// # Errors
    /// When the header has no form in JSON.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        Ok(container::to_bytes(Kind::Ciphertexts, &self.header, self.bytes(), |w| {
            self.bytes.iter().try_for_each(|piece| w.write_all(piece.as_slice()))
        })?)
    }

    /// The checksum of the file that they are from, or that [`Self::save`] would write: 64
    /// hexadecimal digits.
    ///
    /// # Errors
    /// When the header has no form in JSON.
    pub fn checksum(&self) -> Result<String> {
        if let Some(Bytes::Mapped(first)) = self.bytes.first() {
            return Ok(first.file.checksum());
        }
        Ok(container::checksum(Kind::Ciphertexts, &self.header, self.bytes(), |w| {
            self.bytes.iter().try_for_each(|piece| w.write_all(piece.as_slice()))
        })?)
    }

    /// Maps ciphertexts from a file. Whether they fit a program and a key is checked when they are
    /// used.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, or is of another kind or version.
    pub fn load(path: &Path) -> Result<Self> {
        Self::of_file(path, container::open(path, Kind::Ciphertexts)?)
    }

    /// Takes up the bytes of a file of ciphertexts, as [`Self::load`] does.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self> {
        Self::of_file(Path::new("bytes in memory"), container::open_bytes(Kind::Ciphertexts, bytes)?)
    }

    /// Messages name `path`.
    fn of_file(path: &Path, opened: Opened<CiphertextHeader>) -> Result<Self> {
        let opened = Arc::new(opened);
        let header = opened.header.clone();
        if header.is_seeded() != R::SEEDED {
            let found = if header.is_seeded() { Images::NAME } else { Results::NAME };
            return Err(Error::WrongKind { path: path.to_path_buf(), found, expected: R::NAME });
        }
        let (all, batches) = (opened.payload().len(), header.batches().len());
        let each = all / batches;
        if each * batches != all {
            return Err(damaged("reading ciphertexts", format!("{all} bytes"), format!("{batches} equal batches")));
        }
        let part = |k: usize| MappedBytes { file: Arc::clone(&opened), part: k * each..(k + 1) * each };
        let bytes = (0..batches).map(|k| Bytes::Mapped(part(k))).collect();
        Ok(Self { header, bytes, role: PhantomData })
    }

    pub(crate) fn header(&self) -> &CiphertextHeader {
        &self.header
    }

    /// The ciphertexts of one batch in place, to be unpacked where they are read.
    pub(crate) fn packed(&self, parameters: &Parameters, batch: usize) -> Result<CompressedBatch<'_>> {
        let (h, seed) = (&self.header, self.header.batches()[batch].seed);
        // A seed implies as many components as are stored.
        let implied = if seed.is_some() { h.stored_components } else { 0 };
        let components = h
            .stored_components
            .checked_add(implied)
            .ok_or_else(|| damaged("reading ciphertexts", format!("{implied} stored components"), "one with a seed"))?;
        let shape = CompressedShape { limbs: h.limbs, len: h.ciphertexts, components, seed };
        let bytes = &self.bytes[batch];
        let packed = CompressedBatch::new(parameters, shape, bytes.as_slice())?;
        Ok(match bytes {
            Bytes::Owned(_) => packed,
            Bytes::Mapped(mapped) => packed.releasing(mapped),
        })
    }
}
