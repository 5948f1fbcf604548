//! CIFAR-10 binary batches (Krizhevsky 2009), plain or compressed: a label and 3 x 32 x 32 pixels
//! per record. No more records are read than the whole set has.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::bounded_reader::BoundedReader;
use crate::classes::Classes;
use crate::dataset::{Dataset, check_labels};
use crate::error::Error;
use crate::formats::idx::without_split;
use crate::images::Images;
use crate::loaded_split::LoadedSplit;
use crate::source::Source;
use crate::split::{HoldOut, Split};

const SHAPE: [usize; 3] = [3, 32, 32];
const PIXELS: usize = 3 * 32 * 32;
const RECORD: usize = 1 + PIXELS;
/// The whole of CIFAR-10; a file that expands to more is no batch.
const MOST_RECORDS: u64 = 60_000;

/// The files of a whole set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CifarFiles {
    /// Training batches, in order. Who only encrypts or evaluates needs none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub train: Vec<PathBuf>,
    /// Validation batches; held out of training when there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub validation: Vec<PathBuf>,
    /// Test batches, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub test: Vec<PathBuf>,
    /// Names of the classes; digits when there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<Classes>,
}

impl CifarFiles {
    /// The first file that there is.
    pub(crate) fn first(&self) -> Option<&PathBuf> {
        self.train.iter().chain(&self.test).chain(&self.validation).next()
    }
}

/// A set of CIFAR-10 binary batches.
#[derive(Debug, Clone, PartialEq)]
pub struct CifarSource {
    /// Name of the set.
    pub name: String,
    /// Its files.
    pub files: CifarFiles,
    /// What to hold out of training.
    pub hold_out: HoldOut,
}

impl Source for CifarSource {
    fn load(&self) -> Result<Dataset, Error> {
        let files = &self.files;
        for (paths, split) in [(&files.train, Split::Train), (&files.test, Split::Test)] {
            if paths.is_empty() {
                return Err(without_split(&self.name, split));
            }
        }
        let paths: Vec<&PathBuf> = files.train.iter().chain(&files.validation).chain(&files.test).collect();
        let batches = paths.par_iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?;
        let (train, others) = batches.split_at(files.train.len());
        let (validation, test) = others.split_at(files.validation.len());

        let train = self.join(train)?;
        let classes = Classes::resolve(files.classes.as_ref(), train.labels())?;
        for (path, batch) in paths.iter().zip(&batches) {
            check_labels(path.to_path_buf(), &batch.labels, classes.len())?;
        }
        let validation = Some(validation).filter(|batches| !batches.is_empty()).map(|batches| self.join(batches));
        let test = self.join(test)?;
        let origin = Path::new(&self.name);
        let (train, test) = self.hold_out.part(origin, train, Some(test), Split::Test)?;
        let (train, validation) = self.hold_out.part(origin, train, validation.transpose()?, Split::Validation)?;
        Dataset::new(&self.name, classes, train, validation, test)
    }

    fn load_split(&self, split: Split) -> Result<LoadedSplit, Error> {
        let files = &self.files;
        let paths = match split {
            Split::Validation => &files.validation,
            Split::Test if self.hold_out.test.is_none() => &files.test,
            // It lacks what is held out of it.
            Split::Train | Split::Test => return Ok(LoadedSplit::of(&self.load()?, split)),
        };
        if paths.is_empty() {
            return Ok(LoadedSplit::of(&self.load()?, split));
        }
        let batches = paths.par_iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?;
        let classes = Classes::stated(files.classes.as_ref())?;
        for (path, batch) in paths.iter().zip(&batches).filter(|_| !classes.is_empty()) {
            check_labels(path.clone(), &batch.labels, classes.len())?;
        }
        Ok(LoadedSplit { name: self.name.clone(), classes, images: self.join(&batches)?, labelled: true })
    }
}

impl CifarSource {
    fn join(&self, batches: &[Records]) -> Result<Images, Error> {
        let pixels = batches.iter().map(|batch| batch.pixels.as_slice()).collect::<Vec<_>>().concat();
        let labels = batches.iter().map(|batch| batch.labels.as_slice()).collect::<Vec<_>>().concat();
        Images::new(&self.name, SHAPE, pixels, labels)
    }
}

