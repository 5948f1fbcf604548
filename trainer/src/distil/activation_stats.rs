//! What the activations of a network see on training images: moments for the fit, ranges for the
//! compiler, histograms for the report.

use beaa_datasets::Images;
use beaa_ir::{Activation, LayerOp, Model, Range, Shape};
use burn::tensor::Device;
use serde::Serialize;

use crate::config::Precision;
use crate::data;
use crate::distil::quadratic_fit::{LayerStatistics, Moments};
use crate::error::Result;
use crate::model::network::{Keep, Network, host};

/// Bins of [`PolynomialSample::histogram`].
const BINS: usize = 32;

/// One learnt polynomial beside the distribution it was fitted to, for a report.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PolynomialSample {
    /// Name of the activation layer.
    pub layer: String,
    /// Index of the element in its feature map.
    pub element: usize,
    /// Coefficient of `x²`.
    pub a: f32,
    /// Coefficient of `x`.
    pub b: f32,
    /// The constant.
    pub c: f32,
    /// Smallest input that the teacher's ReLU saw there.
    pub min: f32,
    /// Largest input that it saw there.
    pub max: f32,
    /// How many inputs fall into each of 32 equal bins from `min` to `max`.
    pub histogram: Vec<u32>,
}

/// Calls `each(k, inputs)` for every batch of `images` and every activation `k`; inputs are
/// `[image][element]`, row-major.
///
/// # Errors
/// [`Error::Device`](crate::Error::Device) if they cannot be read.
pub(crate) fn visit_inputs(
    network: &Network,
    model: &Model,
    images: &Images,
    device: &Device,
    mut each: impl FnMut(usize, &[f32]),
) -> Result<()> {
    let keep = Keep { inputs: true, ..Keep::default() };
    for batch in data::batches(images, model.input(), device) {
        let pass = network.forward(batch.images, usize::MAX, keep, Precision::Single);
        for (k, inputs) in pass.inputs.into_iter().enumerate() {
            each(k, &host(inputs)?);
        }
    }
    Ok(())
}

/// The name and shape of each activation layer.
pub(crate) fn activations(model: &Model) -> Vec<(&str, Shape)> {
    let layers = model.layers().iter().zip(model.shapes());
    layers.filter(|(l, _)| matches!(l.op, LayerOp::Activation { .. })).map(|(l, &s)| (l.name.as_str(), s)).collect()
}

/// The moments of each activation's inputs: over the layer, and for each of its `groups` equal
/// parts.
pub(crate) struct LayerMoments {
    pub(crate) statistics: LayerStatistics,
    pub(crate) layer: Moments,
    pub(crate) groups: Vec<Moments>,
}

/// Gathers the moments of each activation; `groups[k]` is the number of parts of activation `k`, a
/// divisor of its elements.
///
/// # Errors
/// As [`visit_inputs`].
pub(crate) fn moments(
    network: &Network,
    model: &Model,
    images: &Images,
    device: &Device,
    groups: &[usize],
) -> Result<Vec<LayerMoments>> {
    let mut found: Vec<LayerMoments> = Vec::new();
    let mut squares: Vec<Vec<f32>> = vec![Vec::new(); groups.len()];
    let elements: Vec<usize> = activations(model).iter().map(|(_, s)| s.len()).collect();
    assert_eq!(groups.len(), elements.len(), "group counts and activations");
    assert!(
        elements.iter().zip(groups).all(|(n, g)| n.is_multiple_of(*g)),
        "{groups:?} groups of {elements:?} elements"
    );
    visit_inputs(network, model, images, device, |k, values| {
        let (count, parts) = (elements[k], groups[k]);
        let part = count / parts;
        if found.len() == k {
            // The first batch suggests where the data lie.
            let of_part = |g: usize| {
                let rows = values.chunks(count);
                Moments::near(rows.flat_map(move |row| row.iter().skip(g * part).take(part).copied()))
            };
            found.push(LayerMoments {
                statistics: LayerStatistics { range: Range { min: f32::INFINITY, max: f32::NEG_INFINITY }, rms: 0.0 },
                layer: Moments::near(values.iter().copied()),
                groups: (0..parts).map(of_part).collect(),
            });
        }
        let moments = &mut found[k];
        widen(&mut moments.statistics.range, values);
        for row in values.chunks(count) {
            squares[k].push(mean_square(row));
            for (x, group) in row.chunks(part).zip(&mut moments.groups) {
                x.iter().for_each(|&x| group.add(x));
            }
        }
    })?;
    for (m, squares) in found.iter_mut().zip(squares) {
        m.groups.iter().for_each(|g| m.layer.absorb(g));
        m.statistics.rms = median(squares).sqrt();
    }
    Ok(found)
}

fn mean_square(row: &[f32]) -> f32 {
    row.iter().map(|&x| x * x).sum::<f32>() / row.len().max(1) as f32
}

/// The middle of `values`, the upper one of two; 0 of none. One image in thousands whose values
/// escape through a chain of quadratics can be most of a mean, but not of a median.
fn median(mut values: Vec<f32>) -> f32 {
    if values.is_empty() {
        return 0.0;
    }
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f32::total_cmp).1
}

