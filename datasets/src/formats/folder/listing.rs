//! What is in a folder of pictures: one rule for training and for encryption. What a file is, its
//! content says before its name.

use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::super::picture::{Kind, not_an_image, start};
use crate::error::Error;

/// The entries of a folder, each sorted by name.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Folders, and links to folders.
    pub(crate) folders: Vec<PathBuf>,
    /// PNG and JPEG files by their content.
    pub(crate) pictures: Vec<PathBuf>,
    /// Files that are no pictures, neither by content nor by name.
    pub(crate) others: Vec<PathBuf>,
    /// Hidden entries and the index files of desktops, whatever they hold.
    pub(crate) hidden: Vec<PathBuf>,
    /// What should be a picture and is none that can be read.
    pub(crate) faults: Vec<Error>,
}

/// What an entry is.
enum Entry {
    Folder,
    Picture,
    Other,
    Hidden,
}

/// Looks at the entries of a folder, not below.
///
/// # Errors
/// A folder that cannot be read; what is wrong with its files is in the listing.
pub(crate) fn list(folder: &Path) -> Result<Listing, Error> {
    let error = |error| Error::io(folder, error);
    let entries = fs::read_dir(folder).map_err(error)?.map(|entry| entry.map(|entry| entry.path()));
    let mut paths = entries.collect::<Result<Vec<_>, _>>().map_err(error)?;
    paths.sort();
    let kinds: Vec<_> = paths.par_iter().map(|path| look(path)).collect();
    let mut listing = Listing::default();
    for (path, kind) in paths.into_iter().zip(kinds) {
        match kind {
            Ok(Entry::Folder) => listing.folders.push(path),
            Ok(Entry::Picture) => listing.pictures.push(path),
            Ok(Entry::Other) => listing.others.push(path),
            Ok(Entry::Hidden) => listing.hidden.push(path),
            Err(fault) => listing.faults.push(fault),
        }
    }
    Ok(listing)
}

impl Listing {
    /// A sub-folder where only pictures should be is a fault of its own.
    pub(crate) fn refuse_folders(&mut self, remedy: &'static str) {
        self.faults.extend(self.folders.drain(..).map(|file| Error::FolderAmongPictures { file, remedy }));
    }
}

fn look(path: &Path) -> Result<Entry, Error> {
    if is_hidden(path) {
        return Ok(Entry::Hidden);
    }
    let metadata = path.metadata().map_err(|error| Error::io(path, error))?;
    if metadata.is_dir() {
        return Ok(Entry::Folder);
    }
    let start = start(path)?;
    match Kind::of(path, &start) {
        Kind::Png | Kind::Jpeg => Ok(Entry::Picture),
        Kind::NoPicture => Ok(Entry::Other),
        Kind::OtherPicture(found) => Err(Error::OtherFormat { file: path.to_owned(), found }),
        Kind::CalledPicture if start.is_empty() => Err(not_an_image(path, "it is empty")),
        Kind::CalledPicture => Err(not_an_image(path, "its first bytes are of no known format")),
    }
}

/// Whether an entry is no part of a data set by its name: hidden (AppleDouble files among them), or
/// an index file or folder of a desktop, an archiver or a storage device.
fn is_hidden(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    let indices = ["thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir", "icon\r"];
    name.as_encoded_bytes().starts_with(b".") || indices.iter().any(|index| name.eq_ignore_ascii_case(index))
}
