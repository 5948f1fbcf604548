//! Clear and encrypted side by side, for whoever has the program and the images.

use pyo3::prelude::*;

use crate::arrays::numbers;
use crate::client::callback;
use crate::errors::{OrRaise as _, refusal};
use crate::program::Program;
use crate::work;

/// Runs a program in clear and encrypted, and compares after every layer.
#[pyfunction]
#[pyo3(signature = (program, images, *, normalised = false, device = "processor", progress = None))]
pub(crate) fn verify<'py>(
    py: Python<'py>,
    program: &Program,
    images: &Bound<'py, PyAny>,
    normalised: bool,
    device: &str,
    progress: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let images = numbers(images)?;
    let signature = program.inner.signature();
    let source = images.source(py, &signature, normalised)?;
    let device: beaa::RunDevice = device.parse().map_err(beaa::Error::from).or_raise()?;
    let progress = callback(py, progress)?;
    let found = work::done(py, progress.as_ref(), |watch| {
        beaa::verify_on(device, &program.inner, &source.first(usize::MAX)?, watch)
    })?;
    let figures = serde_json::to_string(&found).map_err(|e| {
        refusal(py, "Error", ["writing a verification", &e.to_string(), "JSON", "report this with the program"])
    })?;
    py.import("beaa._verification")?.call_method1("Verification", (figures,))
}
