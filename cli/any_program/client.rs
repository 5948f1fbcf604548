//! What a client does with the signature of a program: keys, encryption, decryption. Files go in
//! and come out.

use std::borrow::Cow;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use beaa_datasets::Images;
#[cfg(feature = "tfhe")]
use beaa_evaluation::model_images::bytes;
use beaa_evaluation::model_images::{check_range, normalise};
use beaa_evaluation::{Reporter, files};
use beaa_ir::images::ImageMajor;
use beaa_ir::promise::Promise;
#[cfg(feature = "tfhe")]
use beaa_ir::tfhe;
use beaa_ir::{Classes, InputSpec, ckks};
use beaa_memory::Need;
use beaa_runtime::ckks::{self as ckks_runtime, Shared};
#[cfg(feature = "tfhe")]
use beaa_runtime::tfhe as tfhe_runtime;
use beaa_runtime::{Answers, Passphrase, Receipt};

use super::is_tfhe;
use crate::context::Context;
use crate::exit::Exit;
use crate::outputs::ciphertext_bytes;
use crate::receipts::{FoundReceipt, ReceiptChoice};
use crate::security::{self, InsecureArgs};

/// A secret key, for messages.
const KEY: &str = "a key";

/// What a client knows of a program.
pub(crate) enum AnySignature {
    /// Of a program for batches.
    Ckks(ckks::SignatureFile),
    /// Of a program for single images.
    #[cfg(feature = "tfhe")]
    Tfhe(tfhe::SignatureFile),
}

/// Where a key pair is written.
pub(crate) struct KeyFiles {
    /// The client's secret key.
    pub(crate) secret: PathBuf,
    /// The server's evaluation key.
    pub(crate) evaluation: PathBuf,
}

/// A key pair that was written.
pub(crate) struct NewKeys {
    /// Names both halves.
    pub(crate) id: String,
    /// Size of the evaluation key; none where the program switches no keys.
    pub(crate) evaluation_bytes: Option<u64>,
}

/// Images to encrypt.
pub(crate) struct EncryptRequest<'a> {
    /// The client's secret key.
    pub(crate) key: &'a Path,
    /// Its passphrase, if it has one.
    pub(crate) passphrase: Option<&'a Passphrase>,
    /// As pixels.
    pub(crate) images: &'a Images,
    /// INSECURE if there is one.
    pub(crate) seed: Option<u64>,
    /// Whether a key that was made with a seed is taken.
    pub(crate) insecure: InsecureArgs,
    /// The ciphertexts to write.
    pub(crate) out: &'a Path,
    /// The receipt to write.
    pub(crate) receipt: &'a Path,
}

/// Answers to decrypt.
pub(crate) struct DecryptRequest<'a> {
    /// The client's secret key.
    pub(crate) key: &'a Path,
    /// Its passphrase, if it has one.
    pub(crate) passphrase: Option<&'a Passphrase>,
    /// The answers.
    pub(crate) input: &'a Path,
    /// By what they are recognised.
    pub(crate) receipt: &'a ReceiptChoice,
    /// Bits of security with which they are made to be shared, if they are.
    pub(crate) share: Option<f64>,
    /// Whether key and answers that were made with a seed are taken.
    pub(crate) insecure: InsecureArgs,
}

/// Decrypted answers.
pub(crate) struct Decrypted {
    /// What of them is for the owner of the key, or for others as well.
    pub(crate) answers: Answered,
    /// By what they were recognised.
    pub(crate) receipt: Option<Receipt>,
}

/// Decrypted answers, by who may see them.
pub(crate) enum Answered {
    /// The owner of the key.
    Private(Answers),
    /// Others, too.
    Shared(Shared),
}

impl AnySignature {
    /// Reads a signature file, or the signature in a program file, and refuses parameters below the
    /// promised security.
    pub(crate) fn open(path: &Path, context: &Context) -> Result<Self> {
        let doing = || format!("reading program {}", path.display());
        if is_tfhe(path)? {
            #[cfg(feature = "tfhe")]
            return Ok(Self::Tfhe(tfhe::load_signature(path).with_context(doing)?));
            #[cfg(not(feature = "tfhe"))]
            return super::without_tfhe();
        }
        let file = ckks::load_signature(path).with_context(doing)?;
        security::check(&file.signature.parameters, context).with_context(doing)?;
        Ok(Self::Ckks(file))
    }

    /// The images that the program takes.
    pub(crate) fn input(&self) -> &InputSpec {
        match self {
            Self::Ckks(file) => &file.signature.input,
            #[cfg(feature = "tfhe")]
            Self::Tfhe(file) => &file.signature.input,
        }
    }

    /// What the outputs say.
    pub(crate) fn classes(&self) -> &Classes {
        match self {
            Self::Ckks(file) => &file.signature.classes,
            #[cfg(feature = "tfhe")]
            Self::Tfhe(file) => &file.signature.classes,
        }
    }

