//! Which folder holds which split and which class.

use std::path::{Path, PathBuf};

use super::listing::list;
use super::notes::{Notes, name_below};
use crate::error::Error;
use crate::split::Split;
use crate::warning::Warning;

/// Names of folders that hold splits.
const TRAIN: [&str; 1] = ["train"];
const VALIDATION: [&str; 2] = ["validation", "val"];
const TEST: [&str; 1] = ["test"];
/// Names of folders that probably were meant to.
const LIKE_SPLITS: [&str; 9] = ["train", "training", "val", "valid", "validation", "dev", "test", "testing", "eval"];

/// The folders of a set.
pub(super) struct Layout {
    /// Names of the classes, sorted.
    pub(super) classes: Vec<String>,
    /// Holds a folder for each class, as do the others.
    pub(super) training: PathBuf,
    pub(super) validation: Option<PathBuf>,
    pub(super) test: Option<PathBuf>,
}

/// The pictures of a split, class after class, sorted by name within a class.
pub(super) struct LabelledFiles {
    pub(super) files: Vec<PathBuf>,
    pub(super) labels: Vec<u8>,
}

/// Finds the folders below `root`, and notes what is left out beside them.
///
/// # Errors
/// A folder that cannot be read, pictures beside the folders of the classes, no class or more than
/// can be told apart, a class whose name is no text.
pub(super) fn find(root: &Path, notes: &mut Notes) -> Result<Layout, Error> {
    let mut listing = list(root)?;
    notes.left_out(&listing, |path| name_below(root, path));
    notes.faults.append(&mut listing.faults);
    let loose = |folder: &Path, pictures: &[PathBuf]| match pictures {
        [] => Ok(()),
        found => Err(Error::LooseImages { file: folder.to_owned(), found: found.len() }),
    };
    loose(root, &listing.pictures)?;
    let Some(training) = folder_among(&listing.folders, &TRAIN) else {
        let classes = classes(root, &listing.folders)?;
        let like_splits = |name: &String| LIKE_SPLITS.iter().any(|split| name.eq_ignore_ascii_case(split));
        let named: Vec<String> = classes.iter().filter(|name| like_splits(name)).cloned().collect();
        if !named.is_empty() {
            notes.warnings.push(Warning::NamedAsSplits { classes: named });
        }
        return Ok(Layout { classes, training: root.to_owned(), validation: None, test: None });
    };
    let (validation, test) = (folder_among(&listing.folders, &VALIDATION), folder_among(&listing.folders, &TEST));
    for folder in listing.folders {
        if ![Some(&training), validation.as_ref(), test.as_ref()].contains(&Some(&folder)) {
            notes.left_out_folder(format!("{}/", name_below(root, &folder)));
        }
    }
    let mut inside = list(&training)?;
    notes.left_out(&inside, |path| name_below(root, path));
    notes.faults.append(&mut inside.faults);
    loose(&training, &inside.pictures)?;
    Ok(Layout { classes: classes(&training, &inside.folders)?, training, validation, test })
}

impl LabelledFiles {
    /// Lists the pictures of `classes` in the folder of a split; the folders of the classes of
    /// other splits than training must be those of training.
    ///
    /// # Errors
    /// A folder that cannot be read, a class without a picture, an unknown class, pictures beside
    /// the classes.
    pub(super) fn list(
        root: &Path,
        folder: &Path,
        classes: &[String],
        split: Split,
        notes: &mut Notes,
    ) -> Result<Self, Error> {
        if split != Split::Train {
            let mut listing = list(folder)?;
            notes.left_out(&listing, |path| name_below(root, path));
            notes.faults.append(&mut listing.faults);
            if !listing.pictures.is_empty() {
                return Err(Error::LooseImages { file: folder.to_owned(), found: listing.pictures.len() });
            }
            let found = self::classes(folder, &listing.folders)?;
            if let Some(class) = found.iter().find(|class| !classes.contains(class)) {
                return Err(Error::UnknownClass { file: folder.to_owned(), class: class.clone() });
            }
        }
        let (mut files, mut labels) = (Vec::new(), Vec::new());
        for (label, class) in (0..=u8::MAX).zip(classes) {
            let path = folder.join(class);
            if !path.is_dir() {
                return Err(Error::MissingClass { file: folder.to_owned(), class: class.clone(), split });
            }
            let mut listing = list(&path)?;
            notes.left_out(&listing, |path| name_below(root, path));
            listing.refuse_folders("move them into the folder of the class");
            if listing.pictures.is_empty() && listing.faults.is_empty() {
                return Err(Error::EmptyFolder { file: path, expected: "at least one PNG or JPEG image" });
            }
            notes.faults.append(&mut listing.faults);
            labels.resize(labels.len() + listing.pictures.len(), label);
            files.append(&mut listing.pictures);
        }
        Ok(Self { files, labels })
    }
}

/// The first of `folders` that bears one of `names`, the exact name before others in case.
fn folder_among(folders: &[PathBuf], names: &[&str]) -> Option<PathBuf> {
    let named = |name: &str| {
        let is = |folder: &&PathBuf| folder.file_name().is_some_and(|found| found == name);
        let like = |folder: &&PathBuf| folder.file_name().is_some_and(|found| found.eq_ignore_ascii_case(name));
        folders.iter().find(is).or_else(|| folders.iter().find(like))
    };
    names.iter().find_map(|name| named(name)).cloned()
}

/// The names of the classes, whose folders are sorted.
fn classes(folder: &Path, folders: &[PathBuf]) -> Result<Vec<String>, Error> {
    let name = |path: &PathBuf| match path.file_name().and_then(|name| name.to_str()) {
        Some(name) => Ok(name.to_owned()),
        None => Err(Error::BadName { file: path.clone() }),
    };
    match folders.len() {
        0 => Err(Error::EmptyFolder { file: folder.to_owned(), expected: "one sub-folder of images per class" }),
        found @ 257.. => Err(Error::TooManyClasses { file: folder.to_owned(), found }),
        _ => folders.iter().map(name).collect(),
    }
}
