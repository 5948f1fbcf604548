//! Compiling a network to a program.

use std::sync::Arc;

use beaa::{CompileOptions, Packing, Samples};
use pyo3::prelude::*;

use crate::arrays::numbers;
use crate::errors::refusal;
use crate::model::Model;
use crate::program::Program;
use crate::work;

/// Compiles a network for encrypted batches.
#[pyfunction]
#[pyo3(signature = (model, *, batch = 4096, agreement = None, logit_error = None, security = 128, packing = "auto",
    samples = None, held_out = None, normalised = false, memory = None, input_bits = None, weight_bits = None,
    range_safety = None))]
#[expect(clippy::too_many_arguments, reason = "named arguments of Python")]
pub(crate) fn compile(
    py: Python<'_>,
    model: &Model,
    batch: usize,
    agreement: Option<f64>,
    logit_error: Option<f64>,
    security: u32,
    packing: &str,
    samples: Option<&Bound<'_, PyAny>>,
    held_out: Option<&Bound<'_, PyAny>>,
    normalised: bool,
    memory: Option<u64>,
    input_bits: Option<u32>,
    weight_bits: Option<u32>,
    range_safety: Option<f64>,
) -> PyResult<Program> {
    let packing: Packing = packing.parse().map_err(|message: String| {
        let expected = "auto, element, channel, or block:S with a power of two for S";
        refusal(py, "OptionError", ["option `packing`", &message, expected, "leave it out for the cheapest"])
    })?;
    if agreement.is_some() && logit_error.is_some() {
        let said = ["options `agreement` and `logit_error`", "both", "one of them", "leave one out"];
        return Err(refusal(py, "OptionError", said));
    }
    let usual = CompileOptions::default();
    let options = CompileOptions {
        security,
        batch,
        packing,
        input_bits,
        weight_bits,
        logit_error: logit_error.unwrap_or(usual.logit_error),
        agreement,
        range_safety: range_safety.unwrap_or(usual.range_safety),
        memory,
        ..usual
    };
    let read_images = |images: &Bound<'_, PyAny>| {
        let images = numbers(images)?;
        let source = images.source(py, &model.inner, normalised)?;
        work::done(py, None, |_| source.first(usize::MAX)).map(Arc::new)
    };
    let samples = match samples {
        Some(samples) => Some(read_images(samples)?),
        None => model.samples.clone(),
    };
    let held_out = held_out.map(read_images).transpose()?;
    if held_out.is_some() && samples.is_none() {
        let expected = "the samples of training beside it";
        let said = ["option `held_out`", "no samples", expected, "give `samples`, or a model that has some"];
        return Err(refusal(py, "OptionError", said));
    }
    let network = model.inner.clone();
    let compiled = work::done_or_left(py, move |watch| {
        let samples = samples.as_deref().map(|images| Samples { images, held_out: held_out.as_deref() });
        beaa::compile_watched(&network, &options, samples, watch)
    })?;
    Program::with_report(py, compiled.program, &compiled.report)
}
