//! Which elements of an image a program reads: only these are encrypted and sent.

use std::borrow::Cow;
use std::ops::Range;

use crate::Result;
use crate::images::ImageMajor;

/// Elements of an image, in ascending order, at least one. Ciphertext `i` of the input holds the
/// `i`-th of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadElements {
    /// Ascending, none of them empty or next to another.
    ranges: Vec<Range<usize>>,
    /// Of an image, read or not.
    elements: usize,
}

impl ReadElements {
    /// All of so many elements, at least one.
    pub fn all(elements: usize) -> Self {
        assert!(elements > 0, "an image without elements");
        let ranges = std::iter::once(0..elements).collect();
        Self { ranges, elements }
    }

    /// Those that are marked, of which there is at least one.
    pub fn marked(marks: &[bool]) -> Self {
        assert!(marks.contains(&true), "none of {} elements is read", marks.len());
        let mut ranges: Vec<Range<usize>> = Vec::new();
        for element in (0..marks.len()).filter(|&e| marks[e]) {
            match ranges.last_mut() {
                Some(last) if last.end == element => last.end += 1,
                _ => ranges.push(element..element + 1),
            }
        }
        Self { ranges, elements: marks.len() }
    }

    /// Those in ranges `[first, end)`, as a file has them; none if these are not ascending, apart
    /// from each other, and of so many elements.
    pub(super) fn of_ranges(ranges: &[[usize; 2]], elements: usize) -> Option<Self> {
        let apart = ranges.windows(2).all(|w| w[0][1] < w[1][0]);
        let within = ranges.iter().all(|[first, end]| first < end && *end <= elements);
        let ranges: Vec<Range<usize>> = ranges.iter().map(|&[first, end]| first..end).collect();
        (!ranges.is_empty() && apart && within).then_some(Self { ranges, elements })
    }

    /// The ranges as a file has them; none where all elements are read.
    pub(super) fn to_ranges(&self) -> Option<Vec<[usize; 2]>> {
        (!self.is_all()).then(|| self.ranges.iter().map(|r| [r.start, r.end]).collect())
    }

    /// Elements of an image, read or not.
    pub fn elements(&self) -> usize {
        self.elements
    }

    /// How many are read.
    pub fn count(&self) -> usize {
        self.ranges.iter().map(ExactSizeIterator::len).sum()
    }

    /// Whether all are.
    pub fn is_all(&self) -> bool {
        self.count() == self.elements
    }

    /// Their positions in an image, ascending.
    pub fn positions(&self) -> impl Iterator<Item = usize> {
        self.ranges.iter().cloned().flatten()
    }

    /// The elements that are read, of every image.
    ///
    /// # Errors
    /// [`Error::ImageSize`](crate::Error::ImageSize) if the images have another number of elements.
    pub fn of<'a>(&self, images: &'a ImageMajor<f32>) -> Result<Cow<'a, ImageMajor<f32>>> {
        if images.elements() != self.elements {
            let (found, expected) = (images.elements(), self.elements);
            return Err(crate::Error::ImageSize { operation: "reading images", found, expected });
        }
        if self.is_all() {
            return Ok(Cow::Borrowed(images));
        }
        let numbers = images.rows().flat_map(|image| self.positions().map(|e| image[e])).collect();
        Ok(Cow::Owned(ImageMajor::new(images.images(), self.count(), numbers)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_ranges_and_back() {
        let some = ReadElements::marked(&[false, true, true, false, true, false]);
        assert_eq!((some.count(), some.is_all()), (3, false));
        assert_eq!(some.positions().collect::<Vec<_>>(), [1, 2, 4]);
        let ranges = some.to_ranges().unwrap();
        assert_eq!(ranges, [[1, 3], [4, 5]]);
        assert_eq!(ReadElements::of_ranges(&ranges, 6), Some(some));
        assert_eq!(ReadElements::marked(&[true; 4]), ReadElements::all(4));
        assert_eq!(ReadElements::all(4).to_ranges(), None);
    }

    #[test]
    fn ranges_that_contradict_themselves_are_none() {
        for bad in [&[][..], &[[0, 0]], &[[2, 1]], &[[0, 7]], &[[0, 2], [2, 3]], &[[3, 4], [0, 1]], &[[0, 3], [1, 4]]] {
            assert_eq!(ReadElements::of_ranges(bad, 6), None, "{bad:?}");
        }
    }

    #[test]
    fn what_is_read_is_taken_of_every_image() {
        let images = ImageMajor::new(2, 3, vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        let some = ReadElements::marked(&[true, false, true]);
        assert_eq!(some.of(&images).unwrap().data(), [0.0, 2.0, 3.0, 5.0]);
        assert!(matches!(ReadElements::all(3).of(&images).unwrap(), Cow::Borrowed(_)));
        assert!(some.of(&ImageMajor::new(1, 2, vec![0.0; 2]).unwrap()).is_err());
    }
}
