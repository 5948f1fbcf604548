//! Shards: encrypted images in files of their own, which any machine may answer in any order, more
//! than once if need be. A shard is named by what it holds, and so is its answer: the same program
//! on the same ciphertexts under the same key gives the same bytes, so that an answer that is there
//! already is the answer.

use beaa_base::json;
use serde::{Deserialize, Serialize};

use super::{EncryptedInput, EncryptedOutput};
use crate::{BatchId, Error, Result};

/// What is hashed in front of the fields of a shard's name: another meaning gets another one.
const DOMAIN: &[u8] = b"beaa shard 1";
const CHECKING: &str = "checking a shard";
const READING: &str = "reading a shard";

/// Encrypted images to be run on: what they are, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "ShardLiteral", into = "ShardLiteral")]
pub struct Shard {
    literal: ShardLiteral,
}

/// The answer to a shard: to which one, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "AnswerLiteral", into = "AnswerLiteral")]
pub struct ShardAnswer {
    literal: AnswerLiteral,
}

/// A shard as it lies in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ShardLiteral {
    /// Fingerprint of the program.
    program: String,
    /// Name of the pair of keys.
    key: String,
    /// Names of the batches, in order.
    batches: Vec<BatchId>,
    /// Images of all batches.
    images: usize,
    /// BLAKE3 of the file of ciphertexts without its last 32 bytes, which are that hash.
    checksum: String,
    /// The file, or its address.
    ciphertexts: String,
}

/// An answer as it lies in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AnswerLiteral {
    /// Name of the shard.
    shard: String,
    /// BLAKE3 of the file of answers without its last 32 bytes, which are that hash.
    checksum: String,
    /// The file, or its address.
    answers: String,
}

impl TryFrom<ShardLiteral> for Shard {
    type Error = String;

    fn try_from(literal: ShardLiteral) -> std::result::Result<Self, String> {
        for (what, digits, len) in
            [("program", &literal.program, 64), ("checksum", &literal.checksum, 64), ("key", &literal.key, 32)]
        {
            expect_digits(what, digits, len)?;
        }
        if literal.batches.is_empty() || literal.images < literal.batches.len() {
            return Err(format!("{} batches of {} images in all", literal.batches.len(), literal.images));
        }
        Ok(Self { literal })
    }
}

impl From<Shard> for ShardLiteral {
    fn from(shard: Shard) -> Self {
        shard.literal
    }
}

impl TryFrom<AnswerLiteral> for ShardAnswer {
    type Error = String;

    fn try_from(literal: AnswerLiteral) -> std::result::Result<Self, String> {
        for (what, digits) in [("shard", &literal.shard), ("checksum", &literal.checksum)] {
            expect_digits(what, digits, 64)?;
        }
        Ok(Self { literal })
    }
}

impl From<ShardAnswer> for AnswerLiteral {
    fn from(answer: ShardAnswer) -> Self {
        answer.literal
    }
}

fn expect_digits(what: &str, digits: &str, len: usize) -> std::result::Result<(), String> {
    let hexadecimal = digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if digits.len() == len && hexadecimal { Ok(()) } else { Err(format!("a {what} is {len} hexadecimal digits")) }
}

impl Shard {
    /// The shard of encrypted images that lie at `ciphertexts`, a file or an address.
    ///
    /// # Errors
    /// When the images do not name their batches, as those of older releases.
    pub fn new(images: &EncryptedInput, ciphertexts: impl Into<String>) -> Result<Self> {
        let batches = images.header().batches().iter().map(|b| b.batch.clone()).collect::<Option<Vec<_>>>();
        let batches =
            batches.ok_or_else(|| refused("images that do not name their batches", "those of this release"))?;
        let literal = ShardLiteral {
            program: images.program().to_owned(),
            key: images.key().to_owned(),
            batches,
            images: images.images(),
            checksum: images.checksum()?,
            ciphertexts: ciphertexts.into(),
        };
        literal.try_into().map_err(|found: String| refused(found, "ciphertexts of this toolchain"))
    }

    /// Reads a shard from JSON.
    ///
    /// # Errors
    /// When the text is no shard.
    pub fn from_json(text: &str) -> Result<Self> {
        json::parse(text).map_err(|e| malformed(e, "a shard as JSON"))
    }

