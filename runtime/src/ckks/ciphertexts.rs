//! Ciphertexts on their way between client and server, and their files. They are held compressed; a
//! file is mapped, not copied. They name the program and the key that they belong to.

use std::marker::PhantomData;
use std::ops::Range;
use std::path::Path;

use beaa_ckks::{Batch, CompressedBatch, CompressedShape, Parameters, PublicSeed, Release, compress_batch};
use beaa_ir::container::{self, Kind, Opened};
use serde::{Deserialize, Serialize};

use crate::error::damaged;
use crate::files::written_size;
use crate::receipt::Belonging;
use crate::{BatchId, Error, Result};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CiphertextHeader {
    /// Fingerprint of the program that these are for or from.
    pub(crate) program: String,
    /// Whose key they are under.
    pub(crate) key: String,
    /// Images in the batch: slots in use.
    pub(crate) images: usize,
    pub(crate) ciphertexts: usize,
    pub(crate) limbs: usize,
    /// 1 with a seed: only the half `b` is there.
    pub(crate) stored_components: usize,
    pub(crate) seed: Option<PublicSeed>,
    /// The batch that these are or answer; format 2 does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) batch: Option<BatchId>,
    /// Written only where it is so: earlier releases then refuse the file.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) from_seed: bool,
}

impl CiphertextHeader {
    pub(crate) fn belonging(&self) -> Belonging<'_> {
        let Self { program, key, batch, images, from_seed, .. } = self;
        Belonging { program, key, batch: batch.as_ref(), images: *images, from_seed: *from_seed }
    }
}

enum Bytes {
    Owned(Vec<u8>),
    Mapped(MappedBytes),
}

/// The payload of a file, whose memory is given back as soon as it has been read: a batch may be
/// larger than all memory.
struct MappedBytes(Opened<CiphertextHeader>);

impl Release for MappedBytes {
    fn release(&self, bytes: Range<usize>) {
        self.0.release(bytes);
    }
}

impl Bytes {
    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Owned(b) => b,
            Self::Mapped(o) => o.0.payload(),
        }
    }
}

/// Ciphertexts of a batch of images. The role keeps images and results apart.
pub struct Ciphertexts<R> {
    header: CiphertextHeader,
    bytes: Bytes,
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

impl EncryptedInput {
    pub(crate) fn new(header: CiphertextHeader, bytes: Vec<u8>) -> Self {
        Self { header, bytes: Bytes::Owned(bytes), role: PhantomData }
    }
}

impl EncryptedOutput {
    pub(crate) fn pack(header: CiphertextHeader, parameters: &Parameters, batch: &Batch) -> Result<Self> {
        let bytes = compress_batch(parameters, batch)?;
        Ok(Self { header, bytes: Bytes::Owned(bytes), role: PhantomData })
    }
}

impl<R: Role> Ciphertexts<R> {
    /// Number of images in the batch.
    pub fn images(&self) -> usize {
        self.header.images
    }

    /// The batch that these are or answer; ciphertexts of format 2 do not say.
    pub fn batch(&self) -> Option<&BatchId> {
        self.header.batch.as_ref()
    }

    /// Whether they are INSECURE: encrypted with a number in place of randomness, or under a key
    /// derived from one.
    pub fn is_from_seed(&self) -> bool {
        self.header.from_seed
    }

    /// Size of the ciphertexts in bytes, without the header of their file.
    pub fn bytes(&self) -> u64 {
        self.bytes.as_slice().len() as u64
    }

    /// Writes the ciphertexts and returns the size of the file in bytes.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<u64> {
        let bytes = self.bytes.as_slice();
        container::write(path, Kind::Ciphertexts, &self.header, bytes.len() as u64, |w| w.write_all(bytes))?;
        written_size(path)
    }

    /// Maps ciphertexts from a file. Whether they fit a program and a key is checked when they are
    /// used.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, or is of another kind or version.
    pub fn load(path: &Path) -> Result<Self> {
        let opened = container::open::<CiphertextHeader>(path, Kind::Ciphertexts)?;
        let header = opened.header.clone();
        if header.seed.is_some() != R::SEEDED {
            let found = if header.seed.is_some() { Images::NAME } else { Results::NAME };
            return Err(Error::WrongKind { path: path.to_path_buf(), found, expected: R::NAME });
        }
        Ok(Self { header, bytes: Bytes::Mapped(MappedBytes(opened)), role: PhantomData })
    }

    pub(crate) fn header(&self) -> &CiphertextHeader {
        &self.header
    }

    /// The ciphertexts in place, to be unpacked where they are read.
    pub(crate) fn packed(&self, parameters: &Parameters) -> Result<CompressedBatch<'_>> {
        let h = &self.header;
        // A seed implies as many components as are stored.
        let implied = if h.seed.is_some() { h.stored_components } else { 0 };
        let components = h
            .stored_components
            .checked_add(implied)
            .ok_or_else(|| damaged("reading ciphertexts", format!("{implied} stored components"), "one with a seed"))?;
        let shape = CompressedShape { limbs: h.limbs, len: h.ciphertexts, components, seed: h.seed };
        let batch = CompressedBatch::new(parameters, shape, self.bytes.as_slice())?;
        Ok(match &self.bytes {
            Bytes::Owned(_) => batch,
            Bytes::Mapped(mapped) => batch.releasing(mapped),
        })
    }
}
