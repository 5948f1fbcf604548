//! What travels between client and server, and the receipts that stay with the client.

use std::path::PathBuf;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors::OrRaise;
use crate::work;

/// What unpickling calls, with the bytes of the file.
type Reduced<'py> = (Bound<'py, PyAny>, (Bound<'py, PyBytes>,));

/// Bytes in and out, files, and pickles.
macro_rules! travels {
    ($type:ident, $doc:literal) => {
        #[doc = $doc]
        #[pyclass(frozen, module = "beaa")]
        pub(crate) struct $type {
            pub(crate) inner: Arc<beaa::$type>,
        }

        impl From<beaa::$type> for $type {
            fn from(inner: beaa::$type) -> Self {
                Self { inner: Arc::new(inner) }
            }
        }

        impl $type {
            fn reduced<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py>> {
                Ok((py.get_type::<Self>().getattr("from_bytes")?, (self.to_bytes(py)?,)))
            }
        }
    };
}

travels!(EncryptedImages, "Encrypted images on their way to a server.");
travels!(EncryptedResults, "Encrypted results on their way to a client.");
travels!(EvaluationKey, "The key that a server needs. Holds no secret.");

#[pymethods]
impl EncryptedImages {
    #[staticmethod]
    fn load(path: PathBuf) -> PyResult<Self> {
        Ok(beaa::EncryptedImages::load(path).or_raise()?.into())
    }

    fn save(&self, path: PathBuf) -> PyResult<()> {
        self.inner.save(path).or_raise().map(drop)
    }

    #[staticmethod]
    fn from_bytes(data: &[u8]) -> PyResult<Self> {
        Ok(beaa::EncryptedImages::from_bytes(data.to_vec()).or_raise()?.into())
    }

    fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.inner.to_bytes().or_raise()?))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py>> {
        self.reduced(py)
    }

    #[getter]
    fn batches(&self) -> usize {
        self.inner.batches()
    }

    #[getter]
    fn batch(&self) -> Option<String> {
        self.inner.batch().map(ToString::to_string)
    }

    #[getter]
    fn nbytes(&self) -> u64 {
        self.inner.bytes()
    }

    fn __len__(&self) -> usize {
        self.inner.images()
    }

    fn __repr__(&self) -> String {
        format!("<beaa.EncryptedImages of {} images in {} bytes>", self.inner.images(), self.inner.bytes())
    }
}

#[pymethods]
impl EncryptedResults {
    #[staticmethod]
    fn load(path: PathBuf) -> PyResult<Self> {
        Ok(beaa::EncryptedResults::load(path).or_raise()?.into())
    }

    fn save(&self, path: PathBuf) -> PyResult<()> {
        self.inner.save(path).or_raise().map(drop)
    }

    #[staticmethod]
    fn from_bytes(data: &[u8]) -> PyResult<Self> {
        Ok(beaa::EncryptedResults::from_bytes(data.to_vec()).or_raise()?.into())
    }

    fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.inner.to_bytes().or_raise()?))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py>> {
        self.reduced(py)
    }

    #[getter]
    fn batches(&self) -> usize {
        self.inner.batches()
    }

    #[getter]
    fn batch(&self) -> Option<String> {
        self.inner.batch().map(ToString::to_string)
    }

    #[getter]
    fn nbytes(&self) -> u64 {
        self.inner.bytes()
    }

    fn __len__(&self) -> usize {
        self.inner.images()
    }

    fn __repr__(&self) -> String {
        format!("<beaa.EncryptedResults of {} images in {} bytes>", self.inner.images(), self.inner.bytes())
    }
}

#[pymethods]
impl EvaluationKey {
    #[staticmethod]
    fn load(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        Ok(work::done(py, None, |_| beaa::EvaluationKey::load(path))?.into())
    }

    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        work::done(py, None, |_| self.inner.save(path))
    }

    #[staticmethod]
    fn from_bytes(py: Python<'_>, data: &[u8]) -> PyResult<Self> {
        let data = data.to_vec();
        Ok(work::done(py, None, |_| beaa::EvaluationKey::from_bytes(data))?.into())
    }

    fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &work::done(py, None, |_| self.inner.to_bytes())?))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py>> {
        self.reduced(py)
    }

    #[getter]
    fn id(&self) -> &str {
        self.inner.id()
    }

    fn __repr__(&self) -> String {
        format!("<beaa.EvaluationKey {}>", self.inner.id())
    }
}

/// What a client remembers of the images that it sent. Not for the server.
#[pyclass(frozen, module = "beaa")]
pub(crate) struct Receipt {
    pub(crate) inner: Arc<beaa::Receipt>,
}

#[pymethods]
impl Receipt {
    #[staticmethod]
    fn load(path: PathBuf) -> PyResult<Self> {
        let receipt = beaa::Receipt::load(&path).map_err(beaa::Error::from).or_raise()?;
        Ok(Self { inner: Arc::new(receipt) })
    }

    fn save(&self, path: PathBuf) -> PyResult<()> {
        self.inner.save(&path).map_err(beaa::Error::from).or_raise()
    }

    #[staticmethod]
    fn from_bytes(data: &[u8]) -> PyResult<Self> {
        let receipt = beaa::Receipt::from_bytes(data.to_vec()).map_err(beaa::Error::from).or_raise()?;
        Ok(Self { inner: Arc::new(receipt) })
    }

    fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.inner.to_bytes().map_err(beaa::Error::from).or_raise()?))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py>> {
        Ok((py.get_type::<Self>().getattr("from_bytes")?, (self.to_bytes(py)?,)))
    }

    #[getter]
    fn batch(&self) -> String {
        self.inner.batch().to_string()
    }

    #[getter]
    fn deviating(&self) -> Vec<usize> {
        self.inner.deviating().iter().map(|d| d.image).collect()
    }

    fn __len__(&self) -> usize {
        self.inner.images()
    }

    fn __repr__(&self) -> String {
        format!("<beaa.Receipt of {} images>", self.inner.images())
    }
}
