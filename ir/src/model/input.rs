//! What a network takes: the shape of a sample, what its numbers are (8-bit pixels, or real numbers
//! such as laboratory values and signals), how they are normalised, and which are allowed.

use beaa_base::preprocessing::Preprocessing;
use serde::{Deserialize, Serialize};

use super::Range;
use crate::images::ImageMajor;
use crate::{Error, Result, Shape};

/// What an image, or any other sample, looks like: `[channels, height, width]`, and how its numbers
/// are normalised per channel.
///
/// A row of n columns is `[n, 1, 1]`, a signal of L values from C leads `[C, 1, L]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSpec {
    /// `[channels, height, width]`.
    pub shape: [usize; 3],
    /// Per channel, subtracted from the pixel scaled to 0..1, or from the real number.
    pub mean: Vec<f32>,
    /// Per channel, divides after the mean is subtracted; positive.
    pub std: Vec<f32>,
    /// What the numbers are.
    #[serde(default, skip_serializing_if = "InputValues::are_pixels")]
    pub values: InputValues,
    /// What is done to a picture before it is an image of `shape`, if anything is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preprocessing: Option<Preprocessing>,
}

/// What the numbers of a sample are before they are normalised.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputValues {
    /// 8-bit pixels: `x = (pixel / 255 - mean) / std`.
    #[default]
    Pixels,
    /// Real numbers: `x = (value - mean) / std`.
    Reals(RealChannels),
}

/// The channels of real-valued samples: which values are allowed, and what they are called.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RealChannels {
    /// Per channel, the smallest value that is allowed.
    pub min: Vec<f32>,
    /// Per channel, the largest value that is allowed.
    pub max: Vec<f32>,
    /// Per channel, its name (that of a column); empty if the channels have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
}

/// A number that is not allowed, and where it is.
#[derive(Debug, Clone, PartialEq)]
pub struct OutOfRange {
    /// Position of the sample.
    pub sample: usize,
    /// Channel of the number.
    pub channel: usize,
    /// The number before it is normalised; not a number, if it is none.
    pub value: f32,
    /// What is allowed in that channel.
    pub allowed: Range,
}

impl InputValues {
    /// Says whether the numbers are 8-bit pixels.
    pub fn are_pixels(&self) -> bool {
        matches!(self, Self::Pixels)
    }
}

impl InputSpec {
    /// Images of 8-bit pixels, normalised by `mean` and `std`, one of each per channel.
    pub fn pixels(shape: [usize; 3], mean: Vec<f32>, std: Vec<f32>) -> Self {
        Self { shape, mean, std, values: InputValues::Pixels, preprocessing: None }
    }

    /// As a feature-map shape.
    pub fn shape(&self) -> Shape {
        let [channels, height, width] = self.shape;
        Shape::Map { channels, height, width }
    }

    /// `[channels, height, width]` of a picture before it is preprocessed: [`Self::shape`], if
    /// nothing is done to it.
    pub fn picture_shape(&self) -> [usize; 3] {
        self.preprocessing.as_ref().map_or(self.shape, Preprocessing::from)
    }

    /// What the channels of real numbers are; none if the numbers are pixels.
    pub fn reals(&self) -> Option<&RealChannels> {
        match &self.values {
            InputValues::Pixels => None,
            InputValues::Reals(channels) => Some(channels),
        }
    }

    /// The smallest and the largest number that is allowed in each channel, before normalisation:
    /// 0 and 1 for pixels.
    pub fn allowed_values(&self) -> Vec<Range> {
        match &self.values {
            InputValues::Pixels => vec![Range { min: 0.0, max: 1.0 }; self.mean.len()],
            InputValues::Reals(channels) => {
                channels.min.iter().zip(&channels.max).map(|(&min, &max)| Range { min, max }).collect()
            }
        }
    }

    /// The smallest and the largest normalised number that is allowed in each channel. Rounded as
    /// normalisation rounds, so that no allowed sample is outside.
    pub fn allowed_range(&self) -> Vec<Range> {
        let values = self.allowed_values();
        assert_eq!([self.mean.len(), self.std.len()], [values.len(); 2], "means and deviations, one per channel");
        let normalised = self.mean.iter().zip(&self.std);
        values.iter().zip(normalised).map(|(r, (m, s))| Range { min: (r.min - m) / s, max: (r.max - m) / s }).collect()
    }

