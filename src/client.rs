//! What a client does: keys, encryption, decryption.

use std::path::Path;

use beaa_ir::images::ImageMajor;
use beaa_runtime::{Progress, Silent, ckks};

use crate::error::refuse_seed;
use crate::{
    Answers, EncryptedImages, EncryptedResults, Error, EvaluationKey, Passphrase, Receipt, Result, Shared, Signature,
};

pub use beaa_runtime::ckks::ImageSource;

/// Holds the secret key of one program: encrypts images, decrypts results. The key is locked in
/// memory where the system allows it and wiped when dropped; call
/// [`forbid_core_dumps`](crate::forbid_core_dumps) before, so that it is in no core dump.
#[derive(Debug)]
pub struct Client {
    signature: Signature,
    key: ckks::ClientKey,
}

impl Client {
    /// Makes the keys for the program with this signature. The evaluation key is for the server;
    /// there is none where the program switches no keys.
    ///
    /// ```
    /// # fn main() -> beaa::Result<()> {
    /// let signature = beaa::Signature::load("tests/data/v2/program.beaa.signature")?;
    /// let (client, evaluation_key) = beaa::Client::new(signature)?;
    /// # let folder = std::env::temp_dir().join(format!("beaa-doctest-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder).unwrap();
    /// client.save_key(folder.join("secret.key"))?; // readable by its owner alone; keep it
    /// if let Some(key) = evaluation_key {
    ///     key.save(folder.join("evaluation.key"))?; // give it to the server
    /// }
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If the system gives no randomness.
    pub fn new(signature: Signature) -> Result<(Self, Option<EvaluationKey>)> {
        let ckks::KeyPair { client, server } = ckks::keygen(&signature.0.signature, None)?;
        Ok((Self { signature, key: client }, server.map(EvaluationKey)))
    }

    /// Takes up a secret key that [`Self::save_key`] wrote.
    ///
    /// # Errors
    /// If the file cannot be read, is no secret key, or others than its owner can read it;
    /// [`Error::Passphrase`](crate::Error::Passphrase) if it is encrypted,
    /// [`Error::FromSeed`](crate::Error::FromSeed) if it was made with a seed.
    pub fn load(signature: Signature, key: impl AsRef<Path>) -> Result<Self> {
        Self::load_with(signature, key.as_ref(), None)
    }

