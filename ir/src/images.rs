//! Numbers of several images in one block, with a type that says which axis comes first: networks
//! and people take image after image, ciphertexts hold one element of all images each.

use serde::{Serialize, Serializer};

use crate::{Error, Result};

/// Numbers in the order `[image][element]`: pixels or logits, one image after the other.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageMajor<T> {
    elements: usize,
    block: Block<T>,
}

/// Numbers in the order `[element][image]`: for each pixel, or each output, the values of all
/// images.
#[derive(Debug, Clone, PartialEq)]
pub struct ElementMajor<T> {
    images: usize,
    block: Block<T>,
}

impl<T> ImageMajor<T> {
    /// Takes `images * elements` numbers, image after image.
    ///
    /// # Errors
    /// Refuses another number of numbers.
    pub fn new(images: usize, elements: usize, data: Vec<T>) -> Result<Self> {
        Ok(Self { elements, block: Block::new(images, elements, data)? })
    }

    /// Number of images.
    pub fn images(&self) -> usize {
        self.block.rows
    }

    /// Numbers of one image.
    pub fn elements(&self) -> usize {
        self.elements
    }

    /// The elements of image `i`, which must be below [`Self::images`].
    pub fn image(&self, i: usize) -> &[T] {
        self.block.row(i, self.elements)
    }

    /// The elements of one image after the other.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[T]> {
        (0..self.images()).map(|i| self.image(i))
    }

    /// All numbers, `[image][element]`.
    pub fn data(&self) -> &[T] {
        &self.block.data
    }

    /// All numbers, `[image][element]`, without a copy.
    pub fn into_data(self) -> Vec<T> {
        self.block.data
    }

    /// Applies `f` to every number.
    pub fn map<U>(&self, f: impl FnMut(&T) -> U) -> ImageMajor<U> {
        ImageMajor { elements: self.elements, block: self.block.map(f) }
    }
}

impl<T: Copy> ImageMajor<T> {
    /// Copies rows of `elements` numbers each, one per image.
    ///
    /// # Errors
    /// Refuses a row of another length.
    pub fn from_rows<R: AsRef<[T]>>(elements: usize, rows: impl IntoIterator<Item = R>) -> Result<Self> {
        Ok(Self { elements, block: Block::from_rows(elements, rows)? })
    }

    /// The same numbers, `[element][image]`.
    pub fn to_element_major(&self) -> ElementMajor<T> {
        ElementMajor { images: self.images(), block: self.block.transposed(self.elements) }
    }
}

impl<T> ElementMajor<T> {
    /// Takes `elements * images` numbers, element after element.
    ///
    /// # Errors
    /// Refuses another number of numbers.
    pub fn new(elements: usize, images: usize, data: Vec<T>) -> Result<Self> {
        Ok(Self { images, block: Block::new(elements, images, data)? })
    }

    /// Number of images.
    pub fn images(&self) -> usize {
        self.images
    }

    /// Numbers of one image.
    pub fn elements(&self) -> usize {
        self.block.rows
    }

    /// Element `e` of all images; `e` must be below [`Self::elements`].
    pub fn element(&self, e: usize) -> &[T] {
        self.block.row(e, self.images)
    }

    /// The values of one element after the other, each of all images.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[T]> {
        (0..self.elements()).map(|e| self.element(e))
    }

    /// All numbers, `[element][image]`.
    pub fn data(&self) -> &[T] {
        &self.block.data
    }

    /// All numbers, `[element][image]`, to be changed.
    pub fn data_mut(&mut self) -> &mut [T] {
        &mut self.block.data
    }

    /// Element `e` of all images, to be changed; `e` must be below [`Self::elements`].
    pub fn element_mut(&mut self, e: usize) -> &mut [T] {
        assert!(e < self.elements(), "element {e} of {}", self.elements());
        &mut self.block.data[e * self.images..(e + 1) * self.images]
    }

    /// The values of one element after the other, each of all images, to be changed.
    pub fn rows_mut(&mut self) -> impl ExactSizeIterator<Item = &mut [T]> {
        let (images, mut rest) = (self.images, self.block.data.as_mut_slice());
        (0..self.block.rows).map(move |_| {
            let (row, after) = std::mem::take(&mut rest).split_at_mut(images);
            rest = after;
            row
        })
    }

    /// Applies `f` to every number.
    pub fn map<U>(&self, f: impl FnMut(&T) -> U) -> ElementMajor<U> {
        ElementMajor { images: self.images, block: self.block.map(f) }
    }
}

