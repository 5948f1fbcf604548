//! A folder of PNG or JPEG images per class, resized to one shape. What is no image is left out
//! with a warning, or an error where it should be one; all errors are told at once.

mod decode;
mod layout;
mod listing;
mod notes;
mod pictures;
mod survey;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::picture::{Conversion, check_shape, shape_of_file};
use crate::dataset::Dataset;
use crate::error::Error;
use crate::images::Images;
use crate::source::Source;
use crate::split::{HoldOut, Split};
use decode::{Decoded, decode};
use layout::{LabelledFiles, Layout};
use notes::{Notes, name_below};

pub use pictures::{Pictures, read_pictures};
pub use survey::{Survey, survey};

/// Where the images are and what they become.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FolderFiles {
    /// Holds one sub-folder per class, or `train`, `validation` (or `val`) and `test` folders that
    /// do.
    pub path: PathBuf,
    /// Channels (1 or 3), height, width every image is converted to (stretched, triangle filter).
    /// Without it, all images must have the same size and kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<[usize; 3]>,
}

/// A folder of images per class.
#[derive(Debug, Clone, PartialEq)]
pub struct FolderSource {
    /// Name of the set.
    pub name: String,
    /// Where it is.
    pub files: FolderFiles,
    /// What to hold out of training when there are no such folders.
    pub hold_out: HoldOut,
}

impl Source for FolderSource {
    fn load(&self) -> Result<Dataset, Error> {
        let FolderFiles { path, shape } = &self.files;
        if let Some(shape) = shape {
            check_shape(path, *shape)?;
        }
        let mut notes = Notes::default();
        let Layout { classes, training, validation, test } = layout::find(path, &mut notes)?;
        let training = LabelledFiles::list(path, &training, &classes, Split::Train, &mut notes)?;
        let mut other = |folder: Option<PathBuf>, split| {
            folder.map(|folder| LabelledFiles::list(path, &folder, &classes, split, &mut notes)).transpose()
        };
        let (validation, test) = (other(validation, Split::Validation)?, other(test, Split::Test)?);
        let target = match *shape {
            Some(shape) => Conversion { shape, resize: true },
            None => Conversion { shape: first_shape(path, &training.files, &mut notes)?, resize: false },
        };
        let mut decoded = |list: &LabelledFiles| decode(&list.files, &target, |f| name_below(path, f), &mut notes);
        let pictures = decoded(&training);
        let mut other = |list: Option<LabelledFiles>| list.map(|list| (decoded(&list), list.labels));
        let (validation, test) = (other(validation), other(test));
        Error::all_of(path, std::mem::take(&mut notes.faults))?;
        let images = |(decoded, labels): (Decoded, Vec<u8>)| -> Result<Images, Error> {
            Ok(Images::new(path, target.shape, decoded.pixels, labels)?.with_names(decoded.names))
        };
        let train = images((pictures, training.labels))?;
        let (validation, test) = (validation.map(images).transpose()?, test.map(images).transpose()?);
        let (train, test) = self.hold_out.part(path, train, test, Split::Test)?;
        let (train, validation) = self.hold_out.part(path, train, validation, Split::Validation)?;
        Ok(Dataset::new(&self.name, classes, train, validation, test)?.with_warnings(notes.warnings(path)))
    }
}

/// The shape of the first image that can be read, for all when none is configured.
fn first_shape(root: &Path, files: &[PathBuf], notes: &mut Notes) -> Result<[usize; 3], Error> {
    let mut faults = Vec::new();
    for file in files {
        match shape_of_file(file) {
            // Those before it are met again when all are decoded.
            Ok(shape) => return Ok(shape),
            Err(fault) => faults.push(fault),
        }
    }
    notes.faults.append(&mut faults);
    Error::all_of(root, std::mem::take(&mut notes.faults))?;
    Err(Error::NoImages { file: root.to_owned() })
}

#[cfg(test)]
mod tests;
