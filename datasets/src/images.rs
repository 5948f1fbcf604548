//! Immutable 8-bit images of one size, each with its label.

use std::path::PathBuf;

use crate::error::Error;

/// Immutable 8-bit images of one size, planes one after the other (channel, row, column), with
/// labels, and with the names of their files where they were read from files.
#[derive(Clone, PartialEq, Eq)]
pub struct Images {
    shape: [usize; 3],
    pixels: Vec<u8>,
    labels: Vec<u8>,
    names: Option<Vec<String>>,
}

impl Images {
    /// The same images with pixels rounded to `2^bits` equidistant values; 8 bits change nothing.
    #[must_use]
    pub fn rounded(&self, bits: u32) -> Self {
        let steps = f64::from((1_u32 << bits.clamp(1, 8)) - 1);
        let round = |v: u8| ((f64::from(v) / 255.0 * steps).round() / steps * 255.0).round() as u8;
        Self { pixels: self.pixels.iter().map(|&v| round(v)).collect(), ..self.clone() }
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
        let file = origin.into();
        let size = shape.iter().try_fold(1_usize, |product, &side| product.checked_mul(side)).filter(|&size| size > 0);
        let Some(size) = size.filter(|&size| pixels.len().is_multiple_of(size)) else {
            let found = shape.iter().map(|&side| side as u64).collect();
            return Err(Error::WrongShape {
                file,
                found,
                expected: "no zero, and pixels for a whole number of images",
            });
        };
        let images = pixels.len() / size;
        if images != labels.len() {
            return Err(Error::CountMismatch { file, images, labels: labels.len() });
        }
        Ok(Self { shape, pixels, labels, names: None })
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

    /// The pixels of image `i`: channel after channel, row after row. `None` beyond the last.
    pub fn image(&self, i: usize) -> Option<&[u8]> {
        let size = self.image_len();
        let start = i.checked_mul(size)?;
        self.pixels.get(start..start.checked_add(size)?)
    }

    /// The pixels of each image, in order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.pixels.chunks_exact(self.image_len())
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
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The first `n` images, or all when there are fewer.
    pub fn take(&self, n: usize) -> Self {
        let n = n.min(self.len());
        Self {
            shape: self.shape,
            pixels: self.pixels[..n * self.image_len()].to_vec(),
            labels: self.labels[..n].to_vec(),
            names: self.names.as_ref().map(|names| names[..n].to_vec()),
        }
    }

    /// The images at `indices`, in that order, repeated when an index is.
    ///
    /// # Panics
    /// At an index beyond the last image.
    pub fn subset(&self, indices: &[usize]) -> Self {
        let size = self.image_len();
        let mut pixels = Vec::with_capacity(indices.len() * size);
        for &i in indices {
            assert!(i < self.len(), "image {i} of {}", self.len());
            pixels.extend_from_slice(&self.pixels[i * size..][..size]);
        }
        Self {
            shape: self.shape,
            pixels,
            labels: indices.iter().map(|&i| self.labels[i]).collect(),
            names: self.names.as_ref().map(|names| indices.iter().map(|&i| names[i].clone()).collect()),
        }
    }

    /// No image, of the given shape.
    #[cfg(test)]
    pub(crate) fn none(shape: [usize; 3]) -> Self {
        Self { shape, pixels: Vec::new(), labels: Vec::new(), names: None }
    }

    fn image_len(&self) -> usize {
        self.shape.iter().product()
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