    /// Writes the secret key, readable by its owner alone.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save_key(&self, path: impl AsRef<Path>) -> Result<()> {
        Ok(self.key.save(path.as_ref())?)
    }

    /// Writes the secret key as [`Self::save_key`] does, encrypted with a passphrase in the age
    /// format (docs/keys.md). It takes about a second and 256 MiB, as reading it does.
    ///
    /// # Errors
    /// As [`Self::save_key`], and [`Error::Memory`](crate::Error::Memory).
    pub fn save_protected_key(&self, path: impl AsRef<Path>, passphrase: &Passphrase) -> Result<()> {
        Ok(self.key.save_protected(path.as_ref(), Some(passphrase))?)
    }

    /// Takes up a secret key that [`Self::save_protected_key`] wrote.
    ///
    /// ```
    /// # fn main() -> beaa::Result<()> {
    /// use beaa::{Client, Passphrase, Signature};
    ///
    /// let passphrase = Passphrase::new(b"correct horse battery staple")?;
    /// # let path = std::env::temp_dir().join(format!("beaa-doctest-{}.key", std::process::id()));
    /// let (client, _) = Client::new(Signature::load("tests/data/v2/program.beaa.signature")?)?;
    /// client.save_protected_key(&path, &passphrase)?;
    /// let client = Client::load_protected(client.signature().clone(), &path, &passphrase)?;
    /// # std::fs::remove_file(&path).unwrap();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Self::load`], and [`Error::Passphrase`](crate::Error::Passphrase) if it is another one.
    pub fn load_protected(signature: Signature, key: impl AsRef<Path>, passphrase: &Passphrase) -> Result<Self> {
        Self::load_with(signature, key.as_ref(), Some(passphrase))
    }

    fn load_with(signature: Signature, path: &Path, passphrase: Option<&Passphrase>) -> Result<Self> {
        let key = ckks::ClientKey::load_protected(path, passphrase)?;
        refuse_seed(key.is_from_seed(), "a secret key", path)?;
        Ok(Self { signature, key })
    }

    /// The signature of the program.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// The name of the pair of keys, by which ciphertexts say under which they are.
    pub fn id(&self) -> &str {
        self.key.id()
    }

    /// Encrypts normalised images ([`Signature::normalise`]): more than [`Signature::slots`] become
    /// several batches, which are sent, run and answered together. Send the images, keep the
    /// receipt: answers are decrypted with it. It also says which images are outside of what the
    /// program was compiled for ([`Receipt::deviating`]); the network may be wrong about them.
    ///
    /// # Errors
    /// [`Error::NoImages`](crate::Error::NoImages) without images,
    /// [`Error::ImageSize`](crate::Error::ImageSize) if they are not of the network's size.
    pub fn encrypt(&self, images: &ImageMajor<f32>) -> Result<(EncryptedImages, Receipt)> {
        let (images, receipt) = ckks::encrypt(&self.signature.0, &self.key, images, None, &Silent)?;
        Ok((EncryptedImages(images), receipt))
    }

    /// Encrypts images as [`Self::encrypt`] does, read a batch at a time: all of them together need
    /// not be in memory, nor be normalised at once. Tells `progress` how far it is.
    ///
    /// # Errors
    /// As [`Self::encrypt`]; those of reading; [`Error::Stopped`](crate::Error::Stopped) if
    /// `progress` says so.
    pub fn encrypt_from<S: ImageSource<Error = Error> + ?Sized>(
        &self,
        images: &S,
        progress: &dyn Progress,
    ) -> Result<(EncryptedImages, Receipt)> {
        let (images, receipt) = ckks::encrypt(&self.signature.0, &self.key, images, None, progress)?;
        Ok((EncryptedImages(images), receipt))
    }

    /// Encrypts images as [`Self::encrypt`] does and writes them to a file as they are made: it may
    /// be larger than memory. Returns the size of the file in bytes, and the receipt.
    ///
    /// # Errors
    /// As [`Self::encrypt`], and if the file cannot be written.
    pub fn encrypt_to_file(&self, images: &ImageMajor<f32>, path: impl AsRef<Path>) -> Result<(u64, Receipt)> {
        let (signature, path) = (&self.signature.0, path.as_ref());
        let (composed, receipt) = ckks::encrypt_to_file(path, signature, &self.key, images, None, &Silent)?;
        Ok((composed.commit()?, receipt))
    }

    /// Decrypts the answers to the images that `receipt` is of, in their order. Images whose
    /// answers are outside of what the program promises have no class ([`Answers::outside`]).
    /// Answers are for the owner of the key alone: whoever may choose what is decrypted and sees
    /// the answers, or only the classes, can find out the key (docs/security.md).
    ///
    /// ```
    /// # fn main() -> beaa::Result<()> {
    /// use beaa::{Client, EvaluationKey, Program, Server};
    ///
    /// let program = Program::load("tests/data/v2/program.beaa")?;
    /// let (client, evaluation_key) = Client::new(program.signature())?;
    /// let pixels = beaa::ImageMajor::new(2, 4, vec![0, 0, 0, 0, 100, 100, 100, 100])?;
    /// let (images, receipt) = client.encrypt(&client.signature().normalise(&pixels)?)?;
    /// let results = Server::new(program)?.run(&evaluation_key, &images)?;
    ///
    /// let answers = client.decrypt(&results, &receipt)?;
    /// let classes = client.signature().classes();
    /// for class in answers.classes(classes) {
    ///     println!("{}", class.map_or("outside of its range".to_owned(), |c| classes.word(c)));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Mismatch`](crate::Error::Mismatch) if they are to another batch, under another key
    /// or of another program; [`Error::Forged`](crate::Error::Forged) if no program computed them.
    pub fn decrypt(&self, results: &EncryptedResults, receipt: &Receipt) -> Result<Answers> {
        Ok(ckks::decrypt(&self.signature.0, &self.key, &results.0, receipt)?)
    }

    /// Decrypts answers of which nothing is known but what they say themselves: whoever made them
    /// may have made them of anything. For answers to images of earlier releases; prefer
    /// [`Self::decrypt`].
    ///
    /// # Errors
    /// As [`Self::decrypt`].
    pub fn decrypt_without_receipt(&self, results: &EncryptedResults) -> Result<Answers> {
        Ok(ckks::decrypt_without_receipt(&self.signature.0, &self.key, &results.0)?)
    }

    /// Decrypts the answers to the images that `receipt` is of for others to see: hides the
    /// encryption's own error under noise, with so many bits of statistical security; 30 are usual.
    /// The receipt notes it, and is to be saved before anything is shown: answers are shared once.
    /// It holds against a server that runs the program, not against one that makes up answers.
    ///
    /// # Errors
    /// As [`Self::decrypt`], and [`Error::BadOption`](crate::Error::BadOption) with more than 60
    /// bits, if they were shared before, or if the program is not precise enough: then so much
    /// noise would hide the answers.
    pub fn share(&self, results: &EncryptedResults, receipt: &mut Receipt, bits: u32) -> Result<Shared> {
        Ok(ckks::share(&self.signature.0, &self.key, &results.0, receipt, f64::from(bits))?)
    }

    /// Decrypts answers for others to see as [`Self::share`] does, by the receipt that lies in all
    /// of `files`: each of them says so before this returns, so that a process that ends afterwards
    /// has forgotten nothing. Gives the receipt, too.
    ///
    /// ```
    /// # fn main() -> beaa::Result<()> {
    /// use beaa::{Client, CompileOptions, ImageMajor, Model, ReceiptFolder, Server, compile};
    ///
    /// let model = Model::load("tests/data/v2/model.safetensors")?;
    /// let program = compile(&model, &CompileOptions { logit_error: 1e-5, ..Default::default() })?;
    /// let (client, key) = Client::new(program.signature())?;
    /// # let name = format!("beaa-doctest-share-{}", std::process::id());
    /// # let folder = std::env::temp_dir().join(name);
    /// let receipts = ReceiptFolder::new(&folder);
    /// let pixels = ImageMajor::new(1, 4, vec![0, 0, 100, 100])?;
    /// let (images, receipt) = client.encrypt(&client.signature().normalise(&pixels)?)?;
    /// let file = receipts.keep(&receipt)?;
    /// let results = Server::new(program)?.run(&key, &images)?;
    /// let (shared, _) = client.share_by_files(&results, &[&file], 10)?;
    /// assert!(client.share_by_files(&results, &[&file], 10).is_err(), "once");
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Self::share`]; if a file cannot be read or written, or is the receipt of another batch
    /// than the first; if somebody else writes into a file's folder now.
    ///
    /// # Panics
    /// Without a file.
    pub fn share_by_files(&self, results: &EncryptedResults, files: &[&Path], bits: u32) -> Result<(Shared, Receipt)> {
        Ok(ckks::share_by_files(&self.signature.0, &self.key, &results.0, files, f64::from(bits))?)
    }
}
