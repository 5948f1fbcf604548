//! Average pooling without padding, and its gradient, on plain slices. Windows that do not fit into
//! a plane are not there.

use rayon::prelude::*;

/// Extent of the planes and of the window; two numbers are rows and columns.
#[derive(Debug, Clone, Copy)]
pub(super) struct PoolShape {
    pub(super) input: [usize; 2],
    pub(super) kernel: [usize; 2],
    pub(super) stride: [usize; 2],
}

/// Planes that one thread takes at a time.
const PLANES: usize = 32;

impl PoolShape {
    /// None if not even one window fits.
    pub(super) fn new(input: [usize; 2], kernel: [usize; 2], stride: [usize; 2]) -> Option<Self> {
        let fits = |d: usize| kernel[d] > 0 && stride[d] > 0 && kernel[d] <= input[d];
        (fits(0) && fits(1)).then_some(Self { input, kernel, stride })
    }

    /// Extent of the output.
    pub(super) fn output(&self) -> [usize; 2] {
        std::array::from_fn(|d| (self.input[d] - self.kernel[d]) / self.stride[d] + 1)
    }

    fn areas(&self) -> [usize; 2] {
        [self.input, self.output()].map(|[h, w]| h * w)
    }

    fn share(&self) -> f32 {
        1.0 / (self.kernel[0] * self.kernel[1]) as f32
    }
}

/// The means of all windows.
pub(super) fn forward(shape: &PoolShape, x: &[f32]) -> Vec<f32> {
    let [from, to] = shape.areas();
    let [_, columns] = shape.output();
    assert!(x.len().is_multiple_of(from), "{} numbers for planes of {from}", x.len());
    let mut y = vec![0.0; x.len() / from * to];
    y.par_chunks_mut(to * PLANES).zip(x.par_chunks(from * PLANES)).for_each(|(y, x)| {
        for (y, x) in y.chunks_mut(to).zip(x.chunks(from)) {
            for (row, y) in y.chunks_mut(columns).enumerate() {
                for line in x.chunks(shape.input[1]).skip(row * shape.stride[0]).take(shape.kernel[0]) {
                    for first in 0..shape.kernel[1] {
                        let shifted = line[first..].iter().step_by(shape.stride[1]);
                        y.iter_mut().zip(shifted).for_each(|(y, x)| *y += x);
                    }
                }
                y.iter_mut().for_each(|y| *y *= shape.share());
            }
        }
    });
    y
}

/// The gradient of the input, given that of the output.
pub(super) fn backward(shape: &PoolShape, dy: &[f32]) -> Vec<f32> {
    let [from, to] = shape.areas();
    let [_, columns] = shape.output();
    assert!(dy.len().is_multiple_of(to), "{} numbers for planes of {to}", dy.len());
    let mut dx = vec![0.0; dy.len() / to * from];
    dx.par_chunks_mut(from * PLANES).zip(dy.par_chunks(to * PLANES)).for_each(|(dx, dy)| {
        for (dx, dy) in dx.chunks_mut(from).zip(dy.chunks(to)) {
            for (row, dy) in dy.chunks(columns).enumerate() {
                for line in dx.chunks_mut(shape.input[1]).skip(row * shape.stride[0]).take(shape.kernel[0]) {
                    for first in 0..shape.kernel[1] {
                        let shifted = line[first..].iter_mut().step_by(shape.stride[1]);
                        shifted.zip(dy).for_each(|(dx, dy)| *dx += dy * shape.share());
                    }
                }
            }
        }
    });
    dx
}
