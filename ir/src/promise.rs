//! What a compilation promises of a program's images and answers, so that a client recognises what
//! lies outside: the ranges of a few statistics of the sample images, and the ranges of the
//! outputs. A signature carries it to the client.

use serde::{Deserialize, Serialize};

use crate::images::ImageMajor;
use crate::{Error, InputSpec, Result};

/// How much wider than so many samples showed a promised range of images is, on either side, as a
/// share of its width. Chosen by measurement: images of the same set that are no samples stay
/// inside (docs/precision.md).
pub fn image_margin(samples: usize) -> f64 {
    0.1 + unseen(samples)
}

/// As [`image_margin`], of the ranges of outputs.
pub fn output_margin(samples: usize) -> f64 {
    0.5 + unseen(samples)
}

/// What few samples do not show.
fn unseen(samples: usize) -> f64 {
    2.0 / (samples.max(1) as f64).sqrt()
}

/// Numbers from `min` to `max`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interval {
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

/// What holds for the images and answers that a program was compiled for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Promise {
    /// One for each output. Of sample images, widened by [`output_margin`]; without samples, what
    /// any image gives that keeps every activation within the range that training saw.
    pub outputs: Vec<Interval>,
    /// Of the sample images, widened by [`image_margin`]; none without samples.
    pub images: Option<ImageRanges>,
}

/// Statistics of the sample images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageRanges {
    /// Number of samples that the ranges of the outputs and of the images are from.
    pub samples: usize,
    /// One for each channel.
    pub channels: Vec<ChannelRanges>,
}

/// Statistics of one channel of normalised images.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChannelRanges {
    /// Mean of the channel's numbers.
    pub mean: Interval,
    /// Their standard deviation.
    pub deviation: Interval,
    /// The smallest of them.
    pub smallest: Interval,
    /// The largest of them.
    pub largest: Interval,
    /// Mean distance of neighbours in rows and columns.
    pub roughness: Interval,
}

/// The statistics of one channel of one image, in the order of [`ChannelRanges`].
type Statistics = [f64; 5];

/// Of what a range is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Statistic {
    /// Mean of a channel's numbers.
    Mean,
    /// Their standard deviation.
    Deviation,
    /// The smallest of them.
    Smallest,
    /// The largest of them.
    Largest,
    /// Mean distance of neighbours.
    Roughness,
}

/// In the order of [`Statistics`].
const ALL: [Statistic; 5] =
    [Statistic::Mean, Statistic::Deviation, Statistic::Smallest, Statistic::Largest, Statistic::Roughness];

impl std::fmt::Display for Statistic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Mean => "mean",
            Self::Deviation => "deviation",
            Self::Smallest => "smallest value",
            Self::Largest => "largest value",
            Self::Roughness => "roughness",
        })
    }
}

/// How an image differs from what was promised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deviating {
    /// Position in the batch.
    pub image: usize,
    /// The channel.
    pub channel: usize,
    /// Which statistic.
    pub statistic: Statistic,
    /// What it is, in normalised units.
    pub found: f64,
    /// What was promised.
    pub promised: Interval,
}

impl Interval {
    /// The smallest interval that holds all `values`; none without a value, or with one that is not
    /// finite.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut all: Option<Self> = None;
        for v in values {
            if !v.is_finite() {
                return None;
            }
            all = Some(all.map_or(Self { min: v, max: v }, |i| Self { min: i.min.min(v), max: i.max.max(v) }));
        }
        all
    }

    /// The smallest interval that holds both; none if an end of them is not finite.
    pub fn hull(&self, other: Self) -> Option<Self> {
        Self::of([self.min, self.max, other.min, other.max])
    }

    /// Whether `value` lies inside, or outside by at most `slack`.
    pub fn holds(&self, value: f64, slack: f64) -> bool {
        value >= self.min - slack && value <= self.max + slack
    }

    /// Its length.
    pub fn width(&self) -> f64 {
        self.max - self.min
    }

    /// The interval with `share` of its length more on either side.
    pub fn widened(&self, share: f64) -> Self {
        let more = share * self.width();
        Self { min: self.min - more, max: self.max + more }
    }

    /// Whether both ends are numbers, in order.
    fn is_valid(&self) -> bool {
        self.min.is_finite() && self.max.is_finite() && self.min <= self.max
    }
}

