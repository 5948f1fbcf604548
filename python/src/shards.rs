//! Shards: encrypted images on their way to any of many machines.

use pyo3::prelude::*;

use crate::ciphertexts::{EncryptedImages, EncryptedResults};
use crate::errors::OrRaise;

/// What unpickling calls, with the JSON.
type Reduced<'py> = (Bound<'py, PyAny>, (String,));

/// Encrypted images in a file of their own.
#[pyclass(frozen, module = "beaa")]
pub(crate) struct Shard {
    pub(crate) inner: beaa::Shard,
}

/// The record of the answers to a shard.
#[pyclass(frozen, module = "beaa")]
pub(crate) struct ShardAnswer {
    inner: beaa::ShardAnswer,
}

#[pymethods]
impl Shard {
    #[new]
    fn new(images: &EncryptedImages, ciphertexts: String) -> PyResult<Self> {
        Ok(Self { inner: beaa::Shard::new(&images.inner, ciphertexts).or_raise()? })
    }

    #[staticmethod]
    fn from_json(text: &str) -> PyResult<Self> {
        Ok(Self { inner: beaa::Shard::from_json(text).or_raise()? })
    }

    fn to_json(&self) -> PyResult<String> {
        self.inner.to_json().or_raise()
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py>> {
        Ok((py.get_type::<Self>().getattr("from_json")?, (self.to_json()?,)))
    }

    #[getter]
    fn id(&self) -> String {
        self.inner.id()
    }

    #[getter]
    fn program(&self) -> &str {
        self.inner.program()
    }

    #[getter]
    fn key(&self) -> &str {
        self.inner.key()
    }

    #[getter]
    fn ciphertexts(&self) -> &str {
        self.inner.ciphertexts()
    }

    /// Refuses images that are not those of the shard.
    fn expect(&self, images: &EncryptedImages) -> PyResult<()> {
        self.inner.expect(&images.inner).or_raise()
    }

    /// The record of answers to this shard, which lie at `answers`.
    fn answered(&self, results: &EncryptedResults, answers: String) -> PyResult<ShardAnswer> {
        Ok(ShardAnswer { inner: self.inner.answered(&results.inner, answers).or_raise()? })
    }

    fn __len__(&self) -> usize {
        self.inner.images()
    }

    fn __eq__(&self, other: &Self) -> bool {
        self.inner == other.inner
    }

    fn __repr__(&self) -> String {
        format!("<beaa.Shard {}: {} images in {}>", &self.id()[..16], self.inner.images(), self.inner.ciphertexts())
    }
}

#[pymethods]
impl ShardAnswer {
    #[staticmethod]
    fn from_json(text: &str) -> PyResult<Self> {
        Ok(Self { inner: beaa::ShardAnswer::from_json(text).or_raise()? })
    }

    fn to_json(&self) -> PyResult<String> {
        self.inner.to_json().or_raise()
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py>> {
        Ok((py.get_type::<Self>().getattr("from_json")?, (self.to_json()?,)))
    }

    #[getter]
    fn shard(&self) -> &str {
        self.inner.shard()
    }

    #[getter]
    fn checksum(&self) -> &str {
        self.inner.checksum()
    }

    #[getter]
    fn answers(&self) -> &str {
        self.inner.answers()
    }

    /// Refuses answers that are not those which the record speaks of.
    fn expect(&self, shard: &Shard, results: &EncryptedResults) -> PyResult<()> {
        self.inner.expect(&shard.inner, &results.inner).or_raise()
    }

    fn __eq__(&self, other: &Self) -> bool {
        self.inner == other.inner
    }

    fn __repr__(&self) -> String {
        format!("<beaa.ShardAnswer to {} in {}>", &self.inner.shard()[..16], self.inner.answers())
    }
}
