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
    if let Some((found, expected)) = difference(teacher, expected) {
        return wrong(found, expected);
    }
    for is in teacher.layers() {
        if matches!(&is.op, LayerOp::Activation { function, .. } if !matches!(function, Activation::Relu)) {
            return wrong(format!("{} is no ReLU", is.name), "a ReLU network".to_owned());
        }
    }
    Ok(())
}

/// The first difference in input, classes, layers or shapes: what `model` has, and what `expected`
/// has.
pub(crate) fn difference(model: &Model, expected: &Model) -> Option<(String, String)> {
    if model.input() != expected.input() || model.classes() != expected.classes() {
        return Some(("other images or classes".to_owned(), "those of the data set".to_owned()));
    }
    if (model.layers().len(), model.outputs()) != (expected.layers().len(), expected.outputs()) {
        return Some((format!("{} layers", model.layers().len()), format!("{}", expected.layers().len())));
    }
    let shapes = model.shapes().iter().zip(expected.shapes());
    let mut layers = model.layers().iter().zip(expected.layers()).zip(shapes);
    let text = |layer: &beaa_ir::Layer, shape| format!("{} ({}) with {shape}", layer.name, layer.op.kind());
    layers
        .find(|((is, should), (has, wants))| (&is.name, is.op.kind(), has) != (&should.name, should.op.kind(), wants))
        .map(|((is, should), (has, wants))| (text(is, has), text(should, wants)))
}

/// Whether the images and the number of classes of `model` are those of `splits`.
pub(crate) fn fits(model: &Model, splits: &Splits) -> bool {
    let close = |a: &[f32], b: &[f32]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-3);
    let (spec, input) = (model.input(), &splits.input);
    let alike = spec.shape == input.shape && close(&spec.mean, &input.mean) && close(&spec.std, &input.std);
    alike && model.outputs() == splits.classes.len()
}

/// Reads a trained model whose images and number of classes are those of `splits`.
///
/// # Errors
/// [`Error::Data`] if they differ; [`Error::Model`] if the file cannot be read.
pub(crate) fn load_matching(path: &Path, splits: &Splits) -> Result<Model> {
    let model = load_model(path)?;
    let (spec, input, classes) = (model.input(), &splits.input, splits.classes.len());
    if fits(&model, splits) {
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