    /// The largest absolute value that an allowed, normalised number can take.
    pub fn bound(&self) -> f32 {
        self.allowed_range().iter().map(|r| r.min.abs().max(r.max.abs())).fold(0.0, f32::max)
    }

    /// Normalises one image given as 8-bit pixels, planes one after the other. For real-valued
    /// samples a byte is one of 256 equidistant values from the smallest to the largest that is
    /// allowed, as [`Self::steps`] gives them.
    ///
    /// # Panics
    /// If the image has another number of pixels than the network takes.
    pub fn normalise(&self, pixels: &[u8]) -> Vec<f32> {
        assert_eq!(pixels.len(), self.shape().len(), "pixels of an image");
        let plane = self.shape[1] * self.shape[2];
        let channels = pixels.chunks(plane.max(1)).zip(self.bytes_to_numbers());
        channels.flat_map(|(pixels, number)| pixels.iter().map(move |&v| number(v))).collect()
    }

    /// What a byte becomes, per channel.
    fn bytes_to_numbers(&self) -> impl Iterator<Item = impl Fn(u8) -> f32> {
        let pixels = self.values.are_pixels();
        self.mean.iter().zip(&self.std).zip(self.allowed_values()).map(move |((&m, &s), Range { min, max })| {
            move |v| {
                let part = f32::from(v) / 255.0;
                // Not the other expression for 0 to 1: it could round otherwise.
                if pixels { (part - m) / s } else { (part * (max - min) + min - m) / s }
            }
        })
    }

    /// Normalises images of 8-bit pixels, each planes one after the other.
    ///
    /// # Errors
    /// [`Error::ImageSize`] if the images have another number of pixels, [`Error::InputKind`] if
    /// the network takes real numbers.
    pub fn normalise_all(&self, images: &ImageMajor<u8>) -> Result<ImageMajor<f32>> {
        self.expect_pixels("normalising images")?;
        self.normalise_bytes(images)
    }

    /// Normalises images of bytes as [`Self::normalise`] does: pixels, or steps of real numbers.
    ///
    /// # Errors
    /// [`Error::ImageSize`] if the images have another number of bytes.
    pub fn normalise_bytes(&self, images: &ImageMajor<u8>) -> Result<ImageMajor<f32>> {
        self.check_size("normalising images", images.elements())?;
        let tables: Vec<[f32; 256]> =
            self.bytes_to_numbers().map(|number| std::array::from_fn(|v| number(v as u8))).collect();
        let plane = self.shape[1] * self.shape[2];
        let mut numbers = Vec::with_capacity(images.data().len());
        for image in images.rows() {
            for (pixels, table) in image.chunks(plane.max(1)).zip(&tables) {
                numbers.extend(pixels.iter().map(|&v| table[usize::from(v)]));
            }
        }
        ImageMajor::new(images.images(), images.elements(), numbers)
    }

    /// Normalises one sample of real numbers, channel after channel.
    ///
    /// # Panics
    /// If the sample has another number of numbers than the network takes.
    pub fn normalise_reals(&self, values: &[f32]) -> Vec<f32> {
        assert_eq!(values.len(), self.shape().len(), "numbers of a sample");
        let plane = self.shape[1] * self.shape[2];
        values
            .chunks(plane.max(1))
            .zip(self.mean.iter().zip(&self.std))
            .flat_map(|(values, (&m, &s))| values.iter().map(move |v| (v - m) / s))
            .collect()
    }

    /// Normalises samples of real numbers, each channel after channel. Numbers outside of what is
    /// allowed are normalised, too: [`Self::out_of_range`] finds them.
    ///
    /// # Errors
    /// [`Error::ImageSize`] if the samples have another number of numbers, [`Error::InputKind`] if
    /// the network takes pixels.
    pub fn normalise_all_reals(&self, samples: &ImageMajor<f32>) -> Result<ImageMajor<f32>> {
        self.expect_reals("normalising samples")?;
        self.check_size("normalising samples", samples.elements())?;
        ImageMajor::from_rows(samples.elements(), samples.rows().map(|sample| self.normalise_reals(sample)))
    }

