//! Many pictures at once, one after the other in memory.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::super::picture::{Conversion, pixels};
use super::notes::Notes;

/// Pictures of one shape, without those that could not be read.
#[derive(Default)]
pub(super) struct Decoded {
    /// The pixels, picture after picture.
    pub(super) pixels: Vec<u8>,
    /// The name of each.
    pub(super) names: Vec<String>,
}

/// Decodes all files, and notes their grey levels and what is wrong with them.
pub(super) fn decode(
    files: &[PathBuf],
    target: &Conversion,
    name: impl Fn(&Path) -> String,
    notes: &mut Notes,
) -> Decoded {
    let pictures: Vec<_> = files.par_iter().map(|file| pixels(file, target)).collect();
    let mut decoded = Decoded::default();
    for (file, picture) in files.iter().zip(pictures) {
        match picture {
            Ok(picture) => {
                let name = name(file);
                notes.levels(&name, picture.levels);
                decoded.pixels.extend(picture.pixels);
                decoded.names.push(name);
            }
            Err(fault) => notes.faults.push(fault),
        }
    }
    decoded
}