impl ChannelRanges {
    fn intervals(&self) -> [Interval; 5] {
        [self.mean, self.deviation, self.smallest, self.largest, self.roughness]
    }
}

impl ImageRanges {
    /// The ranges that normalised images of a network show, widened by [`image_margin`]; none
    /// without an image, or with a number that is not finite.
    ///
    /// # Errors
    /// [`Error::ImageSize`] if the images are of another size.
    pub fn of<'a>(input: &InputSpec, images: impl IntoIterator<Item = &'a [f32]>) -> Result<Option<Self>> {
        let channels = input.shape[0];
        let mut samples = 0;
        let mut found: Vec<[Option<Interval>; 5]> = Vec::new();
        for image in images {
            input.check_size("measuring sample images", image.len())?;
            samples += 1;
            let of_image = (0..channels).map(|c| statistics(input, c, image));
            if found.is_empty() {
                found = of_image.map(|s| s.map(|v| Interval::of([v]))).collect();
                continue;
            }
            for (all, s) in found.iter_mut().zip(of_image) {
                for (all, v) in all.iter_mut().zip(s) {
                    *all = all.and_then(|i| i.hull(Interval { min: v, max: v }));
                }
            }
        }
        let margin = image_margin(samples);
        let channel = |ranges: &[Option<Interval>; 5]| {
            let [mean, deviation, smallest, largest, roughness] = ranges.map(|r| r.map(|i| i.widened(margin)));
            Some(ChannelRanges {
                mean: mean?,
                deviation: deviation?,
                smallest: smallest?,
                largest: largest?,
                roughness: roughness?,
            })
        };
        let channels: Option<Vec<_>> = found.iter().map(channel).collect();
        Ok(channels.filter(|c| !c.is_empty()).map(|channels| Self { samples, channels }))
    }

    /// The first deviation of each normalised image that shows one, in order.
    ///
    /// # Errors
    /// [`Error::ImageSize`] if the images are of another size.
    pub fn deviating(&self, input: &InputSpec, images: &ImageMajor<f32>) -> Result<Vec<Deviating>> {
        input.check_size("comparing images with what was promised", images.elements())?;
        let of_image = |(image, values): (usize, &[f32])| {
            self.channels.iter().enumerate().find_map(|(channel, ranges)| {
                let found = statistics(input, channel, values);
                let at = ranges.intervals().iter().zip(found).position(|(r, v)| !r.holds(v, slack(r)))?;
                let (promised, found) = (ranges.intervals()[at], found[at]);
                Some(Deviating { image, channel, statistic: ALL[at], found, promised })
            })
        };
        Ok(images.rows().enumerate().filter_map(of_image).collect())
    }
}

impl Promise {
    /// Refuses ranges that are no ranges, and other numbers of them than of channels and outputs.
    pub(crate) fn check(&self, input: &InputSpec, outputs: usize) -> Result<()> {
        let fail = |found: String, expected: String| {
            Err(Error::malformed("checking what a program promises", found, expected))
        };
        if self.outputs.len() != outputs {
            return fail(format!("{} ranges", self.outputs.len()), format!("one for each of {outputs} outputs"));
        }
        let of_images = self.images.iter().flat_map(|i| &i.channels);
        if self.images.as_ref().is_some_and(|i| i.channels.len() != input.shape[0] || i.samples == 0) {
            return fail(
                format!("statistics of {} channels", of_images.count()),
                format!("of one sample at least, for each of {} channels", input.shape[0]),
            );
        }
        let all = self.outputs.iter().copied().chain(of_images.flat_map(ChannelRanges::intervals));
        if let Some(Interval { min, max }) = { all }.find(|i| !i.is_valid()) {
            return fail(format!("a range from {min} to {max}"), "two finite numbers in order".into());
        }
        Ok(())
    }
}

/// Single precision does not tell nearer numbers apart.
fn slack(range: &Interval) -> f64 {
    1e-5 * (1.0 + range.min.abs().max(range.max.abs()))
}

fn statistics(input: &InputSpec, channel: usize, image: &[f32]) -> Statistics {
    let [_, height, width] = input.shape;
    let plane = &image[channel * height * width..(channel + 1) * height * width];
    let n = plane.len() as f64;
    let mean = plane.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
    let variance = plane.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n;
    let (mut smallest, mut largest) = (f64::INFINITY, f64::NEG_INFINITY);
    for &v in plane {
        (smallest, largest) = (smallest.min(v.into()), largest.max(v.into()));
    }
    [mean, variance.sqrt(), smallest, largest, roughness(plane, width)]
}

