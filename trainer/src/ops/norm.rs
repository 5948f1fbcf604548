//! Batch normalisation (Ioffe & Szegedy, 2015) and its gradients, on plain slices `[images,
//! channels, positions]`. A channel is summed by one thread, image by image, so that the number of
//! threads changes no bit.

use rayon::prelude::*;

use super::parallel::chunks;

/// Extent of an image; neither number is 0.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    pub(super) channels: usize,
    pub(super) positions: usize,
}

impl Extent {
    /// Elements of an image, of which `x` must hold whole ones.
    fn image(self, x: &[f32]) -> usize {
        let size = self.channels * self.positions;
        assert!(size > 0 && !x.is_empty() && x.len().is_multiple_of(size), "{} numbers for images of {size}", x.len());
        size
    }
}

/// What normalises a channel: subtract `mean`, multiply by `scale` = one over the standard
/// deviation.
pub(super) struct Moments<'a> {
    pub(super) mean: &'a [f32],
    pub(super) scale: Vec<f32>,
}

impl<'a> Moments<'a> {
    /// From means and variances, the former first.
    pub(super) fn new(values: &'a [f32], epsilon: f32) -> Self {
        assert!(values.len().is_multiple_of(2), "{} means and variances", values.len());
        let (mean, variance) = values.split_at(values.len() / 2);
        Self { mean, scale: variance.iter().map(|v| 1.0 / (v + epsilon).sqrt()).collect() }
    }
}

/// Per channel the mean, then per channel the variance (mean squared deviation).
pub(super) fn moments(x: &[f32], extent: Extent) -> Vec<f32> {
    extent.image(x);
    let found: Vec<[f32; 2]> = (0..extent.channels)
        .into_par_iter()
        .map(|channel| {
            let planes = || planes(x, extent, channel);
            let count = planes().map(<[f32]>::len).sum::<usize>() as f32;
            let mean = planes().map(|p| sum(p, p, |x, _| x)).sum::<f32>() / count;
            let squares = planes().map(|p| sum(p, p, |x, _| (x - mean) * (x - mean)));
            [mean, squares.sum::<f32>() / count]
        })
        .collect();
    found.iter().map(|f| f[0]).chain(found.iter().map(|f| f[1])).collect()
}

/// `gamma (x - mean) scale + beta`.
pub(super) fn forward(x: &[f32], extent: Extent, moments: &Moments<'_>, gamma: &[f32], beta: &[f32]) -> Vec<f32> {
    let (size, positions) = (extent.image(x), extent.positions);
    let counts = [moments.mean.len(), gamma.len(), beta.len()];
    assert_eq!(counts, [extent.channels; 3], "means, factors and summands, one per channel");
    chunks(x.len(), size, |k, y| {
        let x = &x[k * size..][..size];
        let channels = moments.mean.iter().zip(&moments.scale).zip(gamma).zip(beta);
        for ((y, x), (((mean, scale), gamma), beta)) in y.chunks_mut(positions).zip(x.chunks(positions)).zip(channels) {
            let factor = scale * gamma;
            y.iter_mut().zip(x).for_each(|(y, x)| *y = (x - mean) * factor + beta);
        }
    })
}

/// Given `dy`, makes it the gradient of `x`, whose moments depend on it unless they are `fixed`;
/// returns the gradients of `gamma` and `beta`.
pub(super) fn backward(
    x: &[f32],
    dy: &mut [f32],
    extent: Extent,
    (moments, fixed): (&Moments<'_>, bool),
    gamma: &[f32],
) -> [Vec<f32>; 2] {
    let (size, positions) = (extent.image(x), extent.positions);
    assert_eq!(x.len(), dy.len(), "inputs and gradients of outputs");
    assert_eq!([moments.mean.len(), gamma.len()], [extent.channels; 2], "means and factors, one per channel");
    let sums: Vec<[f32; 2]> = {
        let dy: &[f32] = dy;
        let channels = (0..extent.channels).into_par_iter().zip(moments.mean).zip(&moments.scale);
        let of = |((channel, &mean), &scale): ((usize, &f32), &f32)| {
            let (mut centred, mut plain) = (0.0, 0.0);
            for (x, d) in planes(x, extent, channel).zip(planes(dy, extent, channel)) {
                centred += sum(d, x, |d, x| d * (x - mean));
                plain += sum(d, x, |d, _| d);
            }
            [centred * scale, plain]
        };
        channels.map(of).collect()
    };
    let count = (dy.len() / extent.channels) as f32;
    dy.par_chunks_mut(size).zip(x.par_chunks(size)).for_each(|(dy, x)| {
        let channels = moments.mean.iter().zip(&moments.scale).zip(gamma).zip(&sums);
        let planes = dy.chunks_mut(positions).zip(x.chunks(positions));
        for ((dy, x), (((mean, scale), gamma), [of_gamma, of_beta])) in planes.zip(channels) {
            let factor = scale * gamma;
            if fixed {
                dy.iter_mut().for_each(|d| *d *= factor);
                continue;
            }
            let (slope, shift) = (of_gamma * scale / count, of_beta / count);
            dy.iter_mut().zip(x).for_each(|(d, x)| *d = (*d - shift - (x - mean) * slope) * factor);
        }
    });
    [sums.iter().map(|s| s[0]).collect(), sums.iter().map(|s| s[1]).collect()]
}

/// The planes of a channel, image by image.
pub(super) fn planes(x: &[f32], extent: Extent, channel: usize) -> impl Iterator<Item = &[f32]> {
    x.chunks(extent.positions).skip(channel).step_by(extent.channels)
}

/// A sum over pairs in sixteen strands, so that it can go through vector registers.
pub(super) fn sum(x: &[f32], y: &[f32], value: impl Fn(f32, f32) -> f32) -> f32 {
    assert_eq!(x.len(), y.len(), "two lists of pairs");
    let mut strands = [0.0; 16];
    let (whole_x, rest_x) = x.as_chunks::<16>();
    let (whole_y, rest_y) = y.as_chunks::<16>();
    for (x, y) in whole_x.iter().zip(whole_y) {
        for ((strand, &x), &y) in strands.iter_mut().zip(x).zip(y) {
            *strand += value(x, y);
        }
    }
    strands.iter().sum::<f32>() + rest_x.iter().zip(rest_y).map(|(&x, &y)| value(x, y)).sum::<f32>()
}
