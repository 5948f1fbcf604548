//! The shape of samples of numbers: rows, signals, images, and whatever else a description states.

use std::path::Path;

use super::pixel_scale::PixelScale;
use crate::channel_statistics::Ranges;
use crate::error::Error;

/// Checks that a row of `width` numbers fills a sample of `shape` (channels, height, width).
///
/// # Errors
/// Another number of numbers.
pub(crate) fn check_row_shape(path: &Path, width: usize, shape: [usize; 3]) -> Result<(), Error> {
    let numbers = shape.iter().try_fold(1_usize, |n, &side| n.checked_mul(side));
    if numbers == Some(width) && width > 0 {
        return Ok(());
    }
    let (found, expected) = (format!("{width} numbers in each sample"), format!("those of the shape {shape:?}"));
    Err(Error::table(path, "", found, expected, "correct \"shape\" (channels, height, width), or choose other columns"))
}

/// Checks what a description says of samples that are pixels.
///
/// # Errors
/// Pixels whose shape is not stated or which have ranges of their own.
pub(crate) fn check_pixels(
    pixels: Option<PixelScale>,
    shape: Option<[usize; 3]>,
    ranges: Option<&Ranges>,
) -> Result<(), Error> {
    match (pixels, shape, ranges) {
        (None, _, _) | (Some(_), Some(_), None) => Ok(()),
        (Some(_), None, _) => Err(Error::Spec(
            "found \"pixels\" without \"shape\", expected the channels, height and width of an image, as \
             \"shape\": [1, 28, 28]"
                .into(),
        )),
        (Some(_), Some(_), Some(_)) => Err(Error::Spec(
            "found \"pixels\" and \"ranges\", expected one of them: pixels are from black to white".into(),
        )),
    }
}

/// The names of channels: those of the columns, if each column is a channel.
pub(crate) fn channel_names(columns: Option<Vec<String>>, shape: [usize; 3]) -> Vec<String> {
    match columns {
        Some(names) if names.len() == shape[0] => names,
        // A channel has many columns, none of which names it.
        _ => Vec::new(),
    }
}
