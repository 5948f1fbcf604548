//! ReLU and its gradient, on plain slices. What is not a number passes through, so that training
//! sees it.

use rayon::prelude::*;

use super::parallel::chunks;

/// Elements that one thread takes at a time.
const PIECE: usize = 1 << 14;

/// The larger of 0 and `x`, which passes through if it is not a number.
pub(super) fn larger_of_zero_and(x: f32) -> f32 {
    if x <= 0.0 { 0.0 } else { x }
}

/// The gradient of what became `y`, or would have become it without the ReLU.
pub(super) fn gradient(dy: f32, y: f32) -> f32 {
    if y <= 0.0 { 0.0 } else { dy }
}

/// The larger of 0 and `x`.
pub(super) fn forward(x: &[f32]) -> Vec<f32> {
    chunks(x.len(), PIECE, |k, y| {
        let x = &x[k * PIECE..][..y.len()];
        y.iter_mut().zip(x).for_each(|(y, &x)| *y = larger_of_zero_and(x));
    })
}

/// Given `dy`, makes it the gradient of what `y` was made from.
pub(super) fn backward(y: &[f32], dy: &mut [f32]) {
    assert_eq!(y.len(), dy.len(), "outputs and their gradients");
    dy.par_chunks_mut(PIECE).zip(y.par_chunks(PIECE)).for_each(|(dy, y)| {
        dy.iter_mut().zip(y).for_each(|(d, &y)| *d = gradient(*d, y));
    });
}
