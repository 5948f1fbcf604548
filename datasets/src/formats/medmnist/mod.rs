//! MedMNIST `.npz` archives (Yang et al. 2023): grey N x H x W or colour N x H x W x 3, unsigned
//! bytes, labels N x 1. The archives carry their three splits.

use std::io::{BufReader, Read, Seek};
use std::path::{Path, PathBuf};

use beaa_base::input;
use serde::{Deserialize, Serialize};

use super::npy::{Archive, ByteArray};
use crate::classes::Classes;
use crate::dataset::{Dataset, check_labels};
use crate::error::Error;
use crate::images::Images;
use crate::source::Source;

/// Images wider or higher than this are refused (MedMNIST+ goes up to 224).
const LARGEST_SIDE: u64 = 1 << 14;

/// An archive and the names of its classes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MedMnistFile {
    /// The `.npz` file.
    pub file: PathBuf,
    /// Names of the classes; digits when there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<Classes>,
}

/// A MedMNIST archive on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MedMnistSource {
    /// Name of the set.
    pub name: String,
    /// Its file.
    pub file: MedMnistFile,
}

impl Source for MedMnistSource {
    fn load(&self) -> Result<Dataset, Error> {
        let path = &self.file.file;
        let file = input::open("reading", path).map_err(Error::path)?;
        read(&self.name, path, BufReader::new(file), self.file.classes.as_ref())
    }
}

/// Reads an archive from anywhere; `path` names it in errors.
pub(crate) fn read(
    name: &str,
    path: &Path,
    reader: impl Read + Seek,
    classes: Option<&Classes>,
) -> Result<Dataset, Error> {
    let mut archive = Archive::new(path, reader)?;
    let mut split = |prefix: &str| -> Result<Images, Error> {
        let file = |what: &str| path.join(format!("{prefix}_{what}.npy"));
        let (shape, pixels) = planes(&file("images"), archive.array(&format!("{prefix}_images"))?)?;
        let labels = column(&file("labels"), archive.array(&format!("{prefix}_labels"))?)?;
        Images::new(file("labels"), shape, pixels, labels)
    };
    let (train, validation, test) = (split("train")?, split("val")?, split("test")?);
    let classes = Classes::resolve(classes, train.labels())?;
    for (images, prefix) in [(&train, "train"), (&validation, "val"), (&test, "test")] {
        check_labels(path.join(format!("{prefix}_labels.npy")), images.labels(), classes.len())?;
        if images.shape() != train.shape() {
            let file = path.join(format!("{prefix}_images.npy"));
            return Err(Error::MixedSizes { file, found: images.shape(), expected: train.shape() });
        }
    }
    Dataset::new(name, classes, train, validation, test)
}

/// Pixels with planes one after the other, whatever the archive interleaves.
fn planes(file: &Path, array: ByteArray) -> Result<([usize; 3], Vec<u8>), Error> {
    let wrong = |found: &[u64]| Error::WrongShape {
        file: file.to_owned(),
        found: found.to_vec(),
        expected: "N x H x W (grey) or N x H x W x 3 (colour), no side longer than 16384",
    };
    let (height, width, channels) = match array.shape[..] {
        [_, height, width] => (height, width, 1),
        [_, height, width, 3] => (height, width, 3),
        _ => return Err(wrong(&array.shape)),
    };
    if ![height, width].iter().all(|side| (1..=LARGEST_SIDE).contains(side)) {
        return Err(wrong(&array.shape));
    }
    if array.data.is_empty() {
        return Err(Error::NoImages { file: file.to_owned() });
    }
    let shape = [channels, height as usize, width as usize];
    if channels == 1 {
        return Ok((shape, array.data));
    }
    let mut pixels = Vec::with_capacity(array.data.len());
    for image in array.data.chunks_exact(channels * shape[1] * shape[2]) {
        for channel in 0..channels {
            pixels.extend(image.iter().skip(channel).step_by(channels));
        }
    }
    Ok((shape, pixels))
}

fn column(file: &Path, array: ByteArray) -> Result<Vec<u8>, Error> {
    match array.shape[..] {
        [_] | [_, 1] => Ok(array.data),
        _ => Err(Error::WrongShape {
            file: file.to_owned(),
            found: array.shape,
            expected: "N x 1 (one class per image; sets with several labels per image are not read)",
        }),
    }
}

#[cfg(test)]
mod tests;
