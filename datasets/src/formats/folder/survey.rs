//! What is in a folder of images, before deciding what to make of it. No pixels are kept.

use std::collections::BTreeMap;
use std::path::Path;

use rayon::prelude::*;

use super::super::image_file::size_and_colour;
use super::{classes, entries, files_of, folder_among};
use crate::error::Error;

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
/// classes, a file that is no PNG or JPEG image.
pub fn survey(folder: &Path) -> Result<Survey, Error> {
    let root = entries(folder)?;
    let train = folder_among(&root, &["train"]);
    let training = train.unwrap_or(folder);
    let loose = entries(training)?.into_iter().filter(|e| e.is_file() && has_image_extension(e)).count();
    if loose > 0 {
        return Err(Error::LooseImages { file: training.to_owned(), found: loose });
    }
    let names = classes(training)?;
    if let [class] = names.as_slice() {
        return Err(Error::OneClass { file: training.to_owned(), class: class.clone() });
    }
    let mut files = Vec::new();
    let mut counted = Vec::new();
    for name in names {
        let of_class = files_of(&training.join(&name))?;
        counted.push((name, of_class.len()));
        files.extend(of_class);
    }
    let seen = files.par_iter().map(|file| size_and_colour(file)).collect::<Result<Vec<_>, _>>()?;
    let mut sizes: BTreeMap<[usize; 2], usize> = BTreeMap::new();
    for (size, _) in &seen {
        *sizes.entry(*size).or_default() += 1;
    }
    let mut sizes: Vec<_> = sizes.into_iter().collect();
    sizes.sort_by_key(|(size, count)| (std::cmp::Reverse(*count), *size));
    Ok(Survey {
        classes: counted,
        sizes,
        colour: seen.iter().filter(|(_, colour)| *colour).count(),
        validation: train.is_some() && folder_among(&root, &["validation", "val"]).is_some(),
        test: train.is_some() && folder_among(&root, &["test"]).is_some(),
    })
}

/// Whether the name says that it is an image.
fn has_image_extension(file: &Path) -> bool {
    let extension = file.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    matches!(extension.as_str(), "png" | "jpg" | "jpeg")
}
