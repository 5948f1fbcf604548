//! The one trait of all formats.

use crate::dataset::Dataset;
use crate::error::Error;
use crate::loaded_split::LoadedSplit;
use crate::split::Split;

/// Something a data set can be read from.
pub trait Source {
    /// Reads all images and labels.
    ///
    /// # Errors
    /// Whatever is wrong with a file; the error names it.
    fn load(&self) -> Result<Dataset, Error>;

    /// Reads one split. A format whose splits are files of their own reads no other, and takes
    /// images without labels.
    ///
    /// # Errors
    /// As [`Self::load`], of what it reads.
    fn load_split(&self, split: Split) -> Result<LoadedSplit, Error> {
        Ok(LoadedSplit::of(&self.load()?, split))
    }
}
