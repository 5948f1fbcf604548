//! Immutable samples of one size, each with its label: images of 8-bit pixels, or rows and signals
//! of real numbers.

use std::path::PathBuf;

use beaa_base::preprocessing::Preprocessing;

use crate::error::Error;

/// Immutable images (or rows, or signals) of one size, planes one after the other (channel, row,
/// column), with labels, and with the names of their files where they were read from files.
#[derive(Clone, PartialEq)]
pub struct Images {
    shape: [usize; 3],
    values: Values,
    labels: Vec<u8>,
    names: Option<Vec<String>>,
    /// What was done to the pictures after they were read.
    preprocessing: Option<Preprocessing>,
}

/// The numbers of samples, one sample after the other.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// 8-bit pixels.
    Pixels(Vec<u8>),
    /// Real numbers.
    Reals(Reals),
}

/// Real numbers, all of them finite, and what their channels are called.
#[derive(Debug, Clone, PartialEq)]
pub struct Reals {
    /// The numbers, one sample after the other, each channel by channel.
    pub numbers: Vec<f32>,
    /// The name of each channel, as a table's header has it; empty if they have none.
    pub channels: Vec<String>,
}

impl Images {
    /// The same images with pixels rounded to `2^bits` equidistant values; 8 bits change nothing.
    ///
    /// # Panics
    /// As [`Self::pixels`].
    #[must_use]
    pub fn rounded(&self, bits: u32) -> Self {
        let steps = f64::from((1_u32 << bits.clamp(1, 8)) - 1);
        let round = |v: u8| ((f64::from(v) / 255.0 * steps).round() / steps * 255.0).round() as u8;
        Self { values: Values::Pixels(self.pixels().iter().map(|&v| round(v)).collect()), ..self.clone() }
    }

    /// Images of `shape` (channels, height, width) one after the other in `pixels`, and one label
    /// each.
    ///
    /// `origin` names the source in errors: a file, or the name of a data set made in memory.
    ///
    /// # Errors
    /// A zero in `shape`, a number of pixels that is no multiple of an image, another number of
    /// labels.
    pub fn new(origin: impl Into<PathBuf>, shape: [usize; 3], pixels: Vec<u8>, labels: Vec<u8>) -> Result<Self, Error> {
        Self::of_values(origin.into(), shape, Values::Pixels(pixels), labels)
    }

    /// Samples of real numbers, of `shape` (channels, height, width) one after the other, and one
    /// label each; otherwise as [`Self::new`].
    ///
    /// # Errors
    /// As [`Self::new`], and for a number that is not finite or another number of names than
    /// channels.
    pub fn of_reals(
        origin: impl Into<PathBuf>,
        shape: [usize; 3],
        reals: Reals,
        labels: Vec<u8>,
    ) -> Result<Self, Error> {
        let file = origin.into();
        if let Some(position) = reals.numbers.iter().position(|v| !v.is_finite()) {
            let found = format!("the number {} at position {position}", reals.numbers[position]);
            return Err(Error::table(&file, "", found, "finite numbers", "fill in what is missing"));
        }
        if !reals.channels.is_empty() && reals.channels.len() != shape[0] {
            let found = format!("{} names of channels", reals.channels.len());
            return Err(Error::table(&file, "", found, format!("{}, one each", shape[0]), "name all or none"));
        }
        Self::of_values(file, shape, Values::Reals(reals), labels)
    }

    fn of_values(file: PathBuf, shape: [usize; 3], values: Values, labels: Vec<u8>) -> Result<Self, Error> {
        let size = shape.iter().try_fold(1_usize, |product, &side| product.checked_mul(side)).filter(|&size| size > 0);
        let Some(size) = size.filter(|&size| values.len().is_multiple_of(size)) else {
            let found = shape.iter().map(|&side| side as u64).collect();
            return Err(Error::WrongShape {
                file,
                found,
                expected: "no zero, and pixels for a whole number of images",
            });
        };
        let images = values.len() / size;
        if images != labels.len() {
            return Err(Error::CountMismatch { file, images, labels: labels.len() });
        }
        Ok(Self { shape, values, labels, names: None, preprocessing: None })
    }

    /// The same images, image `i` with the name `names[i]`.
    ///
    /// # Panics
    /// If there are not as many names as images.
    #[must_use]
    pub fn with_names(self, names: Vec<String>) -> Self {
        assert_eq!(names.len(), self.len(), "names and images");
        Self { names: Some(names), ..self }
    }

    /// The name of each image, if they come from files: the path as it was given, or below the
    /// folder of the data set. Always printable, on one line.
    pub fn names(&self) -> Option<&[String]> {
        self.names.as_deref()
    }

