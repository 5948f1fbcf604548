//! What is in a folder of images, before deciding what to make of it. No pixels are kept.

use std::collections::BTreeMap;
use std::path::Path;

use rayon::prelude::*;

use super::super::picture::size_and_colour;
use super::layout::{self, LabelledFiles, Layout};
use super::notes::Notes;
use crate::error::Error;
use crate::images::histogram;
use crate::split::Split;

/// What a folder of images per class holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// Name and number of training images of each class, sorted by name.
    pub classes: Vec<(String, usize)>,
    /// Height, width and how many training images have them, the most common first.
    pub sizes: Vec<([usize; 2], usize)>,
    /// Training images with a pixel that is not grey.
    pub colour: usize,
    /// Whether the folder has validation images of its own.
    pub validation: bool,
    /// Whether the folder has test images of its own.
    pub test: bool,
}

impl Survey {
    /// Returns the number of training images.
    pub fn images(&self) -> usize {
        self.classes.iter().map(|c| c.1).sum()
    }
}

/// Decodes every training image below `folder` (laid out as [`super::FolderFiles`] says) and
/// counts.
///
/// # Errors
/// A folder without images or with a single class, images that lie beside the folders of the
/// classes, files that are no whole PNG or JPEG images (all of them).
pub fn survey(folder: &Path) -> Result<Survey, Error> {
    let mut notes = Notes::default();
    let Layout { classes, training, validation, test } = layout::find(folder, &mut notes)?;
    if let [class] = classes.as_slice() {
        return Err(Error::OneClass { file: training, class: class.clone() });
    }
    let LabelledFiles { files, labels } = LabelledFiles::list(folder, &training, &classes, Split::Train, &mut notes)?;
    let looked: Vec<_> = files.par_iter().map(|file| size_and_colour(file)).collect();
    let mut seen = Vec::new();
    for found in looked {
        match found {
            Ok(found) => seen.push(found),
            Err(fault) => notes.faults.push(fault),
        }
    }
    Error::all_of(folder, notes.faults)?;
    let counts = histogram(&labels).map(|count| count as usize);
    let mut sizes: BTreeMap<[usize; 2], usize> = BTreeMap::new();
    for (size, _) in &seen {
        *sizes.entry(*size).or_default() += 1;
    }
    let mut sizes: Vec<_> = sizes.into_iter().collect();
    sizes.sort_by_key(|(size, count)| (std::cmp::Reverse(*count), *size));
    Ok(Survey {
        classes: classes.into_iter().zip(counts).collect(),
        sizes,
        colour: seen.iter().filter(|(_, colour)| *colour).count(),
        validation: validation.is_some(),
        test: test.is_some(),
    })
}
