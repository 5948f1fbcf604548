//! A whole data set: names of classes, three splits of one shape, statistics of training.

use std::path::PathBuf;

use beaa_base::preprocessing::{Preprocessing, PreprocessingStep};
use beaa_base::printable::unfit_name;

use crate::channel_statistics::{Ranges, allowed_values, channel_name, channel_statistics};
use crate::error::Error;
use crate::images::{Images, Values, histogram};
use crate::preprocess::preprocess;
use crate::split::Split;
use crate::warning::Warning;

/// Smallest standard deviation reported: one grey level, so that dividing by it is always safe.
const SMALLEST_STD: f64 = 1.0 / 255.0;

/// An immutable data set. Every label is below the number of classes, and every class occurs in
/// training.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    name: String,
    classes: Vec<String>,
    train: Images,
    validation: Images,
    test: Images,
    mean: Vec<f32>,
    std: Vec<f32>,
    /// Of real numbers, per channel.
    allowed: Option<Vec<[f32; 2]>>,
    warnings: Vec<Warning>,
}

impl Dataset {
    /// A data set of three splits. Validation and test may be empty.
    ///
    /// # Errors
    /// No training image, splits of several shapes, a label without a class, a class without a
    /// training image, more than 256 classes.
    pub fn new(
        name: impl Into<String>,
        classes: Vec<String>,
        train: Images,
        validation: Images,
        test: Images,
    ) -> Result<Self, Error> {
        Self::within(name, classes, [train, validation, test], None)
    }

    /// A data set of samples of real numbers (training, validation, test) of which some values are
    /// allowed: those `stated`, or what training spans and half as much beyond either end.
    /// Otherwise as [`Self::new`].
    ///
    /// # Errors
    /// As [`Self::new`]; pixels beside real numbers; a channel that varies less than single
    /// precision can tell; stated ranges that training leaves.
    pub fn within(
        name: impl Into<String>,
        classes: Vec<String>,
        [train, validation, test]: [Images; 3],
        stated: Option<&Ranges>,
    ) -> Result<Self, Error> {
        let name = name.into();
        let file = || PathBuf::from(&name);
        if train.is_empty() {
            return Err(Error::NoImages { file: file() });
        }
        if classes.len() > 256 {
            return Err(Error::TooManyClasses { file: file(), found: classes.len() });
        }
        check_names(file(), &classes)?;
        for images in [&validation, &test] {
            if images.shape() != train.shape() {
                return Err(Error::MixedSizes { file: file(), found: images.shape(), expected: train.shape() });
            }
        }
        let channels = |images: &Images| images.reals().map(|reals| reals.channels.clone());
        for images in [&train, &validation, &test] {
            check_labels(file(), images.labels(), classes.len())?;
            if channels(images) != channels(&train) {
                let (found, expected) = ("splits of pixels and real numbers, or of other channels", "one kind in all");
                return Err(Error::table(&file(), "", found, expected, "give all splits the same columns"));
            }
        }
        let counts = histogram(train.labels());
        if let Some((class, _)) = classes.iter().zip(counts).find(|(_, count)| *count == 0) {
            return Err(Error::MissingClass { file: file(), class: class.clone(), split: Split::Train });
        }
        let mut warnings = class_warnings(&classes, [&train, &validation, &test]);
        let (mean, std, allowed) = match train.values() {
            Values::Pixels(pixels) => {
                let (mean, std) = statistics(pixels, train.shape());
                (mean, std, None)
            }
            Values::Reals(reals) => {
                let file = file();
                let seen = channel_statistics(&file, reals, train.shape())?;
                let allowed = allowed_values(&file, reals, &seen, stated)?;
                let constant = seen.iter().enumerate().filter(|(_, s)| s.seen[0] == s.seen[1]);
                let channels: Vec<String> =
                    constant.map(|(i, s)| format!("{} ({})", channel_name(reals, i), s.seen[0])).collect();
                if !channels.is_empty() {
                    warnings.push(Warning::Constant { channels });
                }
                (seen.iter().map(|s| s.mean).collect(), seen.iter().map(|s| s.std).collect(), Some(allowed))
            }
        };
        Ok(Self { name, classes, train, validation, test, mean, std, allowed, warnings })
    }

    /// The same set, with what was noted while it was read.
    #[must_use]
    pub(crate) fn with_warnings(mut self, noted: Vec<Warning>) -> Self {
        self.warnings.splice(..0, noted);
        self
    }

