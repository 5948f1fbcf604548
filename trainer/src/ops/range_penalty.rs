//! How far values lie outside of an interval, and the gradient, on plain slices. Values are summed
//! in pieces of fixed size, and the sums of pieces in order, so that the number of threads changes
//! no bit.

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