fn roughness(plane: &[f32], width: usize) -> f64 {
    let distance = |a: f32, b: f32| f64::from((a - b).abs());
    let across: f64 = plane.chunks(width).flat_map(|row| row.windows(2)).map(|w| distance(w[0], w[1])).sum();
    let down: f64 = plane.iter().zip(&plane[width..]).map(|(&a, &b)| distance(a, b)).sum();
    let height = plane.len() / width;
    let pairs = height * (width - 1) + (height - 1) * width;
    // A single number has no neighbour.
    (across + down) / pairs.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input() -> InputSpec {
        InputSpec::pixels([2, 2, 2], vec![0.0; 2], vec![1.0; 2])
    }

    #[test]
    fn statistics_are_those_by_hand() {
        let image = [0.0, 1.0, 3.0, 4.0, 5.0, 5.0, 5.0, 5.0];
        assert_eq!(statistics(&input(), 0, &image), [2.0, 2.5_f64.sqrt(), 0.0, 4.0, (1.0 + 1.0 + 3.0 + 3.0) / 4.0]);
        assert_eq!(statistics(&input(), 1, &image), [5.0, 0.0, 5.0, 5.0, 0.0]);
        let single = InputSpec::pixels([1, 1, 1], vec![0.0], vec![1.0]);
        assert_eq!(statistics(&single, 0, &[-3.0]), [-3.0, 0.0, -3.0, -3.0, 0.0]);
    }

    #[test]
    fn images_outside_are_named_and_images_inside_are_not() {
        let image = |low: f32, high: f32| vec![low, low, low, high, low, low, high, high];
        let samples = [image(0.0, 1.0), image(0.2, 0.8)];
        let ranges = ImageRanges::of(&input(), samples.iter().map(Vec::as_slice)).unwrap().unwrap();
        assert_eq!((ranges.samples, ranges.channels.len()), (2, 2));
        // 0 to 0.2, and a tenth of that and more, for there are only two, on either side.
        let more = 0.2 * (0.1 + 2.0_f64.sqrt());
        assert!((ranges.channels[0].smallest.min + more).abs() < 1e-6);
        assert!((ranges.channels[0].smallest.max - 0.2 - more).abs() < 1e-6);
        let rows = [image(0.05, 0.95), image(0.0, 3.0), image(0.1, 0.9)];
        let images = ImageMajor::from_rows(8, rows).unwrap();
        let found = ranges.deviating(&input(), &images).unwrap();
        assert_eq!(found.iter().map(|d| (d.image, d.channel)).collect::<Vec<_>>(), [(1, 0)]);
        assert_eq!(found[0].statistic, Statistic::Mean);
        assert!(ImageRanges::of(&input(), []).unwrap().is_none());
        assert!(ImageRanges::of(&input(), [&[f32::NAN; 8][..]]).unwrap().is_none());
        assert!(ImageRanges::of(&input(), [&[0.0; 7][..]]).is_err());
    }

    #[test]
    fn promises_that_are_none_are_refused() {
        let interval = |min, max| Interval { min, max };
        let good = Promise { outputs: vec![interval(-1.0, 2.0)], images: None };
        assert!(good.check(&input(), 1).is_ok() && good.check(&input(), 2).is_err());
        for bad in [interval(1.0, 0.0), interval(f64::NAN, 1.0), interval(0.0, f64::INFINITY)] {
            assert!(Promise { outputs: vec![bad], images: None }.check(&input(), 1).is_err(), "{bad:?}");
        }
        let one = ChannelRanges {
            mean: interval(0.0, 1.0),
            deviation: interval(0.0, 1.0),
            smallest: interval(0.0, 1.0),
            largest: interval(0.0, 1.0),
            roughness: interval(0.0, 1.0),
        };
        let with = |channels, samples| Promise { images: Some(ImageRanges { samples, channels }), ..good.clone() };
        assert!(with(vec![one; 2], 1).check(&input(), 1).is_ok());
        assert!(with(vec![one; 2], 0).check(&input(), 1).is_err() && with(vec![one], 1).check(&input(), 1).is_err());
        let hostile = ChannelRanges { roughness: interval(2.0, f64::NEG_INFINITY), ..one };
        assert!(with(vec![one, hostile], 1).check(&input(), 1).is_err());
    }
}
