//! The named sets: what they are, where they are published, under which licence, and where they are
//! on this machine.

mod embedded;
mod entries;
mod locate;
mod resolve;

use crate::error::Error;
use entries::ENTRIES;

pub use embedded::{embedded, embedded_bytes};
pub use locate::{FileStatus, Located, locate};
pub(crate) use resolve::resolve;

/// A named set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Name in configurations.
    pub name: &'static str,
    /// One or two sentences.
    pub description: &'static str,
    /// Names of the classes, in the order of the labels.
    pub classes: &'static [&'static str],
    /// Channels, height, width.
    pub shape: [usize; 3],
    /// Images per published split.
    pub sizes: Sizes,
    /// Folders below a root where the files may be, in order; `""` is the root itself.
    pub folders: &'static [&'static str],
    /// The files, in the order in which the reader wants them.
    pub files: &'static [PublicFile],
    /// Licence, as far as the authors state one.
    pub licence: &'static str,
    /// What to cite.
    pub citation: &'static str,
    /// What else to know about getting the files; may be empty.
    pub note: &'static str,
}

/// Numbers of images as published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Training.
    pub train: usize,
    /// Validation; `None` when it is held out of training.
    pub validation: Option<usize>,
    /// Test.
    pub test: usize,
}

/// A file of a named set and where it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicFile {
    /// File names accepted, in order of preference.
    pub names: &'static [&'static str],
    /// Public address of the file, or of the archive that holds it.
    pub address: &'static str,
    /// Size of what the address gives, in bytes, where known.
    pub bytes: Option<u64>,
    /// SHA-256 of what the address gives, where known.
    pub sha256: Option<&'static str>,
    /// MD5 of what the address gives, where published.
    pub md5: Option<&'static str>,
}

impl Entry {
    pub(crate) fn class_names(&self) -> Vec<String> {
        self.classes.iter().map(|&class| class.to_owned()).collect()
    }
}

/// Returns all named sets.
pub fn catalogue() -> &'static [Entry] {
    ENTRIES
}

/// Finds the named set `name`.
///
/// # Errors
/// `UnknownSet`, with the names that exist.
pub fn entry(name: &str) -> Result<&'static Entry, Error> {
    ENTRIES.iter().find(|entry| entry.name == name).ok_or_else(|| Error::UnknownSet {
        name: name.to_owned(),
        known: ENTRIES.iter().map(|entry| entry.name).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_complete_and_well_formed() {
        let names: Vec<&str> = catalogue().iter().map(|entry| entry.name).collect();
        assert_eq!(names, ["pneumoniamnist", "mnist", "fashion-mnist", "cifar-10", "mednist"]);
        for entry in catalogue() {
            assert!(!entry.licence.is_empty() && !entry.citation.is_empty() && !entry.description.is_empty());
            assert!(entry.folders.contains(&entry.name));
            for file in entry.files {
                assert!(file.address.starts_with("http") && !file.names.is_empty());
                assert!(file.sha256.is_none_or(|sum| sum.len() == 64), "{}", file.address);
                assert!(file.md5.is_none_or(|sum| sum.len() == 32), "{}", file.address);
            }
        }
    }

    #[test]
    fn unknown_names_list_the_known() {
        let error = entry("imagenet").unwrap_err().to_string();
        assert!(error.contains("imagenet") && error.contains("fashion-mnist"), "{error}");
    }
}
