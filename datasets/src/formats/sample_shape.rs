//! The shape of samples of real numbers: rows, signals, and whatever else a description states.

use std::path::Path;

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

/// The names of channels: those of the columns, if each column is a channel.
pub(crate) fn channel_names(columns: Option<Vec<String>>, shape: [usize; 3]) -> Vec<String> {
    match columns {
        Some(names) if names.len() == shape[0] => names,
        // A channel has many columns, none of which names it.
        _ => Vec::new(),
    }
}
