//! Batch normalisation (Ioffe & Szegedy, 2015), with a ReLU behind it or without, and its
//! gradients, on plain slices `[images, channels, positions]`. A channel is summed by one thread,
//! image by image, so that the number of threads changes no bit.

use rayon::prelude::*;

use super::parallel::chunks;
use super::relu;

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

/// What multiplies `x - mean` in a channel, and what is added then.
#[derive(Clone, Copy)]
pub(super) struct Scaling<'a> {
    pub(super) gamma: &'a [f32],
    pub(super) beta: &'a [f32],
    /// Whether a ReLU follows.
    pub(super) relu: bool,
}

/// The numbers of one channel.
#[derive(Clone, Copy)]
struct Channel {
    mean: f32,
    /// One over the standard deviation.
    scale: f32,
    /// `gamma scale`.
    factor: f32,
    beta: f32,
}

impl Channel {
    fn all(extent: Extent, moments: &Moments<'_>, scaling: Scaling<'_>) -> Vec<Self> {
        let counts = [moments.mean.len(), scaling.gamma.len(), scaling.beta.len()];
        assert_eq!(counts, [extent.channels; 3], "means, factors and summands, one per channel");
        let numbers = moments.mean.iter().zip(&moments.scale).zip(scaling.gamma).zip(scaling.beta);
        numbers.map(|(((&mean, &scale), gamma), &beta)| Self { mean, scale, factor: scale * gamma, beta }).collect()
    }

    fn normalised(self, x: f32) -> f32 {
        (x - self.mean) * self.factor + self.beta
    }
}

/// `gamma (x - mean) scale + beta`, and the larger of 0 and that if a ReLU follows.
pub(super) fn forward(x: &[f32], extent: Extent, moments: &Moments<'_>, scaling: Scaling<'_>) -> Vec<f32> {
    let (size, positions) = (extent.image(x), extent.positions);
    let channels = Channel::all(extent, moments, scaling);
    chunks(x.len(), size, |k, y| {
        let x = &x[k * size..][..size];
        for ((y, x), channel) in y.chunks_mut(positions).zip(x.chunks(positions)).zip(&channels) {
            let pairs = y.iter_mut().zip(x);
            if scaling.relu {
                pairs.for_each(|(y, x)| *y = relu::larger_of_zero_and(channel.normalised(*x)));
            } else {
                pairs.for_each(|(y, x)| *y = channel.normalised(*x));
            }
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
    scaling: Scaling<'_>,
) -> [Vec<f32>; 2] {
    let channels = Channel::all(extent, moments, scaling);
    if scaling.relu {
        // The output is worked out anew, to the same bits: cheaper than to read it.
        backward_through(x, dy, extent, &channels, fixed, |c, d, x| relu::gradient(d, c.normalised(x)))
    } else {
        backward_through(x, dy, extent, &channels, fixed, |_, d, _| d)
    }
}

/// As [`backward`]; `through` gives the gradient of what normalisation made in a channel, given
/// that of the output, and the input.
fn backward_through(
    x: &[f32],
    dy: &mut [f32],
    extent: Extent,
    channels: &[Channel],
    fixed: bool,
    through: impl Fn(Channel, f32, f32) -> f32 + Sync,
) -> [Vec<f32>; 2] {
    let (size, positions) = (extent.image(x), extent.positions);
    assert_eq!(x.len(), dy.len(), "inputs and gradients of outputs");
    let sums: Vec<[f32; 2]> = {
        let dy: &[f32] = dy;
        let of = |(channel, &c): (usize, &Channel)| {
            let (mut centred, mut plain) = (0.0, 0.0);
            for (x, d) in planes(x, extent, channel).zip(planes(dy, extent, channel)) {
                centred += sum(d, x, |d, x| through(c, d, x) * (x - c.mean));
                plain += sum(d, x, |d, x| through(c, d, x));
            }
            [centred * c.scale, plain]
        };
        channels.par_iter().enumerate().map(of).collect()
    };
    let count = (dy.len() / extent.channels) as f32;
    dy.par_chunks_mut(size).zip(x.par_chunks(size)).for_each(|(dy, x)| {
        let planes = dy.chunks_mut(positions).zip(x.chunks(positions));
        for ((dy, x), (&c, [of_gamma, of_beta])) in planes.zip(channels.iter().zip(&sums)) {
            let pairs = dy.iter_mut().zip(x);
            if fixed {
                pairs.for_each(|(d, &x)| *d = through(c, *d, x) * c.factor);
                continue;
            }
            let (slope, shift) = (of_gamma * c.scale / count, of_beta / count);
            pairs.for_each(|(d, &x)| *d = (through(c, *d, x) - shift - (x - c.mean) * slope) * c.factor);
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