    /// The same samples with other labels; `file`, that of the labels, is for errors.
    pub(crate) fn with_labels(self, file: &std::path::Path, labels: Vec<u8>) -> Result<Self, Error> {
        if labels.len() != self.len() {
            let (images, labels) = (self.len(), labels.len());
            return Err(Error::CountMismatch { file: file.to_owned(), images, labels });
        }
        Ok(Self { labels, ..self })
    }

    /// Channels, height, width.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The numbers of all samples, whatever they are.
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// What was done to the pictures after they were read, if anything was.
    pub fn preprocessing(&self) -> Option<&Preprocessing> {
        self.preprocessing.as_ref()
    }

    /// The same images with other pixels, which `preprocessing` led to; `pixels` are those of as
    /// many images of its shape.
    pub(crate) fn with_preprocessed(&self, preprocessing: &Preprocessing, pixels: Vec<u8>) -> Self {
        let shape = preprocessing.shape();
        assert_eq!(pixels.len(), self.len() * shape.iter().product::<usize>(), "pixels of {} images", self.len());
        let (labels, names) = (self.labels.clone(), self.names.clone());
        Self { shape, values: Values::Pixels(pixels), labels, names, preprocessing: Some(preprocessing.clone()) }
    }

    /// The real numbers of all samples; none if these are images of pixels.
    pub fn reals(&self) -> Option<&Reals> {
        match &self.values {
            Values::Pixels(_) => None,
            Values::Reals(reals) => Some(reals),
        }
    }

    /// The pixels of image `i`: channel after channel, row after row. `None` beyond the last.
    ///
    /// # Panics
    /// As [`Self::pixels`].
    pub fn image(&self, i: usize) -> Option<&[u8]> {
        let size = self.image_len();
        let start = i.checked_mul(size)?;
        self.pixels().get(start..start.checked_add(size)?)
    }

    /// The pixels of each image, in order.
    ///
    /// # Panics
    /// As [`Self::pixels`].
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.pixels().chunks_exact(self.image_len())
    }

    /// The class of image `i`. `None` beyond the last.
    pub fn label(&self, i: usize) -> Option<u8> {
        self.labels.get(i).copied()
    }

    /// The class of every image.
    pub fn labels(&self) -> &[u8] {
        &self.labels
    }

    /// The pixels of all images, one image after the other.
    ///
    /// # Panics
    /// If these are samples of real numbers, for callers that have not looked at [`Self::values`].
    pub fn pixels(&self) -> &[u8] {
        match &self.values {
            Values::Pixels(pixels) => pixels,
            Values::Reals(_) => unreachable!("pixels of samples of real numbers"),
        }
    }

    /// The same images with the class `class(label)` in place of each label.
    #[must_use]
    pub fn relabelled(&self, class: impl Fn(u8) -> u8) -> Self {
        let labels = self.labels.iter().map(|&label| class(label)).collect();
        Self { labels, ..self.clone() }
    }

    /// The first `n` images, or all when there are fewer.
    pub fn take(&self, n: usize) -> Self {
        let n = n.min(self.len());
        Self {
            shape: self.shape,
            values: self.values.of_samples(self.image_len(), 0..n),
            labels: self.labels[..n].to_vec(),
            names: self.names.as_ref().map(|names| names[..n].to_vec()),
            preprocessing: self.preprocessing.clone(),
        }
    }

    /// The images at `indices`, in that order, repeated when an index is.
    ///
    /// # Panics
    /// At an index beyond the last image.
    pub fn subset(&self, indices: &[usize]) -> Self {
        for &i in indices {
            assert!(i < self.len(), "image {i} of {}", self.len());
        }
        let values = self.values.of_samples(self.image_len(), indices.iter().copied());
        Self {
            shape: self.shape,
            values,
            labels: indices.iter().map(|&i| self.labels[i]).collect(),
            names: self.names.as_ref().map(|names| indices.iter().map(|&i| names[i].clone()).collect()),
            preprocessing: self.preprocessing.clone(),
        }
    }

    /// No image, of the given shape.
    #[cfg(test)]
    pub(crate) fn none(shape: [usize; 3]) -> Self {
        Self { shape, values: Values::Pixels(Vec::new()), labels: Vec::new(), names: None, preprocessing: None }
    }

    fn image_len(&self) -> usize {
        self.shape.iter().product()
    }
}

impl Values {
    fn len(&self) -> usize {
        match self {
            Self::Pixels(pixels) => pixels.len(),
            Self::Reals(reals) => reals.numbers.len(),
        }
    }

