//! A folder of PNG or JPEG images per class, resized to one shape. A file that is no image is an
//! error, but for hidden files and the index files of desktops, which are no part of a data set.

mod survey;

use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::image_file::{Conversion, check_shape, pixels, stored_shape};
use crate::dataset::Dataset;
use crate::error::Error;
use crate::images::Images;
use crate::path_text::path_text;
use crate::source::Source;
use crate::split::{HoldOut, Split};

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
        let root = entries(path)?;
        let (training, validation, test) = match folder_among(&root, &["train"]) {
            Some(train) => (train, folder_among(&root, &["validation", "val"]), folder_among(&root, &["test"])),
            None => (path.as_path(), None, None),
        };
        let classes = classes(training)?;
        let target = match *shape {
            Some(shape) => Conversion { shape, resize: true },
            None => Conversion { shape: stored_shape(&first(training, &classes)?)?, resize: false },
        };
        let train = read(path, training, &classes, &target, Split::Train)?;
        let other = |folder: Option<&Path>, split| {
            folder.map(|folder| other(path, folder, &classes, &target, split)).transpose()
        };
        let (validation, test) = (other(validation, Split::Validation)?, other(test, Split::Test)?);
        let (train, test) = self.hold_out.part(path, train, test, Split::Test)?;
        let (train, validation) = self.hold_out.part(path, train, validation, Split::Validation)?;
        Dataset::new(&self.name, classes, train, validation, test)
    }
}

/// The first folder among `entries` that has one of the `names`.
fn folder_among<'a>(entries: &'a [PathBuf], names: &[&str]) -> Option<&'a Path> {
    let found = entries.iter().find(|entry| entry.is_dir() && names.iter().any(|name| entry.ends_with(name)));
    found.map(PathBuf::as_path)
}

/// The visible entries of a folder, sorted by name.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let error = |error| Error::io(folder, error);
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(error)? {
        let entry = entry.map_err(error)?;
        let name = entry.file_name();
        let desktop = name == "Thumbs.db" || name == "desktop.ini";
        if !desktop && !name.as_encoded_bytes().starts_with(b".") {
            entries.push(entry.path());
        }
    }
    entries.sort();
    Ok(entries)
}

/// The names of the sub-folders, sorted. Loose files beside them (a README, a licence) are no
/// classes.
fn classes(folder: &Path) -> Result<Vec<String>, Error> {
    let folders = entries(folder)?.into_iter().filter(|entry| entry.is_dir());
    let name = |path: PathBuf| match path.file_name().and_then(|name| name.to_str()) {
        Some(name) => Ok(name.to_owned()),
        None => Err(Error::BadName { file: path }),
    };
    let names = folders.map(name).collect::<Result<Vec<_>, _>>()?;
    match names.len() {
        0 => Err(Error::EmptyFolder { file: folder.to_owned(), expected: "one sub-folder of images per class" }),
        found @ 257.. => Err(Error::TooManyClasses { file: folder.to_owned(), found }),
        _ => Ok(names),
    }
}

/// A validation or test folder: it must have the classes of training, no more and no fewer.
fn other(root: &Path, folder: &Path, known: &[String], target: &Conversion, split: Split) -> Result<Images, Error> {
    let found = classes(folder)?;
    if let Some(class) = found.iter().find(|class| !known.contains(class)) {
        return Err(Error::UnknownClass { file: folder.to_owned(), class: class.clone() });
    }
    read(root, folder, known, target, split)
}

/// All images below `folder`, class after class, sorted by file name within a class; their names
/// are the paths below `root`.
fn read(root: &Path, folder: &Path, classes: &[String], target: &Conversion, split: Split) -> Result<Images, Error> {
    let mut files = Vec::new();
    for (label, class) in (0..=u8::MAX).zip(classes) {
        let path = folder.join(class);
        if !path.is_dir() {
            return Err(Error::MissingClass { file: folder.to_owned(), class: class.clone(), split });
        }
        files.extend(files_of(&path)?.into_iter().map(|file| (file, label)));
    }
    let images = files.par_iter().map(|(file, _)| pixels(file, target)).collect::<Result<Vec<_>, _>>()?;
    let names = files.iter().map(|(file, _)| path_text(file.strip_prefix(root).unwrap_or(file))).collect();
    let labels = files.into_iter().map(|(_, label)| label).collect();
    Ok(Images::new(folder, target.shape, images.concat(), labels)?.with_names(names))
}

/// The images of one class; none is an error.
fn files_of(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let found = entries(folder)?;
    if found.is_empty() {
        return Err(Error::EmptyFolder { file: folder.to_owned(), expected: "at least one PNG or JPEG image" });
    }
    Ok(found)
}

/// The image that sets the shape when none is configured; there is a class, and an image of each.
fn first(folder: &Path, classes: &[String]) -> Result<PathBuf, Error> {
    Ok(files_of(&folder.join(&classes[0]))?.swap_remove(0))
}

#[cfg(test)]
mod tests;