    /// The real numbers of one sample as bytes: the nearest of 256 equidistant values from the
    /// smallest to the largest that is allowed in the channel.
    ///
    /// # Panics
    /// If the sample has another number of numbers than the network takes.
    pub fn steps(&self, values: &[f32]) -> Vec<u8> {
        assert_eq!(values.len(), self.shape().len(), "numbers of a sample");
        let plane = self.shape[1] * self.shape[2];
        let step = |v: f32, r: Range| match r.max - r.min {
            width if width > 0.0 => ((v - r.min) / width * 255.0).round() as u8,
            _ => 0,
        };
        let channels = values.chunks(plane.max(1)).zip(self.allowed_values());
        channels.flat_map(|(values, r)| values.iter().map(move |&v| step(v, r))).collect()
    }

    /// The numbers that are not allowed, sample by sample: outside of the range of their channel,
    /// or no numbers. Samples are not normalised, each of as many numbers as the network takes.
    pub fn out_of_range(&self, samples: &ImageMajor<f32>) -> Vec<OutOfRange> {
        let plane = self.shape[1] * self.shape[2];
        let allowed = self.allowed_values();
        let of_sample = |(sample, values): (usize, &[f32])| {
            let channels = values.chunks(plane.max(1)).zip(&allowed).enumerate();
            let outside = channels.flat_map(|(channel, (values, &allowed))| {
                let outside = values.iter().filter(move |v| !(allowed.min..=allowed.max).contains(v));
                outside.map(move |&value| OutOfRange { sample, channel, value, allowed })
            });
            outside.collect::<Vec<_>>()
        };
        samples.rows().enumerate().flat_map(of_sample).collect()
    }

    /// What a channel is called in messages: its name in quotes, or its number.
    pub fn channel_name(&self, channel: usize) -> String {
        match self.reals().and_then(|r| r.names.get(channel)) {
            Some(name) => format!("`{name}`"),
            None => format!("channel {channel}"),
        }
    }

    /// Checks the number of elements of an image.
    ///
    /// # Errors
    /// [`Error::ImageSize`], with the name of the `operation`, if it is another than the network
    /// takes.
    pub fn check_size(&self, operation: &'static str, found: usize) -> Result<()> {
        match self.shape().len() {
            expected if expected == found => Ok(()),
            expected => Err(Error::ImageSize { operation, found, expected }),
        }
    }

    /// Checks that the network takes pixels.
    ///
    /// # Errors
    /// [`Error::InputKind`], with the name of the `operation`, if it takes real numbers.
    pub fn expect_pixels(&self, operation: &'static str) -> Result<()> {
        if self.values.are_pixels() {
            return Ok(());
        }
        let (found, expected) = ("8-bit pixels", "real numbers, as the network was trained on");
        Err(Error::InputKind { operation, found, expected, remedy: "give rows or signals: a CSV or NumPy file" })
    }

    /// Checks that the network takes real numbers.
    ///
    /// # Errors
    /// [`Error::InputKind`], with the name of the `operation`, if it takes pixels.
    pub fn expect_reals(&self, operation: &'static str) -> Result<()> {
        if !self.values.are_pixels() {
            return Ok(());
        }
        let (found, expected) = ("real numbers", "8-bit pixels, as the network was trained on");
        Err(Error::InputKind { operation, found, expected, remedy: "give images" })
    }

