//! What a client does: keys, encryption, decryption.

use std::path::Path;

use beaa_ir::images::ImageMajor;
use beaa_runtime::{Silent, ckks};

use crate::{EncryptedImages, EncryptedResults, EvaluationKey, Result, Signature};

/// Holds the secret key of one program: encrypts images, decrypts results.
#[derive(Debug)]
pub struct Client {
    signature: Signature,
    key: ckks::ClientKey,
}

impl Client {
    /// Makes a key pair for the program with this signature. The evaluation key is for the server.
    ///
    /// ```
    /// # fn main() -> beaa::Result<()> {
    /// let signature = beaa::Signature::load("tests/data/v2/program.beaa.signature")?;
    /// let (client, evaluation_key) = beaa::Client::new(signature)?;
    /// # let folder = std::env::temp_dir().join(format!("beaa-doctest-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder).unwrap();
    /// client.save_key(folder.join("secret.key"))?; // readable by its owner alone; keep it
    /// evaluation_key.save(folder.join("evaluation.key"))?; // give it to the server
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If the system gives no randomness.
    pub fn new(signature: Signature) -> Result<(Self, EvaluationKey)> {
        let ckks::KeyPair { client, server } = ckks::keygen(&signature.0.signature.parameters, None)?;
        Ok((Self { signature, key: client }, EvaluationKey(server)))
    }

    /// Takes up a secret key that [`Self::save_key`] wrote.
    ///
    /// # Errors
    /// If the file cannot be read, is no secret key, or others than its owner can read it.
    pub fn load(signature: Signature, key: impl AsRef<Path>) -> Result<Self> {
        Ok(Self { signature, key: ckks::ClientKey::load(key.as_ref())? })
    }

    /// Writes the secret key, readable by its owner alone.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save_key(&self, path: impl AsRef<Path>) -> Result<()> {
        Ok(self.key.save(path.as_ref())?)
    }

    /// The signature of the program.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Encrypts a batch of normalised images ([`Signature::normalise`]).
    ///
    /// # Errors
    /// [`Error::BatchSize`](crate::Error::BatchSize) without images or with more than
    /// [`Signature::slots`], [`Error::ImageSize`](crate::Error::ImageSize) if they are not of the
    /// network's size.
    pub fn encrypt(&self, images: &ImageMajor<f32>) -> Result<EncryptedImages> {
        Ok(EncryptedImages(ckks::encrypt(&self.signature.0, &self.key, images, None, &Silent)?))
    }

    /// Decrypts results: one row of logits for each image. Keep them private: exact logits can leak
    /// the key.
    ///
    /// ```
    /// # fn main() -> beaa::Result<()> {
    /// let signature = beaa::Signature::load("tests/data/v2/program.beaa.signature")?;
    /// # let key = std::env::temp_dir().join(format!("beaa-doctest-{}.key", std::process::id()));
    /// # std::fs::copy("tests/data/v2/secret.key", &key).unwrap();
    /// # #[cfg(unix)]
    /// # std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    /// let client = beaa::Client::load(signature, &key)?;
    /// # std::fs::remove_file(&key).unwrap();
    /// let answers = beaa::EncryptedResults::load("tests/data/v2/answers.ct")?;
    /// let classes = client.signature().classes();
    /// for class in beaa::classify(classes, &client.decrypt(&answers)?)? {
    ///     println!("{}", classes.word(class));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Mismatch`](crate::Error::Mismatch) if they are under another key or of another
    /// program.
    pub fn decrypt(&self, results: &EncryptedResults) -> Result<ImageMajor<f64>> {
        self.decrypt_with(results, None)
    }

    /// Decrypts results that may be given to others: hides the encryption's own error under uniform
    /// noise 2^`bits` times as large. Eight bits are usual.
    ///
    /// # Errors
    /// As [`Self::decrypt`], and [`Error::BadOption`](crate::Error::BadOption) with more than 60
    /// bits or if the signature does not say how large the error is.
    pub fn decrypt_to_share(&self, results: &EncryptedResults, bits: u32) -> Result<ImageMajor<f64>> {
        let width = ckks::flooding_width(&self.signature.0, f64::from(bits))?;
        self.decrypt_with(results, Some(width))
    }

    fn decrypt_with(&self, results: &EncryptedResults, flooding: Option<f64>) -> Result<ImageMajor<f64>> {
        Ok(ckks::decrypt(&self.signature.0, &self.key, &results.0, flooding)?)
    }
}
