//! What a reader is.

use anyhow::Result;

use crate::mutate::Structure;
use crate::scratch::Scratch;

/// A reader.
pub struct Reader {
    /// Its name, that of the folder of its good files.
    pub name: &'static str,
    /// What is known of its files.
    pub structure: Structure,
    /// Whether every bit of a file is covered by a checksum.
    pub checked: bool,
    /// Where good files come from.
    pub good: Good,
    /// Reads a file and uses what is in it. Refused files are errors; nothing else may happen.
    pub read: fn(&Scratch, &[u8]) -> Result<()>,
    /// Inputs of the usual campaign.
    pub inputs: u32,
}

/// Where the good files of a reader come from, which are changed.
#[derive(Clone, Copy)]
pub enum Good {
    /// Those in its folder of fuzz/seeds, and these, relative to the root of the repository: a
    /// file, or all files of a folder with an extension.
    Files(&'static [(&'static str, &'static str)]),
    /// These.
    Fixed(&'static [&'static [u8]]),
    /// Those that are too large to be kept.
    Made(fn() -> Result<Vec<Vec<u8>>>),
}
