//! The client: keys, encryption, decryption.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use beaa::Passphrase;
use pyo3::prelude::*;

use crate::answers::{Answers, Shared};
use crate::arrays::numbers;
use crate::ciphertexts::{EncryptedImages, EncryptedResults, EvaluationKey, Receipt};
use crate::errors::{OrRaise, refusal};
use crate::program::Signature;
use crate::work;

/// Holds the secret key of one program, and the receipts of what it encrypted.
#[pyclass(frozen, module = "beaa")]
pub(crate) struct Client {
    inner: beaa::Client,
    evaluation_key: Option<Arc<beaa::EvaluationKey>>,
    /// Whether there should be an evaluation key which is not here: that of a key that was loaded.
    key_elsewhere: bool,
    /// By the name of their first batch.
    receipts: Mutex<HashMap<String, Arc<beaa::Receipt>>>,
}

#[pymethods]
impl Client {
    #[new]
    fn new(py: Python<'_>, signature: &Signature) -> PyResult<Self> {
        let signature = signature.inner.clone();
        let (inner, key) = work::done(py, None, |_| beaa::Client::new(signature))?;
        let (evaluation_key, receipts) = (key.map(Arc::new), Mutex::default());
        Ok(Self { inner, evaluation_key, key_elsewhere: false, receipts })
    }

    #[staticmethod]
    #[pyo3(signature = (signature, path, *, passphrase = None))]
    fn load(py: Python<'_>, signature: &Signature, path: PathBuf, passphrase: Option<&str>) -> PyResult<Self> {
        let passphrase = passphrase.map(protection).transpose()?;
        let signature = signature.inner.clone();
        let inner = work::done(py, None, |_| match &passphrase {
            Some(passphrase) => beaa::Client::load_protected(signature, &path, passphrase),
            None => beaa::Client::load(signature, &path),
        })?;
        let key_elsewhere = inner.signature().needs_evaluation_key();
        Ok(Self { inner, evaluation_key: None, key_elsewhere, receipts: Mutex::default() })
    }

    #[pyo3(signature = (path, *, passphrase = None))]
    fn save(&self, py: Python<'_>, path: PathBuf, passphrase: Option<&str>) -> PyResult<()> {
        match passphrase.map(protection).transpose()? {
            Some(passphrase) => work::done(py, None, |_| self.inner.save_protected_key(&path, &passphrase)),
            None => self.inner.save_key(&path).or_raise(),
        }
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
        let source = images.source(self.inner.signature(), normalised)?;
        let progress = callback(py, progress)?;
        let (encrypted, receipt) = work::done(py, progress.as_ref(), |watch| self.inner.encrypt_from(&source, watch))?;
        if !receipt.deviating().is_empty() {
            let (found, all) = (receipt.deviating().len(), receipt.images());
            py.import("beaa._warnings")?.call_method1("deviating", (found, all))?;
        }
        let mut receipts = self.receipts.lock().unwrap_or_else(PoisonError::into_inner);
        receipts.insert(receipt.batch().to_string(), Arc::new(receipt));
        Ok(encrypted.into())
    }

    /// The receipt of images that this client encrypted.
    fn receipt(&self, py: Python<'_>, images: &EncryptedImages) -> PyResult<Receipt> {
        let batch = images.inner.batch().map(ToString::to_string);
        Ok(Receipt { inner: self.remembered(py, "finding a receipt", batch)? })
    }

    #[pyo3(signature = (results, receipt = None))]
    fn decrypt(&self, py: Python<'_>, results: &EncryptedResults, receipt: Option<&Receipt>) -> PyResult<Answers> {
        let receipt = match receipt {
            Some(receipt) => Arc::clone(&receipt.inner),
            None => self.remembered(py, "decrypting results", results.inner.batch().map(ToString::to_string))?,
        };
        let answers = work::done(py, None, |_| self.inner.decrypt(&results.inner, &receipt))?;
        Ok(Answers::new(answers, self.inner.signature().classes().clone()))
    }

    /// Decrypts answers for others to see; the receipt in the file says so before they are there.
    #[pyo3(signature = (results, *, receipt_file, bits = 30))]
    fn share(&self, py: Python<'_>, results: &EncryptedResults, receipt_file: PathBuf, bits: u32) -> PyResult<Shared> {
        let shared = work::done(py, None, |_| {
            let mut receipt = beaa::Receipt::load(&receipt_file)?;
            let shared = self.inner.share(&results.inner, &mut receipt, bits)?;
            receipt.save(&receipt_file)?;
            Ok(shared)
        })?;
        Ok(Shared::new(shared, self.inner.signature().classes().clone()))
    }

    fn __repr__(&self) -> String {
        format!("<beaa.Client with key {}>", self.inner.id())
    }
}

impl Client {
    fn remembered(&self, py: Python<'_>, operation: &str, batch: Option<String>) -> PyResult<Arc<beaa::Receipt>> {
        let receipts = self.receipts.lock().unwrap_or_else(PoisonError::into_inner);
        let found = batch.as_ref().and_then(|batch| receipts.get(batch)).cloned();
        found.ok_or_else(|| {
            let found = match &batch {
                Some(batch) => format!("batch {batch}, which this client has not encrypted"),
                None => "ciphertexts that do not name their batch".to_owned(),
            };
            let remedy = "give the receipt that was saved with client.receipt(images).save(path)";
            refusal(py, "MismatchError", [operation, &found, "a batch of which this client has the receipt", remedy])
        })
    }
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
