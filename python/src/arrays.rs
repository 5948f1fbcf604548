//! Arrays of NumPy as images, a batch at a time, and results as arrays without a copy.

use std::borrow::Cow;
use std::ops::Range;

use beaa::{Error, ImageMajor, ImageSource, Model, Signature};
use numpy::{IntoPyArray, PyArray2, PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn, PyUntypedArrayMethods};
use pyo3::prelude::*;

use crate::errors::refusal;

/// Numbers of images as Python has them: borrowed, not copied.
pub(crate) enum Numbers<'py> {
    Pixels(PyReadonlyArrayDyn<'py, u8>),
    Floats(PyReadonlyArrayDyn<'py, f32>),
}

/// What says how numbers are normalised: a network, or a program's signature.
pub(crate) trait Normalises: Sync {
    fn pixels(&self, pixels: &ImageMajor<u8>) -> beaa::Result<ImageMajor<f32>>;
    fn reals(&self, samples: &ImageMajor<f32>) -> beaa::Result<ImageMajor<f32>>;
    fn takes_reals(&self) -> bool;
    fn image_shape(&self) -> [usize; 3];
}

macro_rules! normalises {
    ($($type:ty),*) => {$(
        impl Normalises for $type {
            fn pixels(&self, pixels: &ImageMajor<u8>) -> beaa::Result<ImageMajor<f32>> {
                self.normalise(pixels)
            }

            fn reals(&self, samples: &ImageMajor<f32>) -> beaa::Result<ImageMajor<f32>> {
                self.normalise_reals(samples)
            }

            fn takes_reals(&self) -> bool {
                <$type>::takes_reals(self)
            }

            fn image_shape(&self) -> [usize; 3] {
                <$type>::image_shape(self)
            }
        }
    )*};
}

normalises!(Model, Signature);

/// The numbers of `images`: whatever NumPy makes an array of, tensors of PyTorch included.
///
/// # Errors
/// If they are neither bytes nor floats, or have no axis of images.
pub(crate) fn numbers<'py>(images: &Bound<'py, PyAny>) -> PyResult<Numbers<'py>> {
    let py = images.py();
    let array = py.import("beaa._arrays")?.call_method1("numbers", (images,))?;
    let numbers = match array.cast::<PyArrayDyn<u8>>() {
        Ok(pixels) => Numbers::Pixels(pixels.readonly()),
        Err(_) => Numbers::Floats(array.cast::<PyArrayDyn<f32>>()?.readonly()),
    };
    if numbers.shape().len() < 2 {
        let found = format!("an array of {} axes", numbers.shape().len());
        let remedy = "add the axis of images: a single one is x[None]";
        return Err(refusal(
            py,
            "SizeError",
            ["taking images", &found, "one axis of images and those of an image", remedy],
        ));
    }
    Ok(numbers)
}

impl Numbers<'_> {
    fn shape(&self) -> &[usize] {
        match self {
            Self::Pixels(pixels) => pixels.shape(),
            Self::Floats(floats) => floats.shape(),
        }
    }

    /// The images, to be read a batch at a time and normalised as `input` says; floats of a network
    /// of pixels are normalised already, and so are all others if `normalised` says so.
    ///
    /// # Errors
    /// If an image has other axes than `input` takes; if the numbers do not lie one behind the
    /// other, which `numbers` has seen to.
    pub(crate) fn source<'a>(
        &'a self,
        py: Python<'_>,
        input: &'a dyn Normalises,
        normalised: bool,
    ) -> PyResult<ImageArray<'a>> {
        expect_shape(py, &self.shape()[1..], input.image_shape())?;
        let (images, elements) = (self.shape()[0], self.shape()[1..].iter().product());
        let numbers = match self {
            Self::Pixels(pixels) => Slice::Pixels(pixels.as_slice()?),
            Self::Floats(floats) if input.takes_reals() && !normalised => Slice::Measured(floats.as_slice()?),
            Self::Floats(floats) => Slice::Normalised(floats.as_slice()?),
        };
        Ok(ImageArray { images, elements, numbers, input })
    }
}

/// Refuses images whose axes are not channel, row and column. As many numbers in another order are
/// another image. Without axes of length 1, or with all numbers on one axis, the order is the same.
fn expect_shape(py: Python<'_>, found: &[usize], expected: [usize; 3]) -> PyResult<()> {
    let numbers: usize = expected.iter().product();
    let short: Vec<usize> = expected.iter().copied().filter(|&n| n != 1).collect();
    if found == expected || found == [numbers] || found == short {
        return Ok(());
    }
    let sorted = |shape: &[usize]| {
        let mut sorted = shape.to_vec();
        sorted.sort_unstable();
        sorted
    };
    let remedy = match found {
        &[rows, columns, channels] if [channels, rows, columns] == expected => {
            "channels come first: x.transpose(0, 3, 1, 2)"
        }
        _ if sorted(found) == sorted(&expected) => "bring the axes into this order with x.transpose(...)",
        _ => "crop or resize images to what the network was trained on",
    };
    let [channels, rows, columns] = expected;
    let (found, expected) = (
        format!("images of shape {found:?}"),
        format!("{channels} x {rows} x {columns} (channels, rows, columns), or their {numbers} numbers on one axis"),
    );
    Err(refusal(py, "SizeError", ["taking images", &found, &expected, remedy]))
}

/// Images in an array of NumPy.
pub(crate) struct ImageArray<'a> {
    images: usize,
    elements: usize,
    numbers: Slice<'a>,
    input: &'a dyn Normalises,
}

enum Slice<'a> {
    Pixels(&'a [u8]),
    Measured(&'a [f32]),
    Normalised(&'a [f32]),
}

impl ImageArray<'_> {
    /// Some of the images, or as many of them as there are.
    ///
    /// # Errors
    /// If they are not of the network's size or kind.
    pub(crate) fn first(&self, most: usize) -> beaa::Result<ImageMajor<f32>> {
        Ok(self.read(0..self.images.min(most))?.into_owned())
    }
}

impl ImageSource for ImageArray<'_> {
    type Error = Error;

    fn images(&self) -> usize {
        self.images
    }

    fn read(&self, images: Range<usize>) -> beaa::Result<Cow<'_, ImageMajor<f32>>> {
        let (count, start) = (images.len(), images.start);
        let numbers = images.start * self.elements..images.end * self.elements;
        let read = match self.numbers {
            Slice::Pixels(all) => self.input.pixels(&ImageMajor::new(count, self.elements, all[numbers].to_vec())?),
            Slice::Measured(all) => self.input.reals(&ImageMajor::new(count, self.elements, all[numbers].to_vec())?),
            Slice::Normalised(all) => Ok(ImageMajor::new(count, self.elements, all[numbers].to_vec())?),
        };
        read.map(Cow::Owned).map_err(|error| match error {
            Error::OutOfRange { sample, channel, value, min, max } => {
                Error::OutOfRange { sample: start + sample, channel, value, min, max }
            }
            other => other,
        })
    }
}

/// Rows of numbers as an array of NumPy, which takes them over.
///
/// # Errors
/// If NumPy cannot make it.
pub(crate) fn array<'py>(py: Python<'py>, rows: ImageMajor<f64>) -> PyResult<Bound<'py, PyArray2<f64>>> {
    let shape = [rows.images(), rows.elements()];
    rows.into_data().into_pyarray(py).reshape(shape)
}
