//! What a server does: run a program on encrypted images. Nothing here can hold or make a secret
//! key.

use std::path::Path;
use std::sync::Arc;

use beaa_runtime::{Progress, Silent, ckks};

use crate::error::{in_memory, refuse_seed};
use crate::{BatchId, Program, Result, Signature};

pub use beaa_runtime::ckks::RunReport;

/// The key that a server needs to run programs for one client. Holds no secret.
#[derive(Debug)]
pub struct EvaluationKey(pub(crate) ckks::ServerKey);

/// Encrypted images on their way to a server.
pub struct EncryptedImages(pub(crate) ckks::EncryptedInput);

/// Encrypted results on their way to a client.
pub struct EncryptedResults(pub(crate) ckks::EncryptedOutput);

/// Runs one program for any number of clients.
#[derive(Debug)]
pub struct Server {
    program: ckks::PreparedProgram<Arc<beaa_ir::ckks::Program>>,
    #[cfg(feature = "cards")]
    card: Option<beaa_cuda::CudaDevice>,
}

impl Server {
    /// Prepares a program: its weights are arranged once for all runs, which takes 12 more bytes
    /// for each.
    ///
    /// # Errors
    /// If a layer is too large for the arithmetic.
    pub fn new(program: Program) -> Result<Self> {
        let program = ckks::PreparedProgram::new(program.0, ckks::ArrangedWeights::Kept)?;
        Ok(Self {
            program,
            #[cfg(feature = "cards")]
            card: None,
        })
    }

    /// Prepares a program to run on a device: on a graphics card answers are the processor's, to
    /// the last bit.
    ///
    /// ```
    /// # fn main() -> beaa::Result<()> {
    /// let program = beaa::Program::load("tests/data/v2/program.beaa")?;
    /// let server = beaa::Server::on("processor".parse()?, program)?;
    /// let key = beaa::EvaluationKey::load("tests/data/v2/evaluation.key")?;
    /// let images = beaa::EncryptedImages::load("tests/data/v2/images.ct")?;
    /// assert_eq!(server.run(&key, &images)?.images(), 3);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Self::new`]; [`Error::Device`](crate::Error::Device) if there is no such card, or
    /// nothing by which to use it.
    #[cfg(feature = "cards")]
    pub fn on(device: crate::RunDevice, program: Program) -> Result<Self> {
        match device.open().map_err(beaa_runtime::Error::from)? {
            // Weights are arranged for the card, where they are needed.
            Some(card) => {
                let program = ckks::PreparedProgram::new(program.0, ckks::ArrangedWeights::PerPart)?;
                Ok(Self { program, card: Some(card) })
            }
            None => Self::new(program),
        }
    }

    /// The signature of the program that it runs.
    pub fn signature(&self) -> Signature {
        Signature(beaa_ir::ckks::SignatureFile::from(self.program.program()))
    }

    /// Runs the program on encrypted images, batch after batch, on all threads of the current pool
    /// or on the device that was asked for, with the evaluation key where it switches keys.
    ///
    /// ```
    /// # fn main() -> beaa::Result<()> {
    /// let server = beaa::Server::new(beaa::Program::load("tests/data/v2/program.beaa")?)?;
    /// let key = beaa::EvaluationKey::load("tests/data/v2/evaluation.key")?;
    /// let images = beaa::EncryptedImages::load("tests/data/v2/images.ct")?;
    /// assert_eq!(server.run(&key, &images)?.images(), 3);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Mismatch`](crate::Error::Mismatch) if key, images and program do not belong
    /// together; [`Error::Device`](crate::Error::Device) if a graphics card fails or has too little
    /// memory.
    pub fn run<'k>(
        &self,
        key: impl Into<Option<&'k EvaluationKey>>,
        images: &EncryptedImages,
    ) -> Result<EncryptedResults> {
        Ok(self.run_with(key, images, &Silent)?.0)
    }

    /// Runs the program as [`Self::run`] does, tells `progress` how far it is, and reports what
    /// took how long.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn run_with<'k>(
        &self,
        key: impl Into<Option<&'k EvaluationKey>>,
        images: &EncryptedImages,
        progress: &dyn Progress,
    ) -> Result<(EncryptedResults, RunReport)> {
        let key = key.into().map(|k| &k.0);
        #[cfg(feature = "cards")]
        if let Some(card) = &self.card {
            let (results, report) = beaa_cuda::run(card, &self.program, key, &images.0, progress)?;
            return Ok((EncryptedResults(results), report));
        }
        let (results, report) = self.program.run(key, &images.0, progress)?;
        Ok((EncryptedResults(results), report))
    }

    /// Runs the program as [`Self::run`] does and writes the results to a file as they are made, so
    /// that any number of batches takes the memory of one. Returns the size of the file in bytes.
    ///
    /// # Errors
    /// As [`Self::run`], and if the file cannot be written.
    pub fn run_to_file<'k>(
        &self,
        key: impl Into<Option<&'k EvaluationKey>>,
        images: &EncryptedImages,
        path: impl AsRef<Path>,
    ) -> Result<u64> {
        let key = key.into().map(|k| &k.0);
        #[cfg(feature = "cards")]
        if let Some(card) = &self.card {
            let (written, _) = beaa_cuda::run_to_file(card, &self.program, path.as_ref(), key, &images.0, &Silent)?;
            return Ok(written.commit()?);
        }
        let (written, _) = self.program.run_to_file(path.as_ref(), key, &images.0, &Silent)?;
        Ok(written.commit()?)
    }
}

