//! The client: keys, encryption, decryption.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use beaa::{BatchId, Passphrase, ReceiptFolder};
use pyo3::prelude::*;

use crate::answers::{Answers, Shared};
use crate::arrays::numbers;
use crate::ciphertexts::{EncryptedImages, EncryptedResults, EvaluationKey, Receipt};
use crate::errors::{OrRaise, refusal};
use crate::program::Signature;
use crate::receipts::{Receipts, Sharing};
use crate::work;

/// Holds the secret key of one program, and the receipts of what it encrypted.
#[pyclass(frozen, module = "beaa")]
pub(crate) struct Client {
    inner: beaa::Client,
    evaluation_key: Option<Arc<beaa::EvaluationKey>>,
    /// Whether there should be an evaluation key which is not here: that of a key that was loaded.
    key_elsewhere: bool,
    receipts: Receipts,
}

#[pymethods]
impl Client {
    #[new]
    fn new(py: Python<'_>, signature: &Signature) -> PyResult<Self> {
        let signature = signature.inner.clone();
        let (inner, key) = work::done(py, None, |_| beaa::Client::new(signature))?;
        let (evaluation_key, receipts) = (key.map(Arc::new), Receipts::default());
        Ok(Self { inner, evaluation_key, key_elsewhere: false, receipts })
    }

    #[staticmethod]
    #[pyo3(signature = (signature, path, *, passphrase = None, receipts = None))]
    fn load(
        py: Python<'_>,
        signature: &Signature,
        path: PathBuf,
        passphrase: Option<&str>,
        receipts: Option<PathBuf>,
    ) -> PyResult<Self> {
        let passphrase = passphrase.map(protection).transpose()?;
        let signature = signature.inner.clone();
        let inner = work::done(py, None, |_| match &passphrase {
            Some(passphrase) => beaa::Client::load_protected(signature, &path, passphrase),
            None => beaa::Client::load(signature, &path),
        })?;
        let key_elsewhere = inner.signature().needs_evaluation_key();
        let receipts = Receipts::in_folder(receipt_folder(&path, receipts)?);
        Ok(Self { inner, evaluation_key: None, key_elsewhere, receipts })
    }

    #[pyo3(signature = (path, *, passphrase = None, receipts = None))]
    fn save(&self, py: Python<'_>, path: PathBuf, passphrase: Option<&str>, receipts: Option<PathBuf>) -> PyResult<()> {
        match passphrase.map(protection).transpose()? {
            Some(passphrase) => work::done(py, None, |_| self.inner.save_protected_key(&path, &passphrase))?,
            None => self.inner.save_key(&path).or_raise()?,
        }
        // Beside a device or a FIFO nothing is found again.
        if receipts.is_some() || path.is_file() {
            let folder = receipt_folder(&path, receipts)?;
            work::done(py, None, |_| self.receipts.keep_in(folder))?;
        }
        Ok(())
    }

    fn __reduce__(&self, py: Python<'_>) -> PyResult<()> {
        let remedy = "write the key with client.save(path), which its owner alone can read, and load it elsewhere with \
                      beaa.Client.load(signature, path)";
        let found = "a client, which holds a secret key";
        Err(refusal(py, "SecretError", ["pickling", found, "what may leave this process", remedy]))
    }

    #[getter]
    fn signature(&self) -> Signature {
        Signature { inner: self.inner.signature().clone() }
    }

    #[getter]
    fn id(&self) -> &str {
        self.inner.id()
    }

    #[getter]
    fn evaluation_key(&self, py: Python<'_>) -> PyResult<Option<EvaluationKey>> {
        if self.key_elsewhere {
            let remedy = "read it from the file where client.evaluation_key.save(path) wrote it";
            let said = ["reading client.evaluation_key", "a client whose key was loaded", "one that made it", remedy];
            return Err(refusal(py, "MismatchError", said));
        }
        Ok(self.evaluation_key.as_ref().map(|key| EvaluationKey { inner: Arc::clone(key) }))
    }

