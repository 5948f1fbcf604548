//! Whether a teacher that was trained before belongs to a configuration. Must never look at the values of its weights.

use beaa_ir::{Activation, LayerOp, Model};

use crate::error::{Error, Result};

/// `teacher` must have the layers, shapes, input and classes of `expected`, the untrained network of the configuration.
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
