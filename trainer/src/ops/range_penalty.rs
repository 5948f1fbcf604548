//! How far values lie outside of a range, and the gradient, on plain slices. Must never let the number of threads decide an
//! order of summation: values go in pieces of fixed size, and the sums of pieces are added in order.

use rayon::prelude::*;

use super::parallel::chunks;

/// Elements that one thread takes at a time.
const PIECE: usize = 1 << 14;

/// A range, and the unit in which distances to it are measured.
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

/// The mean square of the distances.
pub(super) fn forward(x: &[f32], interval: &Interval) -> f32 {
    let squares = |x: &[f32]| {
        let mut strands = [0.0; 16];
        let (whole, rest) = x.as_chunks::<16>();
        for x in whole {
            strands.iter_mut().zip(x).for_each(|(s, &x)| *s += interval.distance(x).powi(2));
        }
        strands.iter().sum::<f32>() + rest.iter().map(|&x| interval.distance(x).powi(2)).sum::<f32>()
    };
    let sums: Vec<f32> = x.par_chunks(PIECE).map(squares).collect();
    sums.iter().sum::<f32>() / x.len().max(1) as f32
}

/// The gradient of `x`, given that of the mean.
pub(super) fn backward(x: &[f32], interval: &Interval, dy: f32) -> Vec<f32> {
    let factor = 2.0 * dy / (interval.unit * x.len().max(1) as f32);
    chunks(x.len(), PIECE, |k, dx| {
        let x = x.get(k * PIECE..).unwrap_or(&[]);
        dx.iter_mut().zip(x).for_each(|(d, &x)| *d = interval.distance(x) * factor);
    })
}
