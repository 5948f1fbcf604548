//! How images that are more than the slots of a ciphertext become batches, and where their numbers
//! come from when a batch is encrypted.

use std::borrow::Cow;
use std::ops::Range;

use beaa_ir::images::ImageMajor;

use crate::{Error, Result};

/// The images of each batch: as few batches as hold them, in order, all of the same number up to
/// one, so that each has slots left for copies where any has.
pub(super) fn split(images: usize, slots: usize) -> Vec<Range<usize>> {
    assert!(slots > 0, "a ciphertext without slots");
    let batches = images.div_ceil(slots);
    (0..batches).map(|k| images * k / batches..images * (k + 1) / batches).collect()
}

/// Normalised images, read a batch at a time: all of them together may be larger than memory.
pub trait ImageSource {
    /// What reading may fail with.
    type Error: From<Error> + From<beaa_ir::Error>;

    /// How many there are.
    fn images(&self) -> usize;

    /// Gives some of them, `[image][element]`.
    ///
    /// # Errors
    /// When they cannot be read.
    fn read(&self, images: Range<usize>) -> std::result::Result<Cow<'_, ImageMajor<f32>>, Self::Error>;
}

impl ImageSource for ImageMajor<f32> {
    type Error = Error;

    fn images(&self) -> usize {
        self.images()
    }

    fn read(&self, images: Range<usize>) -> Result<Cow<'_, ImageMajor<f32>>> {
        if images == (0..self.images()) {
            return Ok(Cow::Borrowed(self));
        }
        let (count, elements) = (images.len(), self.elements());
        let numbers = self.data()[images.start * elements..images.end * elements].to_vec();
        Ok(Cow::Owned(ImageMajor::new(count, elements, numbers)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_few_even_and_in_order() {
        assert_eq!(split(10_000, 4096), [0..3333, 3333..6666, 6666..10_000]);
        assert_eq!(split(4097, 4096), [0..2048, 2048..4097]);
        for (images, slots) in [(1, 4096), (4096, 4096), (1000, 7), (77, 76), (13, 1)] {
            let all = split(images, slots);
            assert_eq!(all.len(), images.div_ceil(slots));
            assert!(all.iter().all(|r| (1..=slots).contains(&r.len())));
            assert!(all.windows(2).all(|w| w[0].end == w[1].start) && all[all.len() - 1].end == images);
        }
    }

    #[test]
    fn a_part_of_the_images_is_read() {
        let images = ImageMajor::new(3, 2, vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        assert_eq!(images.read(1..3).unwrap().data(), [2.0, 3.0, 4.0, 5.0]);
        assert!(matches!(images.read(0..3).unwrap(), Cow::Borrowed(_)));
    }
}