/// The records of one file.
struct Records {
    pixels: Vec<u8>,
    labels: Vec<u8>,
}

fn read(path: &Path) -> Result<Records, Error> {
    let mut input = BoundedReader::open(path)?;
    let bytes = input.at_most(MOST_RECORDS * RECORD as u64)?;
    input.end()?;
    let n = bytes.len() / RECORD;
    if bytes.len() % RECORD != 0 {
        let (found, expected) = (bytes.len() as u64, ((n + 1) * RECORD) as u64);
        return Err(Error::Truncated { file: path.to_owned(), found, expected });
    }
    if n == 0 {
        return Err(Error::NoImages { file: path.to_owned() });
    }
    let mut batch = Records { pixels: Vec::with_capacity(n * PIXELS), labels: Vec::with_capacity(n) };
    for record in bytes.chunks_exact(RECORD) {
        batch.labels.push(record[0]);
        batch.pixels.extend_from_slice(&record[1..]);
    }
    Ok(batch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Amount;
    use crate::testing::{Folder, gz_zeros, xz};

    fn batch(labels: &[u8]) -> Vec<u8> {
        labels
            .iter()
            .flat_map(|&label| std::iter::once(label).chain((0..PIXELS).map(move |i| (i % 251) as u8 ^ label)))
            .collect()
    }

    fn source(folder: &Folder, pack: fn(Vec<u8>) -> Vec<u8>) -> CifarSource {
        let files = CifarFiles {
            train: vec![folder.write("b1", &pack(batch(&[0, 1, 0]))), folder.write("b2", &pack(batch(&[1, 0])))],
            validation: vec![],
            test: vec![folder.write("t", &pack(batch(&[1])))],
            classes: None,
        };
        CifarSource {
            name: "c".into(),
            files,
            hold_out: HoldOut { validation: Some(Amount::Count(0)), ..HoldOut::default() },
        }
    }

    #[test]
    fn batches_are_joined_in_order() {
        let folder = Folder::new();
        let set = source(&folder, |bytes| bytes).load().unwrap();
        assert_eq!(set.shape(), [3, 32, 32]);
        assert_eq!(set.split(Split::Train).labels(), [0, 1, 0, 1, 0]);
        assert_eq!(set.split(Split::Test).image(0), Some(&batch(&[1])[1..]));
        assert!(set.split(Split::Validation).is_empty());
        assert_eq!(source(&folder, xz).load().unwrap(), set);
    }

    #[test]
    fn own_validation_batches() {
        let folder = Folder::new();
        let mut source = source(&folder, |bytes| bytes);
        source.files.validation = source.files.test.clone();
        source.hold_out.validation = None;
        assert_eq!(source.load().unwrap().split(Split::Validation).labels(), [1]);
    }

    #[test]
    fn a_client_needs_one_image_alone() {
        let folder = Folder::new();
        let mut source = source(&folder, |bytes| bytes);
        (source.files.train, source.files.classes) = (vec![], Some(Classes::Names(vec!["a".into(), "b".into()])));
        let one = source.load_split(Split::Test).unwrap();
        assert_eq!((one.images.len(), one.images.labels(), one.classes.len()), (1, &[1][..], 2));
        assert!(source.load().unwrap_err().to_string().contains("under \"train\""));
        assert!(source.load_split(Split::Train).is_err() && source.load_split(Split::Validation).is_err());
    }

    #[test]
    fn wrong_files_are_refused() {
        let folder = Folder::new();
        let mut source = source(&folder, |bytes| bytes);
        folder.write("b2", &batch(&[1])[1..]);
        assert!(matches!(source.load(), Err(Error::Truncated { found: 3072, expected: 3073, .. })));
        folder.write("b2", b"");
        assert!(matches!(source.load(), Err(Error::NoImages { .. })));
        folder.write("b2", &batch(&[1, 7]));
        source.files.classes = Some(Classes::Names(vec!["a".into(), "b".into()]));
        let error = source.load().unwrap_err();
        assert!(
            matches!(&error, Error::LabelOutOfRange { file, index: 1, label: 7, classes: 2 } if file.ends_with("b2"))
        );
        folder.write("b2", &gz_zeros(60_001 * RECORD as u64));
        assert!(matches!(source.load(), Err(Error::TooLong { .. })), "a bomb stops at the size of the whole set");
    }
}
