//! The one trait of all formats.

use crate::dataset::Dataset;
use crate::error::Error;

/// Something a data set can be read from.
pub trait Source {
    /// Reads all images and labels.
    ///
    /// # Errors
    /// Whatever is wrong with a file; the error names it.
    fn load(&self) -> Result<Dataset, Error>;
}