    #[pyo3(signature = (images, *, normalised = false, progress = None))]
    fn encrypt(
        &self,
        py: Python<'_>,
        images: &Bound<'_, PyAny>,
        normalised: bool,
        progress: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<EncryptedImages> {
        let images = numbers(images)?;
        let source = images.source(py, self.inner.signature(), normalised)?;
        let progress = callback(py, progress)?;
        let (encrypted, deviating, all) = work::done(py, progress.as_ref(), |watch| {
            let (encrypted, receipt) = self.inner.encrypt_from(&source, watch)?;
            let (deviating, all) = (receipt.deviating().len(), receipt.images());
            // Before anybody has the images.
            self.receipts.add(receipt)?;
            Ok((encrypted, deviating, all))
        })?;
        if deviating > 0 {
            py.import("beaa._warnings")?.call_method1("deviating", (deviating, all))?;
        }
        Ok(encrypted.into())
    }

    /// The receipt of images that this client encrypted.
    fn receipt(&self, py: Python<'_>, images: &EncryptedImages) -> PyResult<Receipt> {
        Ok(Receipt { inner: self.remembered(py, "finding a receipt", images.inner.batch())? })
    }

    #[pyo3(signature = (results, receipt = None))]
    fn decrypt(&self, py: Python<'_>, results: &EncryptedResults, receipt: Option<&Receipt>) -> PyResult<Answers> {
        let receipt = match receipt {
            Some(receipt) => Arc::clone(&receipt.inner),
            None => self.remembered(py, "decrypting results", results.inner.batch())?,
        };
        let answers = work::done(py, None, |_| self.inner.decrypt(&results.inner, &receipt))?;
        Ok(Answers::new(answers, self.inner.signature().classes().clone()))
    }

    /// Decrypts answers for others to see; their receipts say so before they are there.
    #[pyo3(signature = (results, *, receipt_file = None, bits = 30))]
    fn share(
        &self,
        py: Python<'_>,
        results: &EncryptedResults,
        receipt_file: Option<PathBuf>,
        bits: u32,
    ) -> PyResult<Shared> {
        let shared =
            work::done(py, None, |_| self.receipts.share(&self.inner, &results.inner, receipt_file.as_deref(), bits))?;
        match shared {
            Sharing::Done(shared) => Ok(Shared::new(shared, self.inner.signature().classes().clone())),
            Sharing::Before(bits) => {
                let found = format!("answers that were shared before, with {bits} bits");
                let remedy = "give the first ones again, or encrypt the images anew";
                Err(refusal(py, "OptionError", ["sharing answers", &found, "answers that are shared once", remedy]))
            }
            Sharing::NoReceipt => {
                let remedy = "save the key, beside which receipts are kept, or give receipt_file";
                let said =
                    ["sharing answers", "no file with their receipt", "one, which counts what is shared", remedy];
                Err(refusal(py, "MismatchError", said))
            }
        }
    }

    fn __repr__(&self) -> String {
        format!("<beaa.Client with key {}>", self.inner.id())
    }
}

impl Client {
    fn remembered(&self, py: Python<'_>, operation: &str, batch: Option<&BatchId>) -> PyResult<Arc<beaa::Receipt>> {
        let found = match batch {
            Some(batch) => work::done(py, None, |_| self.receipts.find(batch))?,
            None => None,
        };
        found.ok_or_else(|| {
            let found = match batch {
                Some(batch) => format!("batch {batch}, which this client has not encrypted"),
                None => "ciphertexts that do not name their batch".to_owned(),
            };
            let remedy = "give the receipt that was saved with client.receipt(images).save(path)";
            refusal(py, "MismatchError", [operation, &found, "a batch of which this client has the receipt", remedy])
        })
    }
}

/// Where the receipts of a key in a file are kept. It stays there when the process changes its
/// folder.
fn receipt_folder(key: &Path, folder: Option<PathBuf>) -> PyResult<ReceiptFolder> {
    let path = folder.as_deref().unwrap_or(key);
    let path = std::path::absolute(path).map_err(|source| beaa::Error::Io {
        operation: "finding the folder of receipts of",
        path: path.to_path_buf(),
        source,
    });
    let path = path.or_raise()?;
    Ok(if folder.is_some() { ReceiptFolder::new(path) } else { ReceiptFolder::beside(path) })
}

/// The callable that is told of progress: a bar where it is True.
pub(crate) fn callback<'py>(
    py: Python<'py>,
    progress: Option<&Bound<'py, PyAny>>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let Some(progress) = progress else { return Ok(None) };
    let found = py.import("beaa._progress")?.call_method1("callback", (progress,))?;
    Ok(Some(found).filter(|f| !f.is_none()))
}

fn protection(passphrase: &str) -> PyResult<Passphrase> {
    Passphrase::new(passphrase.as_bytes()).map_err(beaa::Error::from).or_raise()
}
