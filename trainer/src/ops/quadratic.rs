//! `a x² + b x + c` and its gradients in one pass, on plain slices. Images are summed in chunks of
//! fixed size, and the sums of chunks in order, so that the number of threads changes no bit.

use rayon::prelude::*;

use super::parallel::chunks;
use super::shape::CHUNK;

/// Adjacent elements of an image for which each of `count` coefficients stands. Images `x` must be
/// whole.
fn repetition(x: &[f32], elements: usize, count: usize) -> usize {
    assert!(count > 0 && elements.is_multiple_of(count), "{count} coefficients for images of {elements} elements");
    assert!(x.len().is_multiple_of(elements), "{} numbers for images of {elements} elements", x.len());
    elements / count
}

/// The polynomials of images of `elements`; each coefficient stands for as many adjacent ones.
pub(super) fn forward(x: &[f32], elements: usize, [a, b, c]: [&[f32]; 3]) -> Vec<f32> {
    assert!(a.len() == b.len() && a.len() == c.len(), "{}, {} and {} coefficients", a.len(), b.len(), c.len());
    let repeat = repetition(x, elements, a.len());
    let size = elements * CHUNK;
    chunks(x.len(), size, |k, y| {
        let x = &x[k * size..][..y.len()];
        for (y, x) in y.chunks_mut(elements).zip(x.chunks(elements)) {
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
pub(super) fn backward(x: &[f32], dy: &mut [f32], elements: usize, [a, b]: [&[f32]; 2]) -> [Vec<f32>; 3] {
    assert_eq!(x.len(), dy.len(), "inputs and gradients of outputs");
    assert_eq!(a.len(), b.len(), "coefficients of a kind");
    let count = a.len();
    let repeat = repetition(x, elements, count);
    let size = elements * CHUNK;
    let sums: Vec<[Vec<f32>; 3]> = dy
        .par_chunks_mut(size)
        .zip(x.par_chunks(size))
        .map(|(dy, x)| {
            let mut sums = [vec![0.0; count], vec![0.0; count], vec![0.0; count]];
            for (dy, x) in dy.chunks_mut(elements).zip(x.chunks(elements)) {
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
