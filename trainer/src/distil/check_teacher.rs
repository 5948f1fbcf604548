//! Whether a network that was trained before belongs to a run: to its images, its layers, and to
//! the teacher beside it.

use std::path::Path;

use beaa_base::words::count;
use beaa_ir::{Activation, Conv2d, InputSpec, Layer, LayerOp, Linear, Model, Pool2d, load_model};

use crate::data::{Splits, alike};
use crate::distil::activation_stats::activations;
use crate::error::{Error, Result};

/// Checks that `teacher` has the layers, input and classes of `expected`, the untrained network of
/// the configuration.
///
/// # Errors
/// [`Error::Data`] for the first difference.
pub(crate) fn check_teacher(teacher: &Model, expected: &Model) -> Result<()> {
    let Some((found, expected)) = difference(teacher, expected) else { return Ok(()) };
    Err(Error::Data {
        operation: "distilling from a given teacher",
        found,
        expected,
        remedy: "give the teacher that was trained with this configuration, or train a new one",
    })
}

/// The first difference in input, classes or layers, numbers left out: what `model` has, and what
/// `expected` has.
pub(crate) fn difference(model: &Model, expected: &Model) -> Option<(String, String)> {
    if model.input() != expected.input() || model.classes() != expected.classes() {
        return Some(("other images or classes".to_owned(), "those of the data set".to_owned()));
    }
    let (found, wanted) = (model.layers(), expected.layers());
    if found.len() != wanted.len() {
        return Some((count(found.len(), "layer"), wanted.len().to_string()));
    }
    found.iter().map(description).zip(wanted.iter().map(description)).find(|(found, wanted)| found != wanted)
}

/// Whether two networks of the same layers hold the same numbers.
pub(crate) fn same_numbers(a: &Model, b: &Model) -> bool {
    a.layers().iter().zip(b.layers()).all(|(a, b)| a.op.tensors() == b.op.tensors())
}

/// Everything that determines a layer, but for the numbers in it.
fn description(layer: &Layer) -> String {
    let settings = match &layer.op {
        LayerOp::Conv2d(Conv2d { weight: _, bias: _, stride, padding, dilation, groups }) => {
            format!("stride {stride:?}, padding {padding:?}, dilation {dilation:?}, groups {groups}")
        }
        LayerOp::Linear(Linear { weight: _, bias: _ }) | LayerOp::Flatten => String::new(),
        LayerOp::BatchNorm { gamma: _, beta: _, mean: _, var: _, eps } => format!("epsilon {eps}"),
        LayerOp::AvgPool(Pool2d { kernel, stride }) => format!("kernel {kernel:?}, stride {stride:?}"),
        LayerOp::Add { with } => format!("with {with}"),
        LayerOp::Branch { from } => format!("from {from}"),
        LayerOp::Activation { function, range: _ } => match function {
            Activation::Relu => "ReLU".to_owned(),
            Activation::Square => "square".to_owned(),
            Activation::Polynomial(_) => "quadratic".to_owned(),
        },
    };
    let tensors = layer.op.tensors().into_iter().map(|(name, tensor)| format!("{name} {:?}", tensor.shape()));
    let parts: Vec<String> = tensors.chain((!settings.is_empty()).then_some(settings)).collect();
    format!("{} ({}: {})", layer.name, layer.op.kind(), parts.join(", "))
}

/// Whether the images and the number of classes of `model` are those of `splits`.
pub(crate) fn fits(model: &Model, splits: &Splits) -> bool {
    alike(model.input(), &splits.input) && model.outputs() == splits.classes.len()
}

/// Checks that the images and the number of classes of `model`, which messages call `name`, are
/// those of `splits`.
///
/// # Errors
/// [`Error::Data`] if they differ.
pub(crate) fn check_fits(name: &str, model: &Model, splits: &Splits) -> Result<()> {
    if fits(model, splits) {
        return Ok(());
    }
    let (spec, input, classes) = (model.input(), &splits.input, splits.classes.len());
    if model.outputs() == 1 {
        return Err(Error::Data {
            operation: "taking a trained model",
            found: format!("{name} with one output, a score"),
            expected: format!("{classes} outputs, one for each class"),
            remedy: "give a network with an output for each class: the loss of training is that of several outputs",
        });
    }
    let images = |spec: &InputSpec| {
        let InputSpec { shape, mean, std, .. } = spec;
        let from = spec.preprocessing.as_ref().map_or_else(String::new, |steps| format!(" (from {steps})"));
        format!("images {shape:?}{from} of mean {mean:?} and deviation {std:?}")
    };
    Err(Error::Data {
        operation: "taking a trained model",
        found: format!("{name} for {} and {}", images(spec), count(model.outputs(), "class")),
        expected: format!("{}, {}", images(input), count(classes, "class")),
        remedy: "give a model that was trained on this data set",
    })
}

/// Reads a trained model whose images and number of classes are those of `splits`.
///
/// # Errors
/// As [`check_fits`]; [`Error::Model`] if the file cannot be read.
pub(crate) fn load_matching(path: &Path, splits: &Splits) -> Result<Model> {
    let model = load_model(path)?;
    check_fits(&path.display().to_string(), &model, splits)?;
    Ok(model)
}

/// What keeps the activations of `student`, trained before, from being compared in pairs with those
/// of `teacher`, and what should be there.
pub(crate) fn other_activations(student: &Model, teacher: &Model) -> Option<(String, String)> {
    let text = |model: &Model| {
        let shapes: Vec<String> = activations(model).iter().map(|(_, shape)| shape.to_string()).collect();
        format!("activations of [{}]", shapes.join(", "))
    };
    let (found, expected) = (text(student), text(teacher));
    (found != expected).then_some((found, expected))
}

/// Reads the trained student that training goes on from.
///
/// # Errors
/// As [`load_matching`], and [`Error::Data`] if its activations are compared with those of
/// `teacher` and are not the same.
pub(crate) fn load_start(path: &Path, teacher: &Model, splits: &Splits, compared: bool) -> Result<Model> {
    let mut literal = load_matching(path, splits)?.into_literal();
    if literal.classes.is_empty() {
        literal.classes = teacher.classes().names().to_vec();
    }
    let student = Model::try_from(literal)?;
    let remedy = "set `student.start` to a student of this teacher, whose classes are in the same order";
    teacher.classes().expect_same(student.classes(), "going on from a trained student", remedy)?;
    let other = other_activations(&student, teacher).filter(|_| compared);
    let Some((found, expected)) = other else { return Ok(student) };
    Err(Error::Data {
        operation: "going on from a trained student",
        found: format!("{} with {found}", path.display()),
        expected: format!("{expected}, as in the teacher"),
        remedy: "set `student.start` to a student of this teacher, or `student.feature_matching` to 0: outputs alone \
                 may be learnt from any network",
    })
}
