//! What a client does with the signature of a program: keys, encryption, decryption. Files go in
//! and come out.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
#[cfg(feature = "tfhe")]
use beaa::pixels;
use beaa_datasets::Images;
use beaa_ir::images::ImageMajor;
#[cfg(feature = "tfhe")]
use beaa_ir::tfhe;
use beaa_ir::{Classes, InputSpec, ckks};
use beaa_lab::model_images::normalise;
use beaa_lab::{Reporter, files};
use beaa_runtime::ckks as ckks_runtime;
#[cfg(feature = "tfhe")]
use beaa_runtime::tfhe as tfhe_runtime;

use super::is_tfhe;
use crate::context::Context;
use crate::exit::Exit;
use crate::outputs::ciphertext_bytes;
use crate::security;

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
    /// Size of the evaluation key's file.
    pub(crate) evaluation_bytes: u64,
}

/// Images to encrypt.
pub(crate) struct EncryptRequest<'a> {
    /// The client's secret key.
    pub(crate) key: &'a Path,
    /// As pixels.
    pub(crate) images: &'a Images,
    /// INSECURE if there is one.
    pub(crate) seed: Option<u64>,
    /// The ciphertexts to write.
    pub(crate) out: &'a Path,
}

/// Decrypted results.
pub(crate) struct Decrypted {
    /// One row per image.
    pub(crate) logits: ImageMajor<f64>,
    /// Half the width of the noise that was added to every logit, if any was.
    pub(crate) flooding: Option<f64>,
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

    /// Places for images in every ciphertext; none if each image has ciphertexts of its own.
    pub(crate) fn slots(&self) -> Option<usize> {
        match self {
            Self::Ckks(file) => Some(file.signature.parameters.degree),
            #[cfg(feature = "tfhe")]
            Self::Tfhe(_) => None,
        }
    }

    /// Makes a key pair and writes both halves or none. INSECURE with a seed.
    pub(crate) fn keygen(&self, seed: Option<u64>, files: &KeyFiles) -> Result<NewKeys> {
        match self {
            Self::Ckks(file) => {
                let keys = ckks_runtime::keygen(&file.signature.parameters, seed)?;
                keys.save(&files.secret, &files.evaluation)?;
                Ok(NewKeys { id: keys.client.id().to_owned(), evaluation_bytes: keys.server.bytes() })
            }
            #[cfg(feature = "tfhe")]
            Self::Tfhe(file) => {
                let keys = tfhe_runtime::keygen(&file.signature.parameters, seed)?;
                keys.save(&files.secret, &files.evaluation)?;
                Ok(NewKeys { id: keys.client.id().to_owned(), evaluation_bytes: keys.server.bytes() })
            }
        }
    }

    /// Bytes of a batch of encrypted images, as far as they are known before.
    pub(crate) fn input_bytes(&self) -> u64 {
        match self {
            Self::Ckks(file) => {
                let s = &file.signature;
                ciphertext_bytes(&s.parameters, s.input_limbs, 1, s.input.shape().len())
            }
            #[cfg(feature = "tfhe")]
            Self::Tfhe(_) => 0,
        }
    }

    /// Encrypts images, writes them, and gives the size of the file. INSECURE with a seed.
    pub(crate) fn encrypt(&self, request: &EncryptRequest<'_>, context: &Context) -> Result<u64> {
        let EncryptRequest { key, images, seed, out } = *request;
        let reading_key = || format!("reading key {}", key.display());
        let writing = || format!("writing {}", out.display());
        match self {
            Self::Ckks(file) => {
                let key = ckks_runtime::ClientKey::load(key).with_context(reading_key)?;
                let inputs = normalise(images, &file.signature.input)?;
                let encrypted = ckks_runtime::encrypt(file, &key, &inputs, seed, &*context.progress())?;
                context.check_interrupted("encrypting; nothing was written")?;
                files::create_parent(out)?;
                encrypted.save(out).with_context(writing)
            }
            #[cfg(feature = "tfhe")]
            Self::Tfhe(file) => {
                let key = tfhe_runtime::ClientKey::load(key).with_context(reading_key)?;
                let pixels = pixels(images);
                let encrypted = tfhe_runtime::encrypt(file, &key, &pixels, seed, &*context.progress())?;
                files::create_parent(out)?;
                encrypted.save(out).with_context(writing)
            }
        }
    }

    /// Decrypts the results in the file `input`. With `share`, hides the encryption's own error
    /// under noise 2^`share` times as large.
    pub(crate) fn decrypt(&self, key: &Path, input: &Path, share: Option<f64>, context: &Context) -> Result<Decrypted> {
        let reading_key = || format!("reading key {}", key.display());
        let reading = || format!("reading {}", input.display());
        match self {
            Self::Ckks(file) => {
                let key = ckks_runtime::ClientKey::load(key).with_context(reading_key)?;
                let output = ckks_runtime::EncryptedOutput::load(input).with_context(reading)?;
                let flooding = share.map(|bits| flooding_width(file, bits)).transpose()?;
                if let Some(width) = flooding {
                    context.console.note(format_args!("noise up to {width:.2e} is added to every logit"));
                }
                Ok(Decrypted { logits: ckks_runtime::decrypt(file, &key, &output, flooding)?, flooding })
            }
            #[cfg(feature = "tfhe")]
            Self::Tfhe(file) => {
                let key = tfhe_runtime::ClientKey::load(key).with_context(reading_key)?;
                let output = tfhe_runtime::EncryptedOutput::load(input).with_context(reading)?;
                if share.is_some() {
                    context.console.note(
                        "results are exact integers without any noise of the encryption: nothing is to be hidden",
                    );
                }
                let integers = tfhe_runtime::decrypt(file, &key, &output)?;
                let logits = integers.rows().map(|i| file.signature.logits(i));
                let logits = ImageMajor::from_rows(integers.elements(), logits)?;
                Ok(Decrypted { logits, flooding: None })
            }
        }
    }
}

/// What `--share` asks for, as [`ckks_runtime::flooding_width`] says.
fn flooding_width(file: &ckks::SignatureFile, bits: f64) -> Result<f64> {
    ckks_runtime::flooding_width(file, bits).map_err(|error| match error {
        beaa_runtime::Error::FloodingBits { found } => {
            Exit::Usage.because(format!("--share: found {found}, expected a number of bits from 0 to 60"))
        }
        other => Exit::BadInput.because(format!("--share: {other}")),
    })
}
