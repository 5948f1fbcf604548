//! Many pictures at once, one after the other in memory.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::super::picture::{Conversion, pixels};
use super::notes::Notes;
use crate::bounded_reader::afford;
use crate::error::Error;

/// Pictures of one shape, without those that could not be read.
#[derive(Default)]
pub(super) struct Decoded {
    /// The pixels, picture after picture.
    pub(super) pixels: Vec<u8>,
    /// The name of each.
    pub(super) names: Vec<String>,
}

/// Refuses to decode so many files of a folder where there is less memory than their pixels take.
///
/// # Errors
/// [`Error::Memory`] with both numbers.
pub(super) fn afford_all(folder: &Path, files: usize, target: &Conversion) -> Result<(), Error> {
    let each = target.shape.iter().fold(1_u64, |n, &side| n.saturating_mul(side as u64));
    afford(folder, each.saturating_mul(files as u64))
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
