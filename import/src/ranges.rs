//! The range of each activation's input over sample images.

use beaa_ir::images::ImageMajor;
use beaa_ir::{Layer, LayerOp, Model, Range, evaluate_traced};
use rayon::prelude::*;

use crate::error::Result;

/// Returns `model` with the smallest and the largest input that each activation sees over `images`,
/// normalised as the model's input is. Without images nothing changes.
///
/// # Errors
/// [`Error::Model`](crate::Error::Model) if an image has another number of pixels than the model's
/// input.
pub fn measure_ranges(model: Model, images: &ImageMajor<f32>) -> Result<Model> {
    let none = || vec![None; model.layers().len()];
    let ranges = (0..images.images())
        .into_par_iter()
        .map(|i| of_image(&model, images.image(i)))
        .try_reduce(none, |a, b| Ok(a.into_iter().zip(b).map(|(a, b)| join(a, b)).collect()))?;
    if images.images() == 0 {
        return Ok(model);
    }
    let mut literal = model.into_literal();
    for (layer, seen) in literal.layers.iter_mut().zip(ranges) {
        if let LayerOp::Activation { range, .. } = &mut layer.op {
            *range = seen;
        }
    }
    Ok(Model::try_from(literal)?)
}

/// The range of each layer's input, `None` for layers that are no activations.
fn of_image(model: &Model, image: &[f32]) -> Result<Vec<Option<Range>>> {
    let trace = evaluate_traced(model, image)?;
    let input: Vec<f64> = image.iter().map(|&v| f64::from(v)).collect();
    let inputs = std::iter::once(&input).chain(&trace);
    let of = |(layer, values): (&Layer, &Vec<f64>)| match layer.op {
        LayerOp::Activation { .. } => {
            let start = Range { min: f32::INFINITY, max: f32::NEG_INFINITY };
            Some(values.iter().fold(start, |r, &v| Range { min: r.min.min(v as f32), max: r.max.max(v as f32) }))
        }
        _ => None,
    };
    Ok(model.layers().iter().zip(inputs).map(of).collect())
}

fn join(a: Option<Range>, b: Option<Range>) -> Option<Range> {
    match (a, b) {
        (Some(a), Some(b)) => Some(Range { min: a.min.min(b.min), max: a.max.max(b.max) }),
        (a, b) => a.or(b),
    }
}