    /// The same set, its pictures preprocessed: mean and deviation are those of the results.
    ///
    /// # Errors
    /// Steps that do not fit the pictures, or a set of real numbers.
    pub(crate) fn preprocessed(self, steps: &[PreprocessingStep]) -> Result<Self, Error> {
        let preprocessing = Preprocessing::new(self.shape(), steps.to_vec())?;
        let [train, validation, test] =
            [&self.train, &self.validation, &self.test].map(|images| preprocess(images, &preprocessing));
        let train = train?;
        let (mean, std) = statistics(train.pixels(), train.shape());
        Ok(Self { train, validation: validation?, test: test?, mean, std, ..self })
    }

    /// What may not be as it was meant: files left out, classes of few images, and the like.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Name of the set.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Names of the classes; label `i` is class `i`.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// Channels, height, width of every image.
    pub fn shape(&self) -> [usize; 3] {
        self.train.shape()
    }

    /// What was done to the pictures after they were read, if anything was.
    pub fn preprocessing(&self) -> Option<&Preprocessing> {
        self.train.preprocessing()
    }

    /// The images of one split.
    pub fn split(&self, split: Split) -> &Images {
        match split {
            Split::Train => &self.train,
            Split::Validation => &self.validation,
            Split::Test => &self.test,
        }
    }

    /// Mean of pixel / 255, or of the real numbers, over the training images, per channel.
    pub fn mean(&self) -> &[f32] {
        &self.mean
    }

    /// Standard deviation of pixel / 255 over the training images, per channel; at least 1/255. Of
    /// real numbers, 1 for a channel that is constant.
    pub fn std(&self) -> &[f32] {
        &self.std
    }

    /// Per channel, the smallest and the largest real number that is allowed; none if the set is of
    /// pixels.
    pub fn allowed(&self) -> Option<&[[f32; 2]]> {
        self.allowed.as_deref()
    }

    /// BLAKE3 in hexadecimal of the shape and, for training, validation and test in turn, the
    /// count, pixels and labels.
    ///
    /// Depends on content only, not on the files it came from, nor on the names. Integers are
    /// hashed as 64-bit little-endian.
    pub fn checksum(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for side in self.shape() {
            hasher.update(&(side as u64).to_le_bytes());
        }
        for split in Split::ALL {
            let images = self.split(split);
            hasher.update(&(images.len() as u64).to_le_bytes());
            match images.values() {
                Values::Pixels(pixels) => {
                    hasher.update(pixels);
                }
                Values::Reals(reals) => {
                    hasher.update(b"reals");
                    for number in &reals.numbers {
                        hasher.update(&number.to_le_bytes());
                    }
                }
            }
            hasher.update(images.labels());
        }
        hasher.finalize().to_hex().to_string()
    }
}

/// The first label that is no class is an error.
pub(crate) fn check_labels(file: PathBuf, labels: &[u8], classes: usize) -> Result<(), Error> {
    match labels.iter().position(|&label| usize::from(label) >= classes) {
        Some(index) => Err(Error::LabelOutOfRange { file, index, label: labels[index], classes }),
        None => Ok(()),
    }
}

/// Classes of at most so many images, in all splits together, are warned of.
const FEW: u64 = 2;

/// What is odd about the classes of the three splits.
fn class_warnings(classes: &[String], splits: [&Images; 3]) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let counts = splits.map(|images| histogram(images.labels()));
    let few = classes.iter().enumerate().map(|(i, name)| (name.clone(), counts.iter().map(|of| of[i]).sum::<u64>()));
    let few: Vec<_> = few.filter(|(_, images)| *images <= FEW).collect();
    if !few.is_empty() {
        warnings.push(Warning::FewImages { classes: few });
    }
    for ((split, images), count) in Split::ALL.into_iter().zip(splits).zip(&counts) {
        let none: Vec<String> =
            classes.iter().zip(count).filter(|(_, n)| **n == 0).map(|(name, _)| name.clone()).collect();
        if images.is_empty() {
            warnings.push(Warning::EmptySplit { split });
        } else if !none.is_empty() {
            warnings.push(Warning::NoneInSplit { split, classes: none });
        }
    }
    let lower: Vec<String> = classes.iter().map(|name| name.to_lowercase()).collect();
    let same = |i: usize| lower.iter().enumerate().any(|(j, other)| j != i && *other == lower[i]);
    let same: Vec<String> = (0..classes.len()).filter(|&i| same(i)).map(|i| classes[i].clone()).collect();
    if !same.is_empty() {
        warnings.push(Warning::SameButForCase { classes: same });
    }
    warnings
}

