//! Encrypted images and results of the tfhe backend, and their files. They name the program and the
//! key that they belong to.

use std::path::Path;

use beaa_ir::container::{self, Kind};
use serde::{Deserialize, Serialize};

use super::keys::parse_seed;
use crate::error::damaged;
use crate::files::written_size;
use crate::receipt::{Belonging, NamedBatch};
use crate::{BatchId, Error, Result};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CiphertextHeader {
    /// Fingerprint of the program that these are for or from.
    pub(super) program: String,
    /// Whose key they are under.
    pub(super) key: String,
    pub(super) images: usize,
    /// Seed of the uniform halves, which are then not stored: images have one, results none.
    pub(super) seed: Option<String>,
    /// The batch that these are or answer; format 1 does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) batch: Option<BatchId>,
    /// Written only where it is so: earlier releases then refuse the file.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) from_seed: bool,
}

impl CiphertextHeader {
    pub(super) fn belonging(&self) -> Belonging<'_> {
        let Self { program, key, batch, images, .. } = self;
        Belonging { program, key, batches: vec![NamedBatch { batch: batch.as_ref(), images: *images }] }
    }
}

/// Encrypted images: for each element of each image one number, the rest of the ciphertext is the
/// seed's.
#[derive(Debug)]
pub struct EncryptedInput {
    pub(super) header: CiphertextHeader,
    pub(super) bodies: Vec<u64>,
}

/// Encrypted results: whole ciphertexts, output by output, image by image.
#[derive(Debug)]
pub struct EncryptedOutput {
    pub(super) header: CiphertextHeader,
    pub(super) words: Vec<u64>,
}

impl EncryptedInput {
    /// Number of images.
    pub fn images(&self) -> usize {
        self.header.images
    }

    /// Whether they are INSECURE: encrypted with a number in place of randomness, or under a key
    /// derived from one.
    pub fn is_from_seed(&self) -> bool {
        self.header.from_seed
    }

    /// Size of the ciphertexts in bytes, without the header of their file.
    pub fn bytes(&self) -> u64 {
        8 * self.bodies.len() as u64
    }

    /// The seed of the uniform halves.
    pub(super) fn seed(&self) -> Result<u128> {
        match &self.header.seed {
            Some(digits) => parse_seed("reading encrypted images", digits),
            None => unreachable!("images are known by their seed"),
        }
    }

    /// Writes the ciphertexts and returns the size of the file in bytes.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<u64> {
        save(&self.header, &self.bodies, path)
    }

    /// Reads ciphertexts. Whether they fit a program and a key is checked when they are used.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, or is of another kind or version.
    pub fn load(path: &Path) -> Result<Self> {
        let (header, bodies) = load(path)?;
        match header.seed {
            Some(_) => Ok(Self { header, bodies }),
            None => Err(Error::WrongKind {
                path: path.to_path_buf(),
                found: "encrypted results",
                expected: "encrypted images",
            }),
        }
    }
}

impl EncryptedOutput {
    /// Number of images.
    pub fn images(&self) -> usize {
        self.header.images
    }

    /// The batch that these answer; ciphertexts of format 1 do not say.
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
        8 * self.words.len() as u64
    }

    /// Writes the ciphertexts and returns the size of the file in bytes.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<u64> {
        save(&self.header, &self.words, path)
    }

    /// Reads ciphertexts. Whether they fit a program and a key is checked when they are used.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, or is of another kind or version.
    pub fn load(path: &Path) -> Result<Self> {
        let (header, words) = load(path)?;
        match header.seed {
            None => Ok(Self { header, words }),
            Some(_) => Err(Error::WrongKind {
                path: path.to_path_buf(),
                found: "encrypted images",
                expected: "encrypted results",
            }),
        }
    }
}

fn save(header: &CiphertextHeader, words: &[u64], path: &Path) -> Result<u64> {
    let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
    container::write(path, Kind::TfheCiphertexts, header, bytes.len() as u64, |w| w.write_all(&bytes))?;
    written_size(path)
}

fn load(path: &Path) -> Result<(CiphertextHeader, Vec<u64>)> {
    let opened = container::open::<CiphertextHeader>(path, Kind::TfheCiphertexts)?;
    let (words, rest) = opened.payload().as_chunks::<8>();
    if !rest.is_empty() {
        return Err(damaged(
            "reading ciphertexts",
            format!("{} bytes", opened.payload().len()),
            "whole words of 8 bytes",
        ));
    }
    Ok((opened.header.clone(), words.iter().map(|b| u64::from_le_bytes(*b)).collect()))
}

/// Refuses a file that holds another number of words than `words_per_image` for each image.
pub(super) fn expect_words(
    operation: &'static str,
    header: &CiphertextHeader,
    words: usize,
    words_per_image: usize,
) -> Result<()> {
    if header.images != 0 && header.images.checked_mul(words_per_image) == Some(words) {
        return Ok(());
    }
    let found = format!("{words} words for {} images", header.images);
    Err(damaged(operation, found, format!("{words_per_image} for each image")))
}
