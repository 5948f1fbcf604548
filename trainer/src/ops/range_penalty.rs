//! How far values lie outside of an interval, on average and at worst, and the gradients, on plain
//! slices. Values are summed in pieces of fixed size, and the sums of pieces in order, so that the
//! number of threads changes no bit.

use rayon::prelude::*;

use super::parallel::chunks;

/// Elements that one thread takes at a time.
const PIECE: usize = 1 << 14;

/// An interval, and the unit in which distances to it are measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Interval {
    /// The least value inside.
    pub(crate) min: f32,
    /// The largest.
    pub(crate) max: f32,
    /// One unit.
    pub(crate) unit: f32,
}

impl Interval {
    /// The signed distance, in units.
    fn distance(&self, x: f32) -> f32 {
        (x - x.clamp(self.min, self.max)) / self.unit
    }
}

/// The mean square of the distances of all of `x`, which is not empty.
pub(super) fn forward(x: &[f32], interval: &Interval) -> f32 {
    assert!(!x.is_empty(), "the mean of no values");
    let squares = |x: &[f32]| {
        let mut strands = [0.0; 16];
        let (whole, rest) = x.as_chunks::<16>();
        for x in whole {
            strands.iter_mut().zip(x).for_each(|(s, &x)| *s += interval.distance(x).powi(2));
        }
        strands.iter().sum::<f32>() + rest.iter().map(|&x| interval.distance(x).powi(2)).sum::<f32>()
    };
    let sums: Vec<f32> = x.par_chunks(PIECE).map(squares).collect();
    sums.iter().sum::<f32>() / x.len() as f32
}

/// The gradient of `x`, given that of the mean.
pub(super) fn backward(x: &[f32], interval: &Interval, dy: f32) -> Vec<f32> {
    let factor = 2.0 * dy / (interval.unit * x.len() as f32);
    chunks(x.len(), PIECE, |k, dx| {
        let x = &x[k * PIECE..][..dx.len()];
        dx.iter_mut().zip(x).for_each(|(d, &x)| *d = interval.distance(x) * factor);
    })
}

/// The element of an image that is furthest outside, the first of several; none where all are
/// inside. A distance that is not a number counts as furthest, so that training sees it.
fn furthest(image: &[f32], interval: &Interval) -> Option<usize> {
    let mut worst = (None, 0.0);
    for (i, &x) in image.iter().enumerate() {
        let distance = interval.distance(x).abs();
        if distance > worst.1 || distance.is_nan() {
            worst = (Some(i), distance);
        }
    }
    worst.0
}

/// The mean over images of `sqrt(1 + d²) - 1` for the largest distance `d`; `x` holds whole images
/// of `elements`.
pub(super) fn forward_peaks(x: &[f32], elements: usize, interval: &Interval) -> f32 {
    let images = images(x, elements);
    let penalty = |image: &[f32]| furthest(image, interval).map_or(0.0, |i| length(interval.distance(image[i])));
    let penalties: Vec<f32> = x.par_chunks(elements).map(penalty).collect();
    penalties.iter().sum::<f32>() / images as f32
}

/// `sqrt(1 + d²) - 1` (pseudo-Huber): half the square of what is near, the length of what is far,
/// so that the gradient of what has escaped does not overflow.
fn length(d: f32) -> f32 {
    let square = f64::from(d) * f64::from(d);
    (square / ((1.0 + square).sqrt() + 1.0)) as f32
}

/// The gradient of `x`, given that of the mean: of each image only the furthest element has one.
pub(super) fn backward_peaks(x: &[f32], elements: usize, interval: &Interval, dy: f32) -> Vec<f32> {
    let factor = dy / (interval.unit * images(x, elements) as f32);
    chunks(x.len(), elements, |k, dx| {
        let image = &x[k * elements..][..elements];
        if let Some(i) = furthest(image, interval) {
            let d = f64::from(interval.distance(image[i]));
            dx[i] = (d / (1.0 + d * d).sqrt()) as f32 * factor;
        }
    })
}

/// How many images of `elements` `x` holds: at least one, and whole ones.
fn images(x: &[f32], elements: usize) -> usize {
    let whole = elements > 0 && !x.is_empty() && x.len().is_multiple_of(elements);
    assert!(whole, "{} numbers for images of {elements} elements", x.len());
    x.len() / elements
}
