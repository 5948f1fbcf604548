//! The server: runs a program on encrypted images. Nothing here takes a secret key.

use std::sync::Arc;

use pyo3::prelude::*;

use crate::ciphertexts::{EncryptedImages, EncryptedResults, EvaluationKey};
use crate::client::callback;
use crate::errors::OrRaise as _;
use crate::program::{Program, Signature};
use crate::work;

/// Runs one program, for the client whose evaluation key it has.
#[pyclass(frozen, module = "beaa")]
pub(crate) struct Server {
    inner: beaa::Server,
    program: Py<Program>,
    key: Option<Py<EvaluationKey>>,
    device: beaa::RunDevice,
}

/// What unpickling calls, with program, key and device.
type Reduced<'py> = (Bound<'py, PyAny>, (Py<Program>, Option<Py<EvaluationKey>>, String));

#[pymethods]
impl Server {
    #[new]
    #[pyo3(signature = (program, evaluation_key = None, device = "processor"))]
    fn new(
        py: Python<'_>,
        program: Py<Program>,
        evaluation_key: Option<Py<EvaluationKey>>,
        device: &str,
    ) -> PyResult<Self> {
        let copy = program.get().inner.clone();
        let device: beaa::RunDevice = device.parse().map_err(beaa::Error::from).or_raise()?;
        let inner = work::done(py, None, |_| beaa::Server::on(device, copy))?;
        Ok(Self { inner, program, key: evaluation_key, device })
    }

    #[getter]
    fn signature(&self) -> Signature {
        Signature { inner: self.inner.signature() }
    }

    /// Runs the program on encrypted images.
    #[pyo3(signature = (images, *, progress = None))]
    fn run(
        &self,
        py: Python<'_>,
        images: &EncryptedImages,
        progress: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<EncryptedResults> {
        let key = self.key.as_ref().map(|key| Arc::clone(&key.get().inner));
        let progress = callback(py, progress)?;
        let (results, _) =
            work::done(py, progress.as_ref(), |watch| self.inner.run_with(key.as_deref(), &images.inner, watch))?;
        Ok(results.into())
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> Reduced<'py> {
        let key = self.key.as_ref().map(|key| key.clone_ref(py));
        (py.get_type::<Self>().into_any(), (self.program.clone_ref(py), key, self.device.to_string()))
    }

    fn __repr__(&self) -> String {
        format!("<beaa.Server of program {}>", &self.inner.signature().program()[..16])
    }
}