    /// Which images and answers it promises, if it says so.
    pub(crate) fn promise(&self) -> Option<&Promise> {
        match self {
            Self::Ckks(file) => file.signature.promise.as_ref(),
            #[cfg(feature = "tfhe")]
            Self::Tfhe(file) => file.signature.promise.as_ref(),
        }
    }

    /// Places for images in every ciphertext; none if each image has ciphertexts of its own.
    pub(crate) fn slots(&self) -> Option<usize> {
        match self {
            Self::Ckks(file) => Some(file.signature.parameters.degree),
            #[cfg(feature = "tfhe")]
            Self::Tfhe(_) => None,
        }
    }

    /// Makes a key pair and writes all of it or nothing: no evaluation key where the program
    /// switches none, the secret one under a passphrase if there is one. INSECURE with a seed.
    pub(crate) fn keygen(
        &self,
        seed: Option<u64>,
        passphrase: Option<&Passphrase>,
        files: &KeyFiles,
    ) -> Result<NewKeys> {
        match self {
            Self::Ckks(file) => {
                let keys = ckks_runtime::keygen(&file.signature, seed)?;
                keys.save_protected(&files.secret, &files.evaluation, passphrase)?;
                let evaluation_bytes = keys.server.as_ref().map(ckks_runtime::ServerKey::bytes);
                Ok(NewKeys { id: keys.client.id().to_owned(), evaluation_bytes })
            }
            #[cfg(feature = "tfhe")]
            Self::Tfhe(file) => {
                let keys = tfhe_runtime::keygen(&file.signature.parameters, seed)?;
                keys.save_protected(&files.secret, &files.evaluation, passphrase)?;
                Ok(NewKeys { id: keys.client.id().to_owned(), evaluation_bytes: Some(keys.server.bytes()) })
            }
        }
    }

    /// Whether a server needs the evaluation key.
    pub(crate) fn needs_evaluation_key(&self) -> bool {
        match self {
            Self::Ckks(file) => file.signature.switches_keys,
            #[cfg(feature = "tfhe")]
            Self::Tfhe(_) => true,
        }
    }

    /// Bytes of so many encrypted images, as far as they are known before.
    pub(crate) fn input_bytes(&self, images: usize) -> u64 {
        match self {
            Self::Ckks(file) => {
                let s = &file.signature;
                let batch = ciphertext_bytes(&s.parameters, s.input_limbs, 1, s.reads.count());
                batch.saturating_mul(images.div_ceil(s.parameters.degree) as u64)
            }
            #[cfg(feature = "tfhe")]
            Self::Tfhe(_) => 0,
        }
    }

    /// Encrypts images, writes them and their receipt, and gives the receipt and the size of the
    /// file of ciphertexts. INSECURE with a seed.
    pub(crate) fn encrypt(&self, request: &EncryptRequest<'_>, context: &Context) -> Result<(Receipt, u64)> {
        let EncryptRequest { key: key_path, passphrase, images, seed, out, receipt, insecure } = *request;
        check_range(images, self.input())?;
        files::create_parent(out)?;
        files::create_parent(receipt)?;
        let reading_key = || format!("reading key {}", key_path.display());
        match self {
            Self::Ckks(file) => {
                let key = ckks_runtime::ClientKey::load_protected(key_path, passphrase).with_context(reading_key)?;
                insecure.check(key.is_from_seed(), KEY, key_path, context)?;
                // Of a batch at a time: the pixels that are taken, and what they are normalised to.
                let together = images.len().min(file.signature.parameters.degree);
                let normalised = (2 * size_of::<f32>() * together * self.input().shape().len()) as u64;
                let bytes = ckks_runtime::encryption_bytes(file, &key)?.saturating_add(normalised);
                Need::new("encrypting images", bytes, "give fewer images at a time").check()?;
                let source = Normalised { images, input: &file.signature.input };
                let composed = ckks_runtime::encrypt_to_file(out, file, &key, &source, seed, &*context.progress());
                let composed = composed.with_context(|| format!("writing {}", out.display()))?;
                write_batch(composed, images.names(), [receipt, out], |composed, _| composed.commit())
            }
            #[cfg(feature = "tfhe")]
            Self::Tfhe(file) => {
                let key = tfhe_runtime::ClientKey::load_protected(key_path, passphrase).with_context(reading_key)?;
                insecure.check(key.is_from_seed(), KEY, key_path, context)?;
                let pixels = bytes(images, &file.signature.input)?;
                let encrypted = tfhe_runtime::encrypt(file, &key, &pixels, seed, &*context.progress())?;
                write_batch(encrypted, images.names(), [receipt, out], |encrypted, path| encrypted.save(path))
            }
        }
    }

