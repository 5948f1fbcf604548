//! What a client remembers of the batches that it sent, to recognise the answers to them: they name
//! the batches, are as many as the images, and are those of the program and the key. The file stays
//! with the client, beside the secret key.

use std::path::Path;

use beaa_base::words::count;
use beaa_ir::container::{self, Kind};
use beaa_ir::promise::Deviating;
use serde::{Deserialize, Serialize};

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

/// What a client remembers of the batches that it sent together. Not for the server: it says which
/// slots repeat which images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "ReceiptLiteral", into = "ReceiptLiteral")]
pub struct Receipt {
    /// Fingerprint of the program that the images were encrypted for.
    program: String,
    /// Whose key they are under.
    key: String,
    /// At least one, in order.
    batches: Vec<SentBatch>,
    /// The names of the images, in order; none if they have none.
    names: Vec<String>,
    /// Images that are outside of what the program was compiled for, in order.
    deviating: Vec<Deviating>,
    /// The bits of security with which answers were made to be shared, once they were.
    shared: Option<f64>,
    /// Whether the batches are INSECURE: encrypted with a number in place of randomness, or under a
    /// key derived from one.
    from_seed: bool,
}

/// One of the batches of a receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SentBatch {
    /// The batch's name.
    pub(crate) batch: BatchId,
    /// How many images it holds.
    pub(crate) images: usize,
    /// The image that each slot behind the last image repeats, counted within the batch.
    pub(crate) copies: Vec<usize>,
}

/// A receipt as it lies in its file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReceiptLiteral {
    program: String,
    key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    batches: Option<Vec<SentBatch>>,
    /// The single batch of format 1.
    #[serde(default, skip_serializing)]
    batch: Option<BatchId>,
    #[serde(default, skip_serializing)]
    images: Option<usize>,
    #[serde(default, skip_serializing)]
    copies: Option<Vec<usize>>,
    names: Vec<String>,
    deviating: Vec<Deviating>,
    shared: Option<f64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    from_seed: bool,
}

impl TryFrom<ReceiptLiteral> for Receipt {
    type Error = String;

    fn try_from(literal: ReceiptLiteral) -> std::result::Result<Self, String> {
        let ReceiptLiteral { batches, batch, images, copies, .. } = literal;
        let ReceiptLiteral { program, key, names, deviating, shared, from_seed, .. } = literal;
        let batches = match (batches, batch, images, copies) {
            (Some(batches), None, None, None) => batches,
            (None, Some(batch), Some(images), Some(copies)) => vec![SentBatch { batch, images, copies }],
            _ => return Err("neither a list of batches nor a single batch".to_owned()),
        };
        let images = batches.iter().try_fold(0_usize, |sum, b| sum.checked_add(b.images));
        let Some(images) = images.filter(|_| !batches.is_empty()) else {
            return Err("no batch, or more images than can be counted".to_owned());
        };
        let within = batches.iter().all(|b| b.copies.iter().all(|&image| image < b.images));
        if !(names.is_empty() || names.len() == images) || !within || deviating.iter().any(|d| d.image >= images) {
            return Err(format!("{} names, or positions beyond {images} images", names.len()));
        }
        Ok(Self { program, key, batches, names, deviating, shared, from_seed })
    }
}

impl From<Receipt> for ReceiptLiteral {
    fn from(receipt: Receipt) -> Self {
        let Receipt { program, key, batches, names, deviating, shared, from_seed } = receipt;
        let (batches, batch, images, copies) = (Some(batches), None, None, None);
        Self { program, key, batches, batch, images, copies, names, deviating, shared, from_seed }
    }
}

/// To whom ciphertexts belong, as their header says.
pub(crate) struct Belonging<'a> {
    pub(crate) program: &'a str,
    pub(crate) key: &'a str,
    pub(crate) batches: Vec<NamedBatch<'a>>,
}

/// One of the batches of ciphertexts; old formats do not name it.
pub(crate) struct NamedBatch<'a> {
    pub(crate) batch: Option<&'a BatchId>,
    pub(crate) images: usize,
}

impl SentBatch {
    /// The batch's name.
    pub fn batch(&self) -> &BatchId {
        &self.batch
    }

    /// How many images it holds.
    pub fn images(&self) -> usize {
        self.images
    }

    /// The image that each slot behind the last image repeats, counted within the batch.
    pub fn copies(&self) -> &[usize] {
        &self.copies
    }
}