    /// What contradicts itself, and what should be there, if anything does.
    pub(crate) fn fault(&self) -> Option<(String, String)> {
        let c = self.shape[0];
        let (means, deviations) = (self.mean.len(), self.std.len());
        if means != c || deviations != c {
            let found = format!("{means} means and {deviations} standard deviations");
            return Some((found, format!("{c} of each, one per channel")));
        }
        if self.mean.iter().any(|m| !m.is_finite()) || self.std.iter().any(|s| !s.is_finite() || *s <= 0.0) {
            let found = "a mean or standard deviation out of range".to_owned();
            return Some((found, "finite means, positive deviations".to_owned()));
        }
        if let Some(preprocessing) = self.preprocessing.as_ref().filter(|p| p.shape() != self.shape) {
            let found = format!("preprocessing to {:?} (channels, rows, columns)", preprocessing.shape());
            return Some((found, format!("the shape of an image, {:?}", self.shape)));
        }
        let RealChannels { min, max, names } = self.reals()?;
        if self.preprocessing.is_some() {
            return Some(("preprocessing of real numbers".to_owned(), "pixels, or none".to_owned()));
        }
        if min.len() != c || max.len() != c || !(names.is_empty() || names.len() == c) {
            let found = format!("{} smallest and {} largest values, {} names", min.len(), max.len(), names.len());
            return Some((found, format!("{c} of each, one per channel, or no names")));
        }
        let ordered = |(lo, hi): (&f32, &f32)| lo.is_finite() && hi.is_finite() && lo <= hi;
        if !min.iter().zip(max).all(ordered) || self.allowed_range().iter().any(|r| !(r.max - r.min).is_finite()) {
            let found = "allowed values without an end or out of order".to_owned();
            return Some((found, "finite smallest and largest values, smallest first".to_owned()));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two columns: an age, and a temperature in degrees.
    fn rows() -> InputSpec {
        let channels = RealChannels {
            min: vec![0.0, 30.0],
            max: vec![100.0, 45.0],
            names: vec!["age".to_owned(), "temperature".to_owned()],
        };
        let values = InputValues::Reals(channels);
        InputSpec { values, ..InputSpec::pixels([2, 1, 1], vec![50.0, 37.0], vec![20.0, 0.5]) }
    }

    #[test]
    fn real_numbers_are_normalised_per_channel() {
        let spec = rows();
        assert_eq!(spec.normalise_reals(&[70.0, 36.5]), [1.0, -1.0]);
        assert_eq!(spec.allowed_range(), [Range { min: -2.5, max: 2.5 }, Range { min: -14.0, max: 16.0 }]);
        assert_eq!(spec.bound(), 16.0);
        let signal = InputSpec { shape: [2, 1, 3], ..spec };
        assert_eq!(signal.normalise_reals(&[50.0, 70.0, 30.0, 37.0, 37.0, 38.0]), [0.0, 1.0, -1.0, 0.0, 0.0, 2.0]);
    }

    #[test]
    fn the_allowed_range_of_pixels_is_that_of_black_and_white() {
        let spec = InputSpec::pixels([1, 2, 2], vec![0.0], vec![0.0039]);
        assert_eq!(spec.allowed_range(), [Range { min: 0.0, max: 1.0 / 0.0039 }]);
        let normalised = spec.normalise(&[0, 255, 1, 254]);
        assert!(normalised.iter().all(|v| (0.0..=spec.bound()).contains(v)));
        assert_eq!(normalised[1], spec.bound());
    }

    #[test]
    fn many_images_are_normalised_as_one() {
        let signal = InputSpec { shape: [2, 1, 128], ..rows() };
        let pixels = InputSpec::pixels([2, 8, 16], vec![0.1307, 0.5], vec![0.3081, 0.0039]);
        for spec in [signal, pixels] {
            let images = ImageMajor::new(2, 256, (0..512).map(|i| (i * 7 % 256) as u8).collect()).unwrap();
            let together = spec.normalise_bytes(&images).unwrap();
            assert!(images.rows().map(|image| spec.normalise(image)).eq(together.rows()));
        }
    }

    #[test]
    fn what_is_not_allowed_is_found_with_its_place() {
        let spec = rows();
        let samples = ImageMajor::from_rows(2, [[0.0, 45.0], [101.0, 37.0], [30.0, f32::NAN]]).unwrap();
        let found = spec.out_of_range(&samples);
        assert_eq!(found.iter().map(|o| (o.sample, o.channel)).collect::<Vec<_>>(), [(1, 0), (2, 1)]);
        assert_eq!((found[0].value, found[0].allowed), (101.0, Range { min: 0.0, max: 100.0 }));
        assert_eq!(
            (spec.channel_name(1), rows().channel_name(7)),
            ("`temperature`".to_owned(), "channel 7".to_owned())
        );
    }

    #[test]
    fn steps_are_the_nearest_of_256() {
        let spec = rows();
        assert_eq!(spec.steps(&[0.0, 45.0]), [0, 255]);
        assert_eq!(spec.steps(&[20.1, 37.5]), [51, 128]);
        let back = spec.normalise(&[51, 255]);
        assert!((back[0] + 1.5).abs() < 1e-6 && (back[1] - 16.0).abs() < 1e-6, "{back:?}");
        let constant = InputSpec {
            values: InputValues::Reals(RealChannels { min: vec![50.0; 2], max: vec![50.0; 2], names: Vec::new() }),
            ..spec
        };
        assert_eq!(constant.steps(&[50.0, 50.0]), [0, 0]);
        assert_eq!(constant.normalise(&[0, 255])[0], 0.0);
    }

    #[test]
    fn pixels_are_not_taken_for_real_numbers_nor_the_reverse() {
        let pixels = InputSpec::pixels([2, 1, 1], vec![0.5; 2], vec![0.5; 2]);
        let found = rows().normalise_all(&ImageMajor::new(1, 2, vec![1, 2]).unwrap()).unwrap_err().to_string();
        assert!(found.contains("found 8-bit pixels, expected real numbers"), "{found}");
        let found = pixels.normalise_all_reals(&ImageMajor::new(1, 2, vec![1.0, 2.0]).unwrap()).unwrap_err();
        assert!(found.to_string().contains("found real numbers, expected 8-bit pixels"), "{found}");
        assert!(rows().normalise_all_reals(&ImageMajor::new(1, 1, vec![1.0]).unwrap()).is_err());
    }

    #[test]
    fn files_of_pixels_are_as_before() {
        let pixels = InputSpec::pixels([1, 2, 2], vec![0.5], vec![0.25]);
        let text = r#"{"shape":[1,2,2],"mean":[0.5],"std":[0.25]}"#;
        assert_eq!(serde_json::to_string(&pixels).unwrap(), text);
        assert_eq!(serde_json::from_str::<InputSpec>(text).unwrap(), pixels);
        let text = concat!(
            r#"{"shape":[2,1,1],"mean":[50.0,37.0],"std":[20.0,0.5],"values":{"reals":"#,
            r#"{"min":[0.0,30.0],"max":[100.0,45.0],"names":["age","temperature"]}}}"#
        );
        assert_eq!(serde_json::to_string(&rows()).unwrap(), text);
        assert_eq!(serde_json::from_str::<InputSpec>(text).unwrap(), rows());
        assert!(serde_json::from_str::<InputSpec>(&text.replace("names", "columns")).is_err());
    }

    #[test]
    fn contradictions_are_found() {
        assert_eq!(rows().fault(), None);
        let step = r#"{"from":[1,4,4],"steps":[{"crop":{"top":1,"left":1,"height":2,"width":2}}]}"#;
        let preprocessing: Option<Preprocessing> = Some(serde_json::from_str(step).unwrap());
        let pixels = InputSpec { preprocessing, ..InputSpec::pixels([1, 2, 2], vec![0.5], vec![0.5]) };
        assert_eq!((pixels.fault(), pixels.picture_shape()), (None, [1, 4, 4]));
        let other = InputSpec { shape: [1, 4, 1], ..pixels.clone() };
        assert!(other.fault().unwrap().0.contains("preprocessing to [1, 2, 2]"));
        let reals = InputValues::Reals(RealChannels { min: vec![0.0], max: vec![1.0], names: Vec::new() });
        assert!(InputSpec { values: reals, ..pixels }.fault().unwrap().0.contains("of real numbers"));
        let broken = |change: fn(&mut InputSpec, &mut RealChannels)| {
            let (mut spec, mut channels) = (rows(), rows().reals().unwrap().clone());
            change(&mut spec, &mut channels);
            spec.values = InputValues::Reals(channels);
            spec.fault().unwrap().0
        };
        assert!(broken(|spec, _| spec.mean.truncate(1)).contains("1 means and 2 standard"));
        assert!(broken(|spec, _| spec.std[0] = 0.0).contains("out of range"));
        assert!(broken(|_, channels| channels.max.truncate(1)).contains("2 smallest and 1 largest"));
        assert!(broken(|_, channels| channels.names.truncate(1)).contains("1 names"));
        assert!(broken(|_, channels| channels.min[1] = 46.0).contains("out of order"));
        assert!(broken(|_, channels| channels.min[1] = f32::NEG_INFINITY).contains("without an end"));
        assert!(broken(|spec, channels| (spec.std[0], channels.max[0]) = (1e-20, 1e20)).contains("without an end"));
    }
}