/// Mean and deviation per channel, from exact histograms, so that no order of summation matters.
fn statistics(pixels: &[u8], [channels, height, width]: [usize; 3]) -> (Vec<f32>, Vec<f32>) {
    let plane = height * width;
    let mut histograms = vec![[0_u64; 256]; channels];
    for (i, pixels) in pixels.chunks_exact(plane).enumerate() {
        let histogram = &mut histograms[i % channels];
        for &pixel in pixels {
            histogram[usize::from(pixel)] += 1;
        }
    }
    histograms
        .iter()
        .map(|histogram| {
            let moment = |power: i32| -> f64 {
                let terms =
                    histogram.iter().enumerate().map(|(value, &n)| (value as f64 / 255.0).powi(power) * n as f64);
                terms.sum::<f64>() / histogram.iter().sum::<u64>() as f64
            };
            let mean = moment(1);
            let variance = (moment(2) - mean * mean).max(0.0);
            (mean as f32, variance.sqrt().max(SMALLEST_STD) as f32)
        })
        .unzip()
}

/// Refuses names of classes that act as commands where they are shown.
pub(crate) fn check_names(file: PathBuf, classes: &[String]) -> Result<(), Error> {
    match classes.iter().find_map(|name| unfit_name(name).map(|found| (name, found))) {
        Some((name, found)) => Err(Error::UnfitName { file, found, name: name.clone() }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images(pixels: &[u8], labels: &[u8]) -> Images {
        Images::new("t", [2, 1, 2], pixels.to_vec(), labels.to_vec()).unwrap()
    }

    fn names(n: usize) -> Vec<String> {
        (0..n).map(|i| i.to_string()).collect()
    }

    #[test]
    fn statistics_are_per_channel_and_of_training_only() {
        let train = images(&[0, 255, 7, 7, 255, 0, 7, 7], &[0, 1]);
        let other = images(&[9; 4], &[0]);
        let set = Dataset::new("t", names(2), train, other.clone(), other).unwrap();
        assert_eq!(set.mean(), [0.5, 7.0 / 255.0]);
        assert!((set.std()[0] - 0.5).abs() < 1e-7);
        assert_eq!(set.std()[1], 1.0 / 255.0, "a constant channel has the smallest deviation, not zero");
    }

    #[test]
    fn checksum_follows_pixels_labels_and_splits() {
        let (a, b) = (images(&[1; 4], &[0]), images(&[2; 4], &[0]));
        let sum = |train: &Images, validation: &Images, test: &Images, name: &str| {
            Dataset::new(name, names(1), train.clone(), validation.clone(), test.clone()).unwrap().checksum()
        };
        let none = Images::none([2, 1, 2]);
        let reference = sum(&a, &b, &none, "x");
        assert_eq!(reference, sum(&a, &b, &none, "y"));
        assert_ne!(reference, sum(&b, &b, &none, "x"));
        assert_ne!(reference, sum(&a, &none, &b, "x"));
    }

    #[test]
    fn classes_of_few_images_are_warned_of() {
        let one = |labels: &[u8]| images(&vec![0; 4 * labels.len()], labels);
        let set = |train: &[u8], validation: &[u8], test: &[u8]| {
            let set = Dataset::new("t", names(2), one(train), one(validation), one(test)).unwrap();
            set.warnings().to_vec()
        };
        assert_eq!(set(&[0, 1, 0, 1, 0, 1], &[0, 1], &[1, 0]), []);
        let classes = vec![("1".to_owned(), 1)];
        let in_split = |split| Warning::NoneInSplit { split, classes: names(2).split_off(1) };
        assert_eq!(
            set(&[0, 1, 0, 0], &[0], &[]),
            [Warning::FewImages { classes }, in_split(Split::Validation), Warning::EmptySplit { split: Split::Test }]
        );
    }

    #[test]
    fn refuses_inconsistent_splits() {
        let good = images(&[0; 4], &[0]);
        let make = |classes, train: &Images, test: &Images| {
            Dataset::new("t", names(classes), train.clone(), Images::none([2, 1, 2]), test.clone()).unwrap_err()
        };
        let wide = Images::none([1, 2, 2]);
        assert!(matches!(make(1, &good, &wide), Error::MixedSizes { .. }));
        assert!(matches!(make(1, &Images::none([2, 1, 2]), &good), Error::NoImages { .. }));
        assert!(matches!(make(2, &good, &good), Error::MissingClass { .. }));
        assert!(matches!(make(1, &good, &images(&[0; 4], &[1])), Error::LabelOutOfRange { label: 1, .. }));
        assert!(matches!(make(257, &good, &good), Error::TooManyClasses { found: 257, .. }));
    }
}
