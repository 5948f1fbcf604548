//! Picture files that are in no data set: named one by one, or all of a folder.

use std::path::{Path, PathBuf};

use super::super::picture::{Conversion, check_shape};
use super::decode::decode;
use super::listing::list;
use super::notes::Notes;
use crate::error::Error;
use crate::images::Images;
use crate::path_text::path_text;
use crate::warning::Warning;

/// Pictures, and what to know about them.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Pictures {
    /// The images, each with the path of its file as its name. Their labels are 0: they are not
    /// known.
    pub images: Images,
    /// What was left out, and what may not be as it was meant.
    pub warnings: Vec<Warning>,
}

/// Reads PNG and JPEG files as pixels, stretched and converted to `shape`: channels (1 grey, 3
/// colour), height, width.
///
/// A folder among `paths` stands for the pictures in it, sorted by name. Hidden files in it and
/// files that are no pictures are left out with a warning, as in [`super::FolderSource`].
///
/// # Errors
/// A shape that no image can be converted to, files that cannot be read or are no whole pictures
/// (all of them), a folder in a folder, no picture at all.
pub fn read_pictures<P: AsRef<Path>>(paths: &[P], shape: [usize; 3]) -> Result<Pictures, Error> {
    let paths: Vec<&Path> = paths.iter().map(AsRef::as_ref).collect();
    let origin = match paths[..] {
        [path] => path,
        _ => Path::new("the pictures"),
    };
    check_shape(origin, shape)?;
    let (mut files, mut notes) = (Vec::<PathBuf>::new(), Notes::default());
    for path in paths {
        if path.is_dir() {
            let mut listing = list(path)?;
            listing.refuse_folders("name it itself to read those in it");
            notes.left_out(&listing, path_text);
            files.append(&mut listing.pictures);
            notes.faults.append(&mut listing.faults);
        } else {
            files.push(path.to_owned());
        }
    }
    let decoded = decode(&files, &Conversion { shape, resize: true }, path_text, &mut notes);
    Error::all_of(origin, std::mem::take(&mut notes.faults))?;
    if files.is_empty() {
        return Err(Error::EmptyFolder { file: origin.to_owned(), expected: "PNG or JPEG pictures" });
    }
    let images = Images::new(origin, shape, decoded.pixels, vec![0; files.len()])?.with_names(decoded.names);
    let warnings = notes.warnings(origin);
    warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    Ok(Pictures { images, warnings })
}