    /// Gives the shard as JSON, on one line.
    ///
    /// # Errors
    /// When it has no form in JSON.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|e| malformed(e, "a shard that is JSON"))
    }

    /// The name of the shard, 64 hexadecimal digits: of program, key and ciphertexts, wherever they
    /// lie.
    pub fn id(&self) -> String {
        let ShardLiteral { program, key, checksum, .. } = &self.literal;
        let mut hash = blake3::Hasher::new();
        hash.update(DOMAIN);
        // Each of these has one length only.
        for part in [program, key, checksum] {
            hash.update(part.as_bytes());
        }
        hash.finalize().to_hex().to_string()
    }

    /// Fingerprint of the program that it is for.
    pub fn program(&self) -> &str {
        &self.literal.program
    }

    /// The name of the pair of keys that it is under.
    pub fn key(&self) -> &str {
        &self.literal.key
    }

    /// Number of images.
    pub fn images(&self) -> usize {
        self.literal.images
    }

    /// The name of the first batch, by which the client finds its receipt.
    pub fn batch(&self) -> &BatchId {
        &self.literal.batches[0]
    }

    /// Where the ciphertexts lie: a file or an address.
    pub fn ciphertexts(&self) -> &str {
        &self.literal.ciphertexts
    }

    /// Refuses ciphertexts that are not those of the shard.
    ///
    /// # Errors
    /// When they are for another program, under another key, or have another checksum.
    pub fn expect(&self, images: &EncryptedInput) -> Result<()> {
        let found = Self::new(images, self.ciphertexts())?;
        if found == *self {
            return Ok(());
        }
        let (found, expected) = (found.literal.checksum, &self.literal.checksum);
        Err(refused(format!("ciphertexts {found} in {}", self.ciphertexts()), format!("ciphertexts {expected}")))
    }

    /// The record of answers to this shard that lie at `answers`, a file or an address.
    ///
    /// # Errors
    /// When they are not answers to this shard.
    pub fn answered(&self, results: &EncryptedOutput, answers: impl Into<String>) -> Result<ShardAnswer> {
        let header = results.header();
        let named = header.batches().iter().map(|b| b.batch.as_ref());
        let ours = self.literal.batches.iter().map(Some);
        let same = (results.program(), results.key(), results.images()) == (self.program(), self.key(), self.images());
        if !same || !named.eq(ours) {
            let found = results.batch().map_or_else(|| "no batch".to_owned(), |batch| format!("batch {batch}"));
            return Err(refused(format!("answers to {found}"), format!("those to batch {}", self.batch())));
        }
        let literal = AnswerLiteral { shard: self.id(), checksum: results.checksum()?, answers: answers.into() };
        literal.try_into().map_err(|found: String| refused(found, "answers of this toolchain"))
    }
}

impl ShardAnswer {
    /// Reads an answer's record from JSON.
    ///
    /// # Errors
    /// When the text is no such record.
    pub fn from_json(text: &str) -> Result<Self> {
        json::parse(text).map_err(|e| malformed(e, "an answer to a shard as JSON"))
    }

    /// Gives the record as JSON, on one line.
    ///
    /// # Errors
    /// When it has no form in JSON.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|e| malformed(e, "an answer that is JSON"))
    }

    /// The name of the shard that is answered.
    pub fn shard(&self) -> &str {
        &self.literal.shard
    }

    /// BLAKE3 of what the answers hold, hexadecimal.
    pub fn checksum(&self) -> &str {
        &self.literal.checksum
    }

    /// Where the answers lie: a file or an address.
    pub fn answers(&self) -> &str {
        &self.literal.answers
    }

    /// Refuses answers that are not those which the record speaks of.
    ///
    /// # Errors
    /// When they are answers to another shard, or have another checksum.
    pub fn expect(&self, shard: &Shard, results: &EncryptedOutput) -> Result<()> {
        let found = shard.answered(results, self.answers())?;
        if found == *self {
            return Ok(());
        }
        let found = format!("answers {} to shard {}", found.checksum(), found.shard());
        Err(refused(found, format!("answers {} to shard {}", self.checksum(), self.shard())))
    }
}

fn refused(found: impl Into<String>, expected: impl Into<String>) -> Error {
    Error::Damaged { operation: CHECKING, found: found.into(), expected: expected.into() }
}

fn malformed(error: serde_json::Error, expected: &str) -> Error {
    Error::File(beaa_ir::Error::malformed(READING, error.to_string(), expected))
}
