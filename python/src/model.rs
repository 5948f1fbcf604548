//! Trained networks.

use std::path::PathBuf;
use std::sync::Arc;

use beaa::{ImageMajor, ImportOptions};
use numpy::{IntoPyArray, PyArray1, PyArray2};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::arrays::{array, numbers};
use crate::errors::OrRaise;
use crate::work;

/// Samples of which the ranges of activations are measured, as many as the command takes.
const RANGED: usize = 256;

/// A trained network, and the samples that a program is compiled with.
#[pyclass(frozen, module = "beaa")]
pub(crate) struct Model {
    pub(crate) inner: beaa::Model,
    /// Normalised. They stay in this process: pickles and files are without them.
    pub(crate) samples: Option<Arc<ImageMajor<f32>>>,
    notes: Vec<String>,
}

impl Model {
    fn plain(inner: beaa::Model) -> Self {
        Self { inner, samples: None, notes: Vec::new() }
    }
}

#[pymethods]
impl Model {
    #[staticmethod]
    fn load(path: PathBuf) -> PyResult<Self> {
        beaa::Model::load(path).or_raise().map(Self::plain)
    }

    fn save(&self, path: PathBuf) -> PyResult<()> {
        self.inner.save(path).or_raise()
    }

    #[staticmethod]
    fn from_bytes(data: &[u8]) -> PyResult<Self> {
        beaa::Model::from_bytes(data).or_raise().map(Self::plain)
    }

    fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.inner.to_bytes().or_raise()?))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        Ok((py.get_type::<Self>().getattr("from_bytes")?, (self.to_bytes(py)?,)))
    }

    /// The same network, with samples for compiling and the ranges that they show.
    #[pyo3(signature = (samples, *, limit = 4096, normalised = false))]
    fn with_samples(
        &self,
        py: Python<'_>,
        samples: &Bound<'_, PyAny>,
        limit: usize,
        normalised: bool,
    ) -> PyResult<Self> {
        let samples = numbers(samples)?;
        let source = samples.source(py, &self.inner, normalised)?;
        let (inner, samples) = work::done(py, None, |_| {
            let ranged = self.inner.clone().with_ranges(&source.first(RANGED)?)?;
            Ok((ranged, source.first(limit)?))
        })?;
        Ok(Self { inner, samples: Some(Arc::new(samples)), notes: self.notes.clone() })
    }

    #[getter]
    fn name(&self) -> &str {
        self.inner.name()
    }

    #[getter]
    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    #[getter]
    fn image_shape(&self) -> (usize, usize, usize) {
        self.inner.image_shape().into()
    }

    #[getter]
    fn outputs(&self) -> usize {
        self.inner.outputs()
    }

    #[getter]
    fn class_names(&self) -> Vec<String> {
        self.inner.classes().names().to_vec()
    }

    #[getter]
    fn takes_reals(&self) -> bool {
        self.inner.takes_reals()
    }

    #[getter]
    fn samples(&self) -> usize {
        self.samples.as_ref().map_or(0, |s| s.images())
    }

    #[pyo3(signature = (images, *, normalised = false))]
    fn evaluate<'py>(
        &self,
        py: Python<'py>,
        images: &Bound<'py, PyAny>,
        normalised: bool,
    ) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let images = numbers(images)?;
        let source = images.source(py, &self.inner, normalised)?;
        array(py, work::done(py, None, |_| self.inner.evaluate(&source.first(usize::MAX)?))?)
    }

    #[pyo3(signature = (images, *, normalised = false))]
    fn classify<'py>(
        &self,
        py: Python<'py>,
        images: &Bound<'py, PyAny>,
        normalised: bool,
    ) -> PyResult<Bound<'py, PyArray1<i64>>> {
        let images = numbers(images)?;
        let source = images.source(py, &self.inner, normalised)?;
        let classes = work::done(py, None, |_| {
            beaa::classify(self.inner.classes(), &self.inner.evaluate(&source.first(usize::MAX)?)?)
        })?;
        Ok(classes.into_iter().map(|c| c as i64).collect::<Vec<_>>().into_pyarray(py))
    }

    fn __repr__(&self) -> String {
        let [channels, rows, columns] = self.inner.image_shape();
        let Self { inner, .. } = self;
        format!("<beaa.Model {}: {channels} x {rows} x {columns} in, {} out>", inner.name(), inner.outputs())
    }
}

/// Reads a network that another library wrote as ONNX.
#[pyfunction]
#[pyo3(signature = (path, *, name = None, mean = None, std = None, classes = None, shape = None, output = None,
    threshold = None, min = None, max = None, columns = None, samples = None, limit = 4096, normalised = false))]
#[expect(clippy::too_many_arguments, reason = "named arguments of Python")]
pub(crate) fn import_onnx(
    py: Python<'_>,
    path: PathBuf,
    name: Option<String>,
    mean: Option<Vec<f32>>,
    std: Option<Vec<f32>>,
    classes: Option<Vec<String>>,
    shape: Option<[usize; 3]>,
    output: Option<String>,
    threshold: Option<f64>,
    min: Option<Vec<f32>>,
    max: Option<Vec<f32>>,
    columns: Option<Vec<String>>,
    samples: Option<&Bound<'_, PyAny>>,
    limit: usize,
    normalised: bool,
) -> PyResult<Model> {
    let options = ImportOptions { name, mean, std, classes, threshold, shape, preprocessing: None, output };
    let imported = work::done(py, None, |_| beaa::Model::import_onnx(&path, &options))?;
    let inner = match (min, max) {
        (Some(min), Some(max)) => imported.model.for_reals(&min, &max, columns.unwrap_or_default()).or_raise()?,
        (None, None) if columns.is_none() => imported.model,
        _ => {
            let said = ["importing a network", "names or one limit of real numbers", "both min and max", "give both"];
            return Err(crate::errors::refusal(py, "OptionError", said));
        }
    };
    let model = Model { inner, samples: None, notes: imported.notes };
    match samples {
        Some(samples) => model.with_samples(py, samples, limit, normalised),
        None => Ok(model),
    }
}