impl EvaluationKey {
    /// Reads a key.
    ///
    /// # Errors
    /// If the file cannot be read, or is no evaluation key;
    /// [`Error::FromSeed`](crate::Error::FromSeed) if it was made with a seed.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let key = ckks::ServerKey::load(path.as_ref())?;
        refuse_seed(key.is_from_seed(), "an evaluation key", path.as_ref())?;
        Ok(Self(key))
    }

    /// Reads the bytes of a key's file.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self> {
        let key = ckks::ServerKey::from_bytes(bytes)?;
        refuse_seed(key.is_from_seed(), "an evaluation key", in_memory())?;
        Ok(Self(key))
    }

    /// Gives the bytes of the file that [`Self::save`] writes.
    ///
    /// # Errors
    /// If the key's parameters have no form in JSON.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        Ok(self.0.to_bytes()?)
    }

    /// The name of the pair of keys, by which ciphertexts say under which they are.
    pub fn id(&self) -> &str {
        self.0.id()
    }

    /// Writes the key.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        Ok(self.0.save(path.as_ref())?)
    }
}

impl EncryptedImages {
    /// Maps encrypted images from a file.
    ///
    /// # Errors
    /// If the file cannot be read, or holds something else;
    /// [`Error::FromSeed`](crate::Error::FromSeed) if it was made with a seed.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let images = ckks::EncryptedInput::load(path.as_ref())?;
        refuse_seed(images.is_from_seed(), "encrypted images", path.as_ref())?;
        Ok(Self(images))
    }

    /// Takes up the bytes of a file of encrypted images.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self> {
        let images = ckks::EncryptedInput::from_bytes(bytes)?;
        refuse_seed(images.is_from_seed(), "encrypted images", in_memory())?;
        Ok(Self(images))
    }

    /// Gives the bytes of the file that [`Self::save`] writes.
    ///
    /// # Errors
    /// If its header has no form in JSON.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        Ok(self.0.to_bytes()?)
    }

    /// The first batch, by which the receipt is found; older releases do not name it.
    pub fn batch(&self) -> Option<&BatchId> {
        self.0.batch()
    }

    /// Bytes of the ciphertexts, without the header of their file.
    pub fn bytes(&self) -> u64 {
        self.0.bytes()
    }

    /// Writes a file and returns its size in bytes.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<u64> {
        Ok(self.0.save(path.as_ref())?)
    }

    /// Number of images.
    pub fn images(&self) -> usize {
        self.0.images()
    }

    /// Number of batches that they are in.
    pub fn batches(&self) -> usize {
        self.0.batches()
    }
}

impl EncryptedResults {
    /// Maps encrypted results from a file.
    ///
    /// # Errors
    /// If the file cannot be read, or holds something else;
    /// [`Error::FromSeed`](crate::Error::FromSeed) if it answers images that were encrypted with a
    /// seed.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let results = ckks::EncryptedOutput::load(path.as_ref())?;
        refuse_seed(results.is_from_seed(), "encrypted results", path.as_ref())?;
        Ok(Self(results))
    }

    /// Takes up the bytes of a file of encrypted results.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self> {
        let results = ckks::EncryptedOutput::from_bytes(bytes)?;
        refuse_seed(results.is_from_seed(), "encrypted results", in_memory())?;
        Ok(Self(results))
    }

    /// Gives the bytes of the file that [`Self::save`] writes.
    ///
    /// # Errors
    /// If its header has no form in JSON.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        Ok(self.0.to_bytes()?)
    }

    /// The first batch that is answered, by which the receipt is found; older releases do not name
    /// it.
    pub fn batch(&self) -> Option<&BatchId> {
        self.0.batch()
    }

    /// Bytes of the ciphertexts, without the header of their file.
    pub fn bytes(&self) -> u64 {
        self.0.bytes()
    }

    /// Writes a file and returns its size in bytes.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<u64> {
        Ok(self.0.save(path.as_ref())?)
    }

    /// Number of images.
    pub fn images(&self) -> usize {
        self.0.images()
    }

    /// Number of batches that they are in.
    pub fn batches(&self) -> usize {
        self.0.batches()
    }
}