    /// Decrypts answers. When they are made to be shared, the receipt says so before this returns.
    pub(crate) fn decrypt(&self, request: &DecryptRequest<'_>, context: &Context) -> Result<Decrypted> {
        let DecryptRequest { key, passphrase, input, receipt, share, insecure } = *request;
        let reading_key = || format!("reading key {}", key.display());
        let reading = || format!("reading {}", input.display());
        match self {
            Self::Ckks(file) => {
                let secret = ckks_runtime::ClientKey::load_protected(key, passphrase).with_context(reading_key)?;
                insecure.check(secret.is_from_seed(), KEY, key, context)?;
                let output = ckks_runtime::EncryptedOutput::load(input).with_context(reading)?;
                insecure.check(output.is_from_seed(), "an answer to images", input, context)?;
                let found = receipt.find(input, key, output.batch())?;
                let Some(bits) = share else {
                    let answers = match &found {
                        Some(found) => ckks_runtime::decrypt(file, &secret, &output, &found.receipt)?,
                        None => ckks_runtime::decrypt_without_receipt(file, &secret, &output)?,
                    };
                    return Ok(Decrypted { answers: Answered::Private(answers), receipt: found.map(|f| f.receipt) });
                };
                let Some(FoundReceipt { path, .. }) = found else {
                    return Err(Exit::Usage.because(
                        "--share: found --without-receipt, expected the receipt of the batch, which counts what is \
                         shared; give it with --receipt",
                    ));
                };
                let (shared, found) = share_answers(file, &secret, &output, &path, bits)?;
                Ok(Decrypted { answers: Answered::Shared(shared), receipt: Some(found) })
            }
            #[cfg(feature = "tfhe")]
            Self::Tfhe(file) => {
                let secret = tfhe_runtime::ClientKey::load_protected(key, passphrase).with_context(reading_key)?;
                insecure.check(secret.is_from_seed(), KEY, key, context)?;
                let output = tfhe_runtime::EncryptedOutput::load(input).with_context(reading)?;
                insecure.check(output.is_from_seed(), "an answer to images", input, context)?;
                let found = receipt.find(input, key, output.batch())?.map(|f| f.receipt);
                if share.is_some() {
                    context.console.note(
                        "results are exact integers without any noise of the encryption: nothing is to be hidden",
                    );
                }
                let answers = match &found {
                    Some(found) => tfhe_runtime::decrypt(file, &secret, &output, found)?,
                    None => tfhe_runtime::decrypt_without_receipt(file, &secret, &output)?,
                };
                Ok(Decrypted { answers: Answered::Private(answers), receipt: found })
            }
        }
    }
}

/// Images that are normalised when their batch is encrypted.
struct Normalised<'a> {
    images: &'a Images,
    input: &'a InputSpec,
}

impl ckks_runtime::ImageSource for Normalised<'_> {
    type Error = anyhow::Error;

    fn images(&self) -> usize {
        self.images.len()
    }

    fn read(&self, images: Range<usize>) -> Result<Cow<'_, ImageMajor<f32>>> {
        if images.len() == self.images.len() {
            return Ok(Cow::Owned(normalise(self.images, self.input)?));
        }
        let some = self.images.subset(&images.collect::<Vec<_>>());
        Ok(Cow::Owned(normalise(&some, self.input)?))
    }
}

/// Writes the receipt of batches and then the batches, so that none is without its receipt; gives
/// the receipt and the size of the file of ciphertexts.
fn write_batch<C, E: std::error::Error + Send + Sync + 'static>(
    (encrypted, mut receipt): (C, Receipt),
    names: Option<&[String]>,
    [receipt_path, out]: [&Path; 2],
    save: impl FnOnce(C, &Path) -> Result<u64, E>,
) -> Result<(Receipt, u64)> {
    names.into_iter().for_each(|names| receipt.set_names(names.to_vec()));
    receipt.save(receipt_path).with_context(|| format!("writing {}", receipt_path.display()))?;
    let size = save(encrypted, out).with_context(|| format!("writing {}", out.display()))?;
    Ok((receipt, size))
}

/// Makes answers to be shared, as [`ckks_runtime::share_by_files`] says.
fn share_answers(
    file: &ckks::SignatureFile,
    key: &ckks_runtime::ClientKey,
    output: &ckks_runtime::EncryptedOutput,
    receipt: &Path,
    bits: f64,
) -> Result<(Shared, Receipt)> {
    use beaa_runtime::Error;
    ckks_runtime::share_by_files(file, key, output, &[receipt], bits).map_err(|error| match error {
        Error::FloodingBits { found } => {
            Exit::Usage.because(format!("--share: found {found}, expected a number of bits from 0 to 60"))
        }
        Error::SharedBefore { .. }
        | Error::NoPromise { .. }
        | Error::TooFewCopies { .. }
        | Error::LargerError { .. }
        | Error::FloodingTooWide { .. } => Exit::BadInput.because(format!("--share: {error}")),
        other => other.into(),
    })
}
