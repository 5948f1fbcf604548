//! What a client remembers of a batch that it sent, to recognise the answers to it: they name the
//! batch, are as many as the images, and are those of the program and the key. The file stays with
//! the client, beside the secret key.

use std::path::Path;

use beaa_ir::container::{self, Kind};
use beaa_ir::promise::Deviating;
use serde::{Deserialize, Serialize};

use crate::error::damaged;
use crate::files::{expect_key, expect_program};
use crate::{Error, Result};

/// Names a batch: 32 hexadecimal digits, drawn with its encryption. It travels with the images and
/// comes back with the answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BatchId(String);

impl BatchId {
    /// The name of the batch whose uniform halves come from the seed that begins with these bytes.
    pub(crate) fn of_seed(seed: &[u8]) -> Self {
        assert!(seed.len() >= 16, "a seed of {} bytes", seed.len());
        Self(seed[..16].iter().map(|b| format!("{b:02x}")).collect())
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for BatchId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for BatchId {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Self, String> {
        let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if text.len() == 32 && text.bytes().all(digit) {
            return Ok(Self(text));
        }
        Err("a batch is named by 32 hexadecimal digits".to_owned())
    }
}

impl From<BatchId> for String {
    fn from(id: BatchId) -> Self {
        id.0
    }
}

/// What a client remembers of a batch that it sent. Not for the server: it says which slots repeat
/// which images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// The batch's name.
    batch: BatchId,
    /// Fingerprint of the program that the images were encrypted for.
    program: String,
    /// Whose key they are under.
    key: String,
    /// How many images were sent.
    images: usize,
    /// Their names, in order; none if they have none.
    names: Vec<String>,
    /// Images that are outside of what the program was compiled for, in order.
    deviating: Vec<Deviating>,
    /// The image that each slot behind the last image repeats.
    copies: Vec<usize>,
    /// The bits of security with which answers to this batch were made to be shared, once they
    /// were.
    shared: Option<f64>,
    /// Whether the batch is INSECURE: encrypted with a number in place of randomness, or under a
    /// key derived from one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    from_seed: bool,
}

/// To whom ciphertexts belong, as their header says.
pub(crate) struct Belonging<'a> {
    pub(crate) program: &'a str,
    pub(crate) key: &'a str,
    pub(crate) batch: Option<&'a BatchId>,
    pub(crate) images: usize,
    pub(crate) from_seed: bool,
}

impl Receipt {
    /// The receipt of a batch that is being encrypted.
    pub(crate) fn new(
        batch: BatchId,
        belonging: &Belonging<'_>,
        copies: Vec<usize>,
        deviating: Vec<Deviating>,
    ) -> Self {
        let Belonging { program, key, images, from_seed, .. } = *belonging;
        Self {
            batch,
            program: program.into(),
            key: key.into(),
            images,
            names: Vec::new(),
            deviating,
            copies,
            shared: None,
            from_seed,
        }
    }

    /// The batch's name.
    pub fn batch(&self) -> &BatchId {
        &self.batch
    }

    /// How many images were sent.
    pub fn images(&self) -> usize {
        self.images
    }

    /// The names of the images, in order; empty if they have none.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Images that are outside of what the program was compiled for, in order.
    pub fn deviating(&self) -> &[Deviating] {
        &self.deviating
    }

    /// The image that each slot behind the last image repeats.
    pub fn copies(&self) -> &[usize] {
        &self.copies
    }

    /// The bits with which answers to this batch were made to be shared, once they were.
    pub fn shared(&self) -> Option<f64> {
        self.shared
    }

    /// Whether the batch is INSECURE: encrypted with a number in place of randomness, or under a
    /// key derived from one.
    pub fn is_from_seed(&self) -> bool {
        self.from_seed
    }

    /// Gives the images their names, one for each.
    ///
    /// # Panics
    /// If there are more or fewer names than images.
    pub fn set_names(&mut self, names: Vec<String>) {
        assert_eq!(names.len(), self.images, "names for {} images", self.images);
        self.names = names;
    }

    /// Notes that answers to this batch are handed out with so many bits.
    pub(crate) fn set_shared(&mut self, bits: f64) {
        assert!(self.shared.is_none(), "answers that were shared before");
        self.shared = Some(bits);
    }

    /// Writes the receipt, readable by its owner alone.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        Ok(container::write(path, Kind::Receipt, self, 0, |_| Ok(()))?)
    }

    /// Reads and checks a receipt.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, or is of another kind or version.
    pub fn load(path: &Path) -> Result<Self> {
        let receipt = container::open::<Self>(path, Kind::Receipt)?.header;
        let Self { images, names, deviating, copies, .. } = &receipt;
        if !(names.is_empty() || names.len() == *images)
            || deviating.iter().map(|d| d.image).chain(copies.iter().copied()).any(|i| i >= *images)
        {
            let found = format!("{} names and positions beyond them", names.len());
            return Err(damaged("reading a receipt", found, format!("those of {images} images")));
        }
        Ok(receipt)
    }

    /// Refuses answers that are not those to this batch: of another program, key or batch, or more
    /// or fewer than images were sent.
    pub(crate) fn expect(&self, operation: &'static str, answers: &Belonging<'_>) -> Result<()> {
        expect_program(operation, answers.program, &self.program)?;
        expect_key(operation, answers.key, &self.key)?;
        if answers.batch != Some(&self.batch) {
            let found = answers.batch.map_or_else(|| "no batch".to_owned(), |b| format!("batch {b}"));
            return Err(Error::WrongBatch { operation, found, expected: self.batch.to_string() });
        }
        if answers.images != self.images {
            return Err(Error::WrongCount { operation, found: answers.images, expected: self.images });
        }
        Ok(())
    }
}