    /// The numbers of the samples at `indices`, each of `size` numbers.
    fn of_samples(&self, size: usize, indices: impl ExactSizeIterator<Item = usize>) -> Self {
        fn pick<T: Copy>(all: &[T], size: usize, indices: impl ExactSizeIterator<Item = usize>) -> Vec<T> {
            let mut picked = Vec::with_capacity(indices.len() * size);
            indices.for_each(|i| picked.extend_from_slice(&all[i * size..][..size]));
            picked
        }
        match self {
            Self::Pixels(pixels) => Self::Pixels(pick(pixels, size, indices)),
            Self::Reals(reals) => {
                let numbers = pick(&reals.numbers, size, indices);
                Self::Reals(Reals { numbers, channels: reals.channels.clone() })
            }
        }
    }
}

/// How often each of the 256 values occurs.
pub(crate) fn histogram(values: &[u8]) -> [u64; 256] {
    let mut counts = [0; 256];
    for &value in values {
        counts[usize::from(value)] += 1;
    }
    counts
}

impl std::fmt::Debug for Images {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Images").field("shape", &self.shape).field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> Images {
        Images::new("t", [1, 1, 2], vec![1, 2, 3, 4, 5, 6], vec![0, 1, 2]).unwrap()
    }

    #[test]
    fn images_and_labels_by_index() {
        let images = three();
        assert_eq!((images.len(), images.is_empty(), images.shape()), (3, false, [1, 1, 2]));
        assert_eq!(images.image(1), Some(&[3, 4][..]));
        assert_eq!(images.label(2), Some(2));
        for beyond in [3, usize::MAX] {
            assert_eq!((images.image(beyond), images.label(beyond)), (None, None));
        }
    }

    #[test]
    fn take_and_subset() {
        assert_eq!(three().take(2).pixels(), [1, 2, 3, 4]);
        assert_eq!(three().take(9), three());
        let picked = three().subset(&[2, 0, 2]);
        assert_eq!((picked.pixels(), picked.labels()), (&[5, 6, 1, 2, 5, 6][..], &[2, 0, 2][..]));
    }

    #[test]
    fn names_follow_their_images() {
        let named = three().with_names(["a", "b", "c"].map(String::from).to_vec());
        assert_eq!(three().names(), None);
        assert_eq!(named.rounded(1).names().unwrap(), ["a", "b", "c"]);
        assert_eq!(named.take(2).names().unwrap(), ["a", "b"]);
        assert_eq!(named.subset(&[2, 0, 2]).names().unwrap(), ["c", "a", "c"]);
    }

    #[test]
    fn real_numbers_are_picked_as_pixels_are() {
        let reals = Reals { numbers: vec![0.5, 1.0, -2.0, 3.0], channels: vec!["a".into(), "b".into()] };
        let rows = Images::of_reals("t", [2, 1, 1], reals.clone(), vec![0, 1]).unwrap();
        assert_eq!((rows.len(), rows.reals()), (2, Some(&reals)));
        assert_eq!(rows.subset(&[1]).reals().unwrap().numbers, [-2.0, 3.0]);
        assert_eq!(rows.take(1).reals().unwrap().numbers, [0.5, 1.0]);
        let refused = |numbers: Vec<f32>, channels: &[&str]| {
            let channels = channels.iter().map(|&name| name.to_owned()).collect();
            Images::of_reals("t", [2, 1, 1], Reals { numbers, channels }, vec![0]).unwrap_err().to_string()
        };
        assert!(refused(vec![1.0, f32::NAN], &[]).contains("NaN at position 1"));
        assert!(refused(vec![1.0, 2.0], &["a"]).contains("1 names of channels"));
        assert!(refused(vec![1.0], &[]).contains("shape [2, 1, 1]"));
    }

    #[test]
    #[should_panic(expected = "image 3 of 3")]
    fn a_subset_with_an_image_that_is_not_there_is_a_bug() {
        three().subset(&[2, 3]);
    }

    #[test]
    fn rows_are_all_images_in_order() {
        let images = three();
        assert_eq!(images.rows().len(), 3);
        assert!(images.rows().eq((0..3).map(|i| images.image(i).unwrap())));
        assert_eq!(Images::none([1, 1, 2]).rows().len(), 0);
    }

    #[test]
    fn refuses_what_does_not_fit() {
        assert!(matches!(Images::new("t", [1, 0, 2], vec![], vec![]), Err(Error::WrongShape { .. })));
        assert!(matches!(Images::new("t", [1, 1, 2], vec![1], vec![]), Err(Error::WrongShape { .. })));
        assert!(matches!(Images::new("t", [usize::MAX, 2, 2], vec![], vec![]), Err(Error::WrongShape { .. })));
        let error = Images::new("t", [1, 1, 2], vec![1, 2], vec![0, 0]).unwrap_err();
        assert!(matches!(error, Error::CountMismatch { images: 1, labels: 2, .. }));
    }
}
