//! `a x² + b x + c` and its gradients in one pass, on plain slices. Must never let the number of threads decide an order of
//! summation: images go in chunks of fixed size, and the sums of chunks are added in order.

use rayon::prelude::*;

use super::conv::CHUNK;
use super::parallel::chunks;

/// The coefficients `a`, `b` and `c`; each stands for `elements / len` adjacent elements of an image.
pub(super) type Coefficients<'a> = [&'a [f32]; 3];

/// The polynomials of images of `elements`.
pub(super) fn forward(x: &[f32], elements: usize, [a, b, c]: Coefficients<'_>) -> Vec<f32> {
    let repeat = (elements / a.len().max(1)).max(1);
    let size = elements.max(1) * CHUNK;
    chunks(x.len(), size, |k, y| {
        let x = x.get(k * size..).unwrap_or(&[]);
        for (y, x) in y.chunks_mut(elements.max(1)).zip(x.chunks(elements.max(1))) {
            if repeat == 1 {
                for ((((y, x), a), b), c) in y.iter_mut().zip(x).zip(a).zip(b).zip(c) {
                    *y = (x * a + b) * x + c;
                }
            } else {
                for ((((y, x), a), b), c) in y.chunks_mut(repeat).zip(x.chunks(repeat)).zip(a).zip(b).zip(c) {
                    y.iter_mut().zip(x).for_each(|(y, x)| *y = (x * a + b) * x + c);
                }
            }
        }
    })
}

/// Given `dy`, makes it the gradient of `x`; returns those of the coefficients.
pub(super) fn backward(x: &[f32], dy: &mut [f32], elements: usize, [a, b, _]: Coefficients<'_>) -> [Vec<f32>; 3] {
    let count = a.len();
    let repeat = elements / count.max(1);
    let size = elements.max(1) * CHUNK;
    let sums: Vec<[Vec<f32>; 3]> = dy
        .par_chunks_mut(size)
        .zip(x.par_chunks(size))
        .map(|(dy, x)| {
            let mut sums = [vec![0.0; count], vec![0.0; count], vec![0.0; count]];
            for (dy, x) in dy.chunks_mut(elements.max(1)).zip(x.chunks(elements.max(1))) {
                if repeat == 1 {
                    each(dy, x, [a, b], &mut sums);
                } else {
                    parts(dy, x, repeat, [a, b], &mut sums);
                }
            }
            sums
        })
        .collect();
    let mut total = [vec![0.0; count], vec![0.0; count], vec![0.0; count]];
    for sums in sums {
        for (total, sums) in total.iter_mut().zip(sums) {
            total.iter_mut().zip(sums).for_each(|(t, s)| *t += s);
        }
    }
    total
}

/// One coefficient of each kind per element.
fn each(dy: &mut [f32], x: &[f32], [a, b]: [&[f32]; 2], [sa, sb, sc]: &mut [Vec<f32>; 3]) {
    let sums = sa.iter_mut().zip(sb.iter_mut()).zip(sc.iter_mut());
    for ((((d, x), a), b), ((sa, sb), sc)) in dy.iter_mut().zip(x).zip(a).zip(b).zip(sums) {
        let dx = *d * x;
        *sa += dx * x;
        *sb += dx;
        *sc += *d;
        *d = 2.0 * a * dx + *d * b;
    }
}

/// One coefficient of each kind per `repeat` elements.
fn parts(dy: &mut [f32], x: &[f32], repeat: usize, [a, b]: [&[f32]; 2], [sa, sb, sc]: &mut [Vec<f32>; 3]) {
    let sums = sa.iter_mut().zip(sb.iter_mut()).zip(sc.iter_mut());
    let groups = dy.chunks_mut(repeat).zip(x.chunks(repeat)).zip(a).zip(b).zip(sums);
    for ((((dy, x), a), b), ((sa, sb), sc)) in groups {
        for (d, x) in dy.iter_mut().zip(x) {
            let dx = *d * x;
            *sa += dx * x;
            *sb += dx;
            *sc += *d;
            *d = 2.0 * a * dx + *d * b;
        }
    }
}