/// Writes into `model` the range of each activation's inputs over `images`, and returns how far out
/// the largest of them lie.
///
/// # Errors
/// As [`visit_inputs`].
pub(crate) fn with_ranges(
    model: Model,
    network: &Network,
    images: &Images,
    device: &Device,
) -> Result<(Model, Vec<LargestInput>)> {
    let names: Vec<String> = activations(&model).into_iter().map(|(name, _)| name.to_owned()).collect();
    let mut ranges = vec![Range { min: f32::INFINITY, max: f32::NEG_INFINITY }; names.len()];
    let elements: Vec<usize> = activations(&model).iter().map(|(_, shape)| shape.len()).collect();
    let mut squares: Vec<Vec<f32>> = vec![Vec::new(); names.len()];
    visit_inputs(network, &model, images, device, |k, values| {
        widen(&mut ranges[k], values);
        squares[k].extend(values.chunks(elements[k]).map(mean_square));
    })?;
    let furthest = |((layer, range), squares): ((String, &Range), Vec<f32>)| {
        let rms = f64::from(median(squares)).sqrt().max(f64::MIN_POSITIVE);
        LargestInput { layer, deviations: f64::from(range.max.max(-range.min)) / rms }
    };
    let seen = names.into_iter().zip(&ranges).zip(squares).filter(|(_, s)| !s.is_empty());
    let largest = seen.map(furthest).collect();
    Ok((set_ranges(model, &ranges)?, largest))
}

/// How far out an activation's inputs lie.
pub(crate) struct LargestInput {
    /// Its name.
    pub(crate) layer: String,
    /// The largest absolute value, in root mean squares of the median image.
    pub(crate) deviations: f64,
}

/// Writes these ranges into `model`, one per activation.
///
/// # Errors
/// [`Error::Model`](crate::Error::Model) for a range that is not finite.
pub(crate) fn set_ranges(model: Model, ranges: &[Range]) -> Result<Model> {
    assert_eq!(ranges.len(), activations(&model).len(), "ranges and activations");
    let mut literal = model.into_literal();
    let activations = literal.layers.iter_mut().filter_map(|l| match &mut l.op {
        LayerOp::Activation { range, .. } => Some(range),
        _ => None,
    });
    for (range, found) in activations.zip(ranges) {
        // Without a single image there is none.
        *range = (found.min <= found.max).then_some(*found);
    }
    Ok(literal.try_into()?)
}

/// Samples `per_layer` elements of each polynomial layer, spread evenly: the student's polynomial
/// and a histogram of the teacher's inputs there.
///
/// # Errors
/// As [`visit_inputs`].
pub(crate) fn sample_polynomials(
    student: &Model,
    teacher: &Model,
    network: &Network,
    images: &Images,
    device: &Device,
    per_layer: usize,
) -> Result<Vec<PolynomialSample>> {
    let layers = activations(teacher);
    let chosen: Vec<Vec<usize>> = layers
        .iter()
        .map(|(_, shape)| {
            let n = per_layer.min(shape.len());
            // The middle of each of n equal parts.
            (0..n).map(|i| (2 * i + 1) * shape.len() / (2 * n)).collect()
        })
        .collect();
    let mut seen: Vec<Vec<Vec<f32>>> = chosen.iter().map(|c| vec![Vec::new(); c.len()]).collect();
    visit_inputs(network, teacher, images, device, |k, values| {
        for row in values.chunks(layers[k].1.len()) {
            for (&element, list) in chosen[k].iter().zip(&mut seen[k]) {
                list.push(row[element]);
            }
        }
    })?;
    let functions = student.layers().iter().filter_map(|l| match &l.op {
        LayerOp::Activation { function, .. } => Some(function),
        _ => None,
    });
    let mut samples = Vec::new();
    for (((&(layer, shape), elements), lists), function) in layers.iter().zip(&chosen).zip(&seen).zip(functions) {
        for (&element, list) in elements.iter().zip(lists) {
            let (a, b, c) = match function {
                Activation::Relu => continue,
                Activation::Square => (1.0, 0.0, 0.0),
                Activation::Polynomial(p) => {
                    (p.a.broadcast(shape, element), p.b.broadcast(shape, element), p.c.broadcast(shape, element))
                }
            };
            let (min, max, histogram) = histogram(list);
            samples.push(PolynomialSample { layer: layer.to_owned(), element, a, b, c, min, max, histogram });
        }
    }
    Ok(samples)
}

fn widen(range: &mut Range, values: &[f32]) {
    for &v in values {
        range.min = range.min.min(v);
        range.max = range.max.max(v);
    }
}

fn histogram(values: &[f32]) -> (f32, f32, Vec<u32>) {
    let mut bins = vec![0; BINS];
    let mut range = Range { min: f32::INFINITY, max: f32::NEG_INFINITY };
    widen(&mut range, values);
    if values.is_empty() {
        return (0.0, 0.0, bins);
    }
    let width = (range.max - range.min).max(f32::MIN_POSITIVE);
    for v in values {
        let bin = ((v - range.min) / width * BINS as f32) as usize;
        bins[bin.min(BINS - 1)] += 1;
    }
    (range.min, range.max, bins)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_escapes_of_one_image_moves_no_median() {
        assert_eq!(median(vec![4.0, 1e20, 1.0, 2.0, 3.0]), 3.0);
        assert_eq!(median(vec![2.0, 1.0]), 2.0);
        assert_eq!(median(vec![]), 0.0);
        assert_eq!(mean_square(&[3.0, 4.0]), 12.5);
    }

    #[test]
    fn histograms_count_everything_once() {
        let values: Vec<f32> = (0..320).map(|i| i as f32).collect();
        let (min, max, bins) = histogram(&values);
        assert_eq!((min, max), (0.0, 319.0));
        assert_eq!(bins.iter().sum::<u32>(), 320);
        assert!(bins.iter().all(|n| (9..=11).contains(n)), "{bins:?}");
        assert_eq!(histogram(&[2.0; 5]).2[0], 5);
        assert_eq!(histogram(&[]), (0.0, 0.0, vec![0; 32]));
    }
}