impl Receipt {
    /// The receipt of batches, at least one, that are being encrypted.
    pub(crate) fn new(
        program: impl Into<String>,
        key: impl Into<String>,
        batches: Vec<SentBatch>,
        deviating: Vec<Deviating>,
        from_seed: bool,
    ) -> Self {
        assert!(!batches.is_empty(), "a receipt of no batch");
        let (program, key) = (program.into(), key.into());
        Self { program, key, batches, names: Vec::new(), deviating, shared: None, from_seed }
    }

    /// The name by which answers find this receipt: that of the first batch.
    pub fn batch(&self) -> &BatchId {
        &self.batches[0].batch
    }

    /// The batches, in order; at least one.
    pub fn batches(&self) -> &[SentBatch] {
        &self.batches
    }

    /// How many images were sent, in all batches together.
    pub fn images(&self) -> usize {
        self.batches.iter().map(|b| b.images).sum()
    }

    /// The names of the images, in order; empty if they have none.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Images that are outside of what the program was compiled for, in order.
    pub fn deviating(&self) -> &[Deviating] {
        &self.deviating
    }

    /// The bits with which the answers were made to be shared, once they were.
    pub fn shared(&self) -> Option<f64> {
        self.shared
    }

    /// Whether the batches are INSECURE: encrypted with a number in place of randomness, or under a
    /// key derived from one.
    pub fn is_from_seed(&self) -> bool {
        self.from_seed
    }

    /// Gives the images their names, one for each.
    ///
    /// # Panics
    /// If there are more or fewer names than images.
    pub fn set_names(&mut self, names: Vec<String>) {
        assert_eq!(names.len(), self.images(), "names for {} images", self.images());
        self.names = names;
    }

    /// Notes that the answers are handed out with so many bits.
    pub(crate) fn set_shared(&mut self, bits: f64) {
        assert!(self.shared.is_none(), "answers that were shared before");
        self.shared = Some(bits);
    }

    /// Writes the receipt, readable by its owner alone.
    ///
    /// # Errors
    /// When the file cannot be written, or is a receipt of the same batches that says that their
    /// answers were shared, which this one does not.
    pub fn save(&self, path: &Path) -> Result<()> {
        self.expect_nothing_forgotten(path)?;
        Ok(container::write(path, Kind::Receipt, self, 0, |_| Ok(()))?)
    }

    /// Reads and checks a receipt.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, or is of another kind or version.
    pub fn load(path: &Path) -> Result<Self> {
        Ok(container::open::<Self>(path, Kind::Receipt)?.header)
    }

    /// Gives the bytes of the file that [`Self::save`] writes. They are for the client alone.
    ///
    /// # Errors
    /// When the receipt has no form in JSON.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        Ok(container::to_bytes(Kind::Receipt, self, 0, |_| Ok(()))?)
    }

    /// Reads and checks the bytes of a receipt's file.
    ///
    /// # Errors
    /// As [`Self::load`], but for the file.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self> {
        Ok(container::open_bytes::<Self>(Kind::Receipt, bytes)?.header)
    }

    /// Refuses to replace what says more of the same batches than this. A receipt that cannot be
    /// read, whatever the reason, might.
    fn expect_nothing_forgotten(&self, path: &Path) -> Result<()> {
        if self.shared.is_some() || !matches!(container::kind(path), Ok(Some(Kind::Receipt))) {
            return Ok(());
        }
        let before = Self::load(path)?;
        if before.shared.is_some() && before.batch() == self.batch() {
            return Err(Error::SharingForgotten { path: path.to_path_buf() });
        }
        Ok(())
    }

    /// Refuses answers that are not those to these batches: of another program, key or batch, in
    /// another order, or more or fewer than images were sent.
    pub(crate) fn expect(&self, operation: &'static str, answers: &Belonging<'_>) -> Result<()> {
        expect_program(operation, answers.program, &self.program)?;
        expect_key(operation, answers.key, &self.key)?;
        if answers.batches.len() != self.batches.len() {
            let [found, expected] = [answers.batches.len(), self.batches.len()].map(|n| count(n, "batch"));
            return Err(Error::WrongBatch { operation, found, expected });
        }
        for (answered, sent) in answers.batches.iter().zip(&self.batches) {
            if answered.batch != Some(&sent.batch) {
                let found = answered.batch.map_or_else(|| "no batch".to_owned(), |b| format!("batch {b}"));
                return Err(Error::WrongBatch { operation, found, expected: format!("batch {}", sent.batch) });
            }
            if answered.images != sent.images {
                return Err(Error::WrongCount { operation, found: answered.images, expected: sent.images });
            }
        }
        Ok(())
    }
}
