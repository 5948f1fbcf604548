//! Whether a network that was trained before belongs to a run: to its images, and a teacher to its
//! layers. Weights are not looked at.

use std::path::Path;

use beaa_ir::{Activation, InputSpec, LayerOp, Model, load_model};

use crate::data::Splits;
use crate::error::{Error, Result};

/// Checks that `teacher` has the layers, shapes, input and classes of `expected`, the untrained
/// network of the configuration.
///
/// # Errors
/// [`Error::Data`] for the first difference.
pub(crate) fn check_teacher(teacher: &Model, expected: &Model) -> Result<()> {
    let wrong = |found: String, expected: String| {
        Err(Error::Data {
            operation: "distilling from a given teacher",
            found,
            expected,
            remedy: "give the teacher that was trained with this configuration, or train a new one",
        })
    };
    if teacher.input() != expected.input() || teacher.classes() != expected.classes() {
        return wrong("other images or classes".to_owned(), "those of the data set".to_owned());
    }
    if (teacher.layers().len(), teacher.outputs()) != (expected.layers().len(), expected.outputs()) {
        return wrong(format!("{} layers", teacher.layers().len()), format!("{}", expected.layers().len()));
    }
    let shapes = teacher.shapes().iter().zip(expected.shapes());
    for ((is, should), (has, wants)) in teacher.layers().iter().zip(expected.layers()).zip(shapes) {
        if (&is.name, is.op.kind(), has) != (&should.name, should.op.kind(), wants) {
            let text = |layer: &beaa_ir::Layer, shape| format!("{} ({}) with {shape}", layer.name, layer.op.kind());
            return wrong(text(is, has), text(should, wants));
        }
        if matches!(&is.op, LayerOp::Activation { function, .. } if !matches!(function, Activation::Relu)) {
            return wrong(format!("{} is no ReLU", is.name), "a ReLU network".to_owned());
        }
    }
    Ok(())
}

/// Reads a trained model whose images and number of classes are those of `splits`.
///
/// # Errors
/// [`Error::Data`] if they differ; [`Error::Model`] if the file cannot be read.
pub(crate) fn load_matching(path: &Path, splits: &Splits) -> Result<Model> {
    let model = load_model(path)?;
    let close = |a: &[f32], b: &[f32]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-3);
    let (spec, input, classes) = (model.input(), &splits.input, splits.classes.len());
    let alike = spec.shape == input.shape && close(&spec.mean, &input.mean) && close(&spec.std, &input.std);
    if alike && model.outputs() == classes {
        return Ok(model);
    }
    let images =
        |spec: &InputSpec| format!("images {:?} of mean {:?} and deviation {:?}", spec.shape, spec.mean, spec.std);
    Err(Error::Data {
        operation: "taking a trained model",
        found: format!("{} for {} and {} classes", path.display(), images(spec), model.outputs()),
        expected: format!("{}, {classes} classes", images(input)),
        remedy: "give a model that was trained on this data set",
    })
}
