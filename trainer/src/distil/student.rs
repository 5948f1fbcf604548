//! From the trained teacher to the untrained student: every ReLU becomes a quadratic; the weights
//! stay.

use beaa_datasets::Images;
use beaa_ir::{Activation, LayerOp, Model, Polynomial, Shape, Tensor};
use burn::tensor::Device;

use crate::config::{CoefficientInit, StudentActivation, StudentConfig};
use crate::distil::activation_stats::{activations, moments};
use crate::distil::quadratic_fit::{CURVATURE_FLOOR, LayerStatistics, Quadratic};
use crate::error::Result;
use crate::model::network::{Network, VertexLimit};

/// The student at its start, and what the teacher's activations saw.
pub(crate) struct UntrainedStudent {
    pub(crate) student: Model,
    pub(crate) statistics: Vec<LayerStatistics>,
}

/// Replaces the activations of `teacher`, fitting over its pre-activations on `images` as
/// configured.
///
/// # Errors
/// As [`moments`].
pub(crate) fn replace_activations(
    teacher: &Model,
    name: String,
    config: &StudentConfig,
    images: &Images,
    device: &Device,
) -> Result<UntrainedStudent> {
    let network = Network::new(teacher, device, false)?;
    let shapes: Vec<Shape> = activations(teacher).into_iter().map(|(_, s)| s).collect();
    let coefficient_shapes: Vec<Vec<usize>> = shapes.iter().map(|&s| coefficient_shape(config.activation, s)).collect();
    let counts: Vec<usize> = coefficient_shapes.iter().map(|l| l.iter().product()).collect();
    let moments = moments(&network, teacher, images, device, &counts)?;
    let mut literal = teacher.clone().into_literal();
    literal.name = name;
    literal.accuracy = None;
    assert_eq!(moments.len(), shapes.len(), "moments and activations; is there an image?");
    let functions = literal.layers.iter_mut().filter_map(|l| match &mut l.op {
        LayerOp::Activation { function, .. } => Some(function),
        _ => None,
    });
    for ((function, m), shape) in functions.zip(&moments).zip(&coefficient_shapes) {
        *function = match config.activation {
            StudentActivation::Relu => Activation::Relu,
            StudentActivation::Square => Activation::Square,
            _ => {
                let VertexLimit { bound, floor } = vertex_limit(config, &m.statistics);
                let fit = |group: &crate::distil::quadratic_fit::Moments| match config.init {
                    CoefficientInit::LeastSquares => group.fit(&m.layer, f64::from(bound), f64::from(floor)),
                    CoefficientInit::Constant { a, b, c } => Quadratic { a: a.into(), b: b.into(), c: c.into() },
                };
                polynomial(shape, &m.groups.iter().map(fit).collect::<Vec<_>>())?
            }
        };
    }
    Ok(UntrainedStudent { student: literal.try_into()?, statistics: moments.iter().map(|m| m.statistics).collect() })
}

/// Goes on from a trained student; what its own activations see stands for what the teacher's did.
///
/// # Errors
/// As [`moments`].
pub(crate) fn continue_student(
    student: Model,
    name: String,
    images: &Images,
    device: &Device,
) -> Result<UntrainedStudent> {
    let network = Network::new(&student, device, false)?;
    let whole = vec![1; activations(&student).len()];
    let moments = moments(&network, &student, images, device, &whole)?;
    let mut literal = student.into_literal();
    (literal.name, literal.accuracy) = (name, None);
    Ok(UntrainedStudent { student: literal.try_into()?, statistics: moments.iter().map(|m| m.statistics).collect() })
}

/// Whether an activation of `model` is a ReLU.
pub(crate) fn has_relu(model: &Model) -> bool {
    let relu = |op: &LayerOp| matches!(op, LayerOp::Activation { function: Activation::Relu, .. });
    model.layers().iter().any(|layer| relu(&layer.op))
}

/// A network of the layers that a student of `teacher` has; its coefficients are zero.
///
/// # Errors
/// [`Error::Model`](crate::Error::Model) if it is no network, which no student is.
pub(crate) fn student_layers(teacher: &Model, activation: StudentActivation) -> Result<Model> {
    let shapes = activations(teacher).into_iter().map(|(_, shape)| coefficient_shape(activation, shape));
    let shapes: Vec<Vec<usize>> = shapes.collect();
    let mut literal = teacher.clone().into_literal();
    let functions = literal.layers.iter_mut().filter_map(|l| match &mut l.op {
        LayerOp::Activation { function, .. } => Some(function),
        _ => None,
    });
    for (function, shape) in functions.zip(shapes) {
        *function = match activation {
            StudentActivation::Relu => Activation::Relu,
            StudentActivation::Square => Activation::Square,
            _ => polynomial(&shape, &vec![Quadratic { a: 0.0, b: 0.0, c: 0.0 }; shape.iter().product()])?,
        };
    }
    Ok(literal.try_into()?)
}

/// What a layer's polynomials must keep to, given what its inputs are like.
pub(crate) fn vertex_limit(config: &StudentConfig, statistics: &LayerStatistics) -> VertexLimit {
    let rms = statistics.rms.max(1e-6);
    VertexLimit { bound: config.vertex_bound * rms, floor: CURVATURE_FLOOR / rms }
}

/// The shape of the coefficients for a feature map.
fn coefficient_shape(activation: StudentActivation, shape: Shape) -> Vec<usize> {
    match (activation, shape) {
        (StudentActivation::Channel, Shape::Map { channels, .. }) => vec![channels, 1, 1],
        (StudentActivation::Element, Shape::Map { channels, height, width }) => vec![channels, height, width],
        (StudentActivation::Channel | StudentActivation::Element, Shape::Flat { features }) => vec![features],
        _ => Vec::new(),
    }
}

fn polynomial(shape: &[usize], fits: &[Quadratic]) -> Result<Activation> {
    let tensor =
        |part: fn(&Quadratic) -> f64| Tensor::new(shape.to_vec(), fits.iter().map(|q| part(q) as f32).collect());
    Ok(Activation::Polynomial(Polynomial { a: tensor(|q| q.a)?, b: tensor(|q| q.b)?, c: tensor(|q| q.c)? }))
}