impl<T: Copy> ElementMajor<T> {
    /// Makes `elements * images` numbers that are all `value`.
    pub fn filled(elements: usize, images: usize, value: T) -> Self {
        Self { images, block: Block { rows: elements, data: vec![value; elements * images] } }
    }

    /// Copies rows of `images` numbers each, one per element.
    ///
    /// # Errors
    /// Refuses a row of another length.
    pub fn from_rows<R: AsRef<[T]>>(images: usize, rows: impl IntoIterator<Item = R>) -> Result<Self> {
        Ok(Self { images, block: Block::from_rows(images, rows)? })
    }

    /// The same numbers, `[image][element]`.
    pub fn to_image_major(&self) -> ImageMajor<T> {
        ImageMajor { elements: self.elements(), block: self.block.transposed(self.images) }
    }
}

/// Writes one list per image.
impl<T: Serialize> Serialize for ImageMajor<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_seq(self.rows())
    }
}

/// Rows of one length; the owner knows that length.
#[derive(Debug, Clone, PartialEq)]
struct Block<T> {
    rows: usize,
    data: Vec<T>,
}

impl<T> Block<T> {
    fn new(rows: usize, width: usize, data: Vec<T>) -> Result<Self> {
        let expected = rows.saturating_mul(width);
        if expected != data.len() {
            return Err(length(data.len(), expected));
        }
        Ok(Self { rows, data })
    }

    fn row(&self, r: usize, width: usize) -> &[T] {
        assert!(r < self.rows, "row {r} of {}", self.rows);
        &self.data[r * width..(r + 1) * width]
    }

    fn map<U>(&self, f: impl FnMut(&T) -> U) -> Block<U> {
        Block { rows: self.rows, data: self.data.iter().map(f).collect() }
    }
}

impl<T: Copy> Block<T> {
    fn from_rows<R: AsRef<[T]>>(width: usize, rows: impl IntoIterator<Item = R>) -> Result<Self> {
        let mut block = Self { rows: 0, data: Vec::new() };
        for row in rows {
            let row = row.as_ref();
            if row.len() != width {
                return Err(length(row.len(), width));
            }
            block.data.extend_from_slice(row);
            block.rows += 1;
        }
        Ok(block)
    }

    fn transposed(&self, width: usize) -> Self {
        let mut data = Vec::with_capacity(self.data.len());
        for column in 0..width {
            data.extend((0..self.rows).map(|r| self.data[r * width + column]));
        }
        Self { rows: width, data }
    }
}

fn length(found: usize, expected: usize) -> Error {
    Error::Length { operation: "arranging images", found, expected }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_order_holds_the_same_numbers() {
        let images = ImageMajor::from_rows(3, [[1, 2, 3], [4, 5, 6]]).unwrap();
        let elements = images.to_element_major();
        assert_eq!((images.images(), images.elements()), (2, 3));
        assert_eq!((elements.images(), elements.elements()), (2, 3));
        assert_eq!(elements.data(), [1, 4, 2, 5, 3, 6]);
        assert_eq!((images.image(1), elements.element(2)), (&[4, 5, 6][..], &[3, 6][..]));
        assert_eq!(elements.to_image_major(), images);
        assert_eq!(images, ImageMajor::new(2, 3, vec![1, 2, 3, 4, 5, 6]).unwrap());
        assert_eq!(images.clone().into_data(), images.data());
        assert_eq!(serde_json::to_string(&images).unwrap(), "[[1,2,3],[4,5,6]]");
    }

    #[test]
    fn elements_are_changed_where_they_lie() {
        let mut values = ElementMajor::filled(2, 3, 1);
        values.element_mut(1)[2] = 7;
        values.rows_mut().enumerate().for_each(|(e, row)| row[0] = 10 * e);
        assert_eq!(values.data(), [0, 1, 1, 10, 1, 7]);
        assert_eq!(ElementMajor::filled(4, 0, 1).rows_mut().len(), 4);
    }

    #[test]
    fn lengths_that_do_not_fit_are_refused() {
        assert!(ImageMajor::new(2, 3, vec![0; 5]).is_err());
        assert!(ElementMajor::new(usize::MAX, 2, vec![0; 5]).is_err());
        assert!(ImageMajor::from_rows(2, [vec![1, 2], vec![3]]).is_err());
    }

    #[test]
    fn no_image_still_has_its_elements() {
        let none = ImageMajor::<f32>::new(0, 4, Vec::new()).unwrap().to_element_major();
        assert_eq!((none.images(), none.elements(), none.rows().count()), (0, 4, 4));
        assert_eq!((none.to_image_major().images(), none.to_image_major().elements()), (0, 4));
    }
}
