//! Compiled programs, and what a client knows of them.

use std::path::PathBuf;

use beaa::Report;
use numpy::PyArray2;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::arrays::{array, numbers};
use crate::errors::{OrRaise, refusal};
use crate::work;

/// A program, and its report as JSON and as text.
#[pyclass(frozen, module = "beaa")]
pub(crate) struct Program {
    pub(crate) inner: beaa::Program,
    figures: String,
    text: String,
}

impl Program {
    /// The program with the report that the compiler made.
    ///
    /// # Errors
    /// If the report has no form in JSON.
    pub(crate) fn with_report(py: Python<'_>, inner: beaa::Program, report: &Report) -> PyResult<Self> {
        let figures = serde_json::to_string(report).map_err(|e| {
            refusal(py, "Error", ["writing a report", &e.to_string(), "JSON", "report this with the model"])
        })?;
        Ok(Self { inner, figures, text: beaa::explain(report) })
    }

    fn plain(py: Python<'_>, inner: beaa::Program) -> PyResult<Self> {
        let report = inner.report();
        Self::with_report(py, inner, &report)
    }
}

/// What unpickling calls, with the bytes of the program and its report.
type Reduced<'py> = (Bound<'py, PyAny>, (Bound<'py, PyBytes>, String, String));

#[pymethods]
impl Program {
    #[staticmethod]
    fn load(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        work::expect_no_fork(py)?;
        Self::plain(py, beaa::Program::load(path).or_raise()?)
    }

    fn save(&self, path: PathBuf) -> PyResult<()> {
        self.inner.save(path).or_raise()
    }

    #[staticmethod]
    fn from_bytes(py: Python<'_>, data: &[u8]) -> PyResult<Self> {
        work::expect_no_fork(py)?;
        Self::plain(py, beaa::Program::from_bytes(data.to_vec()).or_raise()?)
    }

    fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.inner.to_bytes().or_raise()?))
    }

    #[staticmethod]
    fn _restore(data: &[u8], figures: String, text: String) -> PyResult<Self> {
        Ok(Self { inner: beaa::Program::from_bytes(data.to_vec()).or_raise()?, figures, text })
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py>> {
        let restore = py.get_type::<Self>().getattr("_restore")?;
        Ok((restore, (self.to_bytes(py)?, self.figures.clone(), self.text.clone())))
    }

    #[getter]
    fn signature(&self) -> Signature {
        Signature { inner: self.inner.signature() }
    }

    #[getter]
    fn report<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        py.import("beaa._report")?.call_method1("Report", (&self.figures, &self.text))
    }

    /// What encryption would answer without noise.
    #[pyo3(signature = (images, *, normalised = false))]
    fn evaluate<'py>(
        &self,
        py: Python<'py>,
        images: &Bound<'py, PyAny>,
        normalised: bool,
    ) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let images = numbers(images)?;
        let signature = self.inner.signature();
        let source = images.source(py, &signature, normalised)?;
        array(py, work::done(py, None, |_| self.inner.evaluate(&source.first(usize::MAX)?))?)
    }

    fn __repr__(&self) -> String {
        let signature = self.inner.signature();
        format!("<beaa.Program {}: {} slots>", &signature.program()[..16], signature.slots())
    }
}

/// What a client knows of a program.
#[pyclass(frozen, module = "beaa")]
#[derive(Clone)]
pub(crate) struct Signature {
    pub(crate) inner: beaa::Signature,
}

#[pymethods]
impl Signature {
    #[staticmethod]
    fn load(path: PathBuf) -> PyResult<Self> {
        Ok(Self { inner: beaa::Signature::load(path).or_raise()? })
    }

    fn save(&self, path: PathBuf) -> PyResult<()> {
        self.inner.save(path).or_raise()
    }

    #[staticmethod]
    fn from_bytes(data: &[u8]) -> PyResult<Self> {
        Ok(Self { inner: beaa::Signature::from_bytes(data.to_vec()).or_raise()? })
    }

    fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.inner.to_bytes().or_raise()?))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        Ok((py.get_type::<Self>().getattr("from_bytes")?, (self.to_bytes(py)?,)))
    }

    #[getter]
    fn program(&self) -> &str {
        self.inner.program()
    }

    #[getter]
    fn slots(&self) -> usize {
        self.inner.slots()
    }

    #[getter]
    fn capacity(&self) -> usize {
        self.inner.capacity()
    }

    #[getter]
    fn security_bits(&self) -> u32 {
        self.inner.security_bits()
    }

    #[getter]
    fn needs_evaluation_key(&self) -> bool {
        self.inner.needs_evaluation_key()
    }

    #[getter]
    fn image_shape(&self) -> (usize, usize, usize) {
        self.inner.image_shape().into()
    }

    #[getter]
    fn class_names(&self) -> Vec<String> {
        self.inner.classes().names().to_vec()
    }

    #[getter]
    fn takes_reals(&self) -> bool {
        self.inner.takes_reals()
    }

    fn __eq__(&self, other: &Self) -> bool {
        self.inner == other.inner
    }

    fn __repr__(&self) -> String {
        let [channels, rows, columns] = self.inner.image_shape();
        let (program, slots) = (&self.inner.program()[..16], self.inner.slots());
        format!("<beaa.Signature of program {program}: {channels} x {rows} x {columns} in, {slots} slots>")
    }
}
