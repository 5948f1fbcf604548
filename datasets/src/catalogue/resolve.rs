//! From the name of a set to its files, which must have the shape and the size that the catalogue
//! states.

use std::path::PathBuf;

use super::embedded::{self, embedded};
use super::locate::{Located, locate};
use super::{Entry, entry};
use crate::classes::Classes;
use crate::dataset::Dataset;
use crate::error::Error;
use crate::formats::{CifarFiles, CifarSource, IdxFiles, IdxPair, IdxSource, MedMnistFile, MedMnistSource};
use crate::images::Images;
use crate::loaded_split::LoadedSplit;
use crate::source::Source;
use crate::split::{HoldOut, Split};

/// The reader of the set `name`, whose files are found below `roots`; PneumoniaMNIST is embedded
/// when it is not.
pub(crate) fn resolve(name: &str, hold_out: HoldOut, roots: &[PathBuf]) -> Result<Box<dyn Source>, Error> {
    let entry = entry(name)?;
    if entry.sizes.validation.is_some() && hold_out.validation.is_some() {
        return Err(Error::HasSplit { file: name.into(), split: Split::Validation });
    }
    let located = locate(entry, roots);
    let inner: Box<dyn Source> = match located.complete() {
        Some(paths) => {
            tracing::debug!(set = name, first = ?paths.first(), "found data set");
            from_files(entry, &paths, hold_out)?
        }
        None if name == embedded::NAME => {
            tracing::debug!(set = name, "not found below the roots: using the embedded copy");
            Box::new(Embedded)
        }
        None => return Err(not_found(entry, &located)),
    };
    Ok(Box::new(Checked { entry, inner }))
}

struct Embedded;

impl Source for Embedded {
    fn load(&self) -> Result<Dataset, Error> {
        embedded()
    }
}

/// Compares what was read with the catalogue.
struct Checked {
    entry: &'static Entry,
    inner: Box<dyn Source>,
}

impl Source for Checked {
    fn load(&self) -> Result<Dataset, Error> {
        let set = self.inner.load()?;
        let [train, validation, _] = Split::ALL.map(|split| set.split(split).len());
        let sizes = self.entry.sizes;
        let (learning, published) = (train + validation, sizes.train + sizes.validation.unwrap_or(0));
        if learning != published {
            return Err(self.differs("the number of images before test", learning.to_string(), published.to_string()));
        }
        self.check_test(set.split(Split::Test))?;
        Ok(set)
    }

    fn load_split(&self, split: Split) -> Result<LoadedSplit, Error> {
        if split != Split::Test {
            return Ok(LoadedSplit::of(&self.load()?, split));
        }
        let loaded = self.inner.load_split(split)?;
        self.check_test(&loaded.images)?;
        Ok(loaded)
    }
}

impl Checked {
    /// Compares the test images with the catalogue.
    fn check_test(&self, test: &Images) -> Result<(), Error> {
        let entry = self.entry;
        if test.shape() != entry.shape {
            let (found, expected) = (format!("{:?}", test.shape()), format!("{:?}", entry.shape));
            return Err(self.differs("the shape of the images", found, expected));
        }
        if test.len() != entry.sizes.test {
            let (found, expected) = (test.len().to_string(), entry.sizes.test.to_string());
            return Err(self.differs("the number of test images", found, expected));
        }
        Ok(())
    }

    fn differs(&self, what: &'static str, found: String, expected: String) -> Error {
        Error::NotTheSet { name: self.entry.name.to_owned(), what, found, expected }
    }
}

fn from_files(entry: &Entry, paths: &[PathBuf], hold_out: HoldOut) -> Result<Box<dyn Source>, Error> {
    let name = entry.name.to_owned();
    let classes = Some(Classes::Names(entry.class_names()));
    Ok(match paths {
        [file] => {
            let file = MedMnistFile { file: file.clone(), classes };
            Box::new(MedMnistSource { name, file })
        }
        [train_images, train_labels, test_images, test_labels] => {
            let pair = |images: &PathBuf, labels: &PathBuf| {
                Some(IdxPair { images: images.clone(), labels: Some(labels.clone()) })
            };
            let (train, test) = (pair(train_images, train_labels), pair(test_images, test_labels));
            Box::new(IdxSource { name, files: IdxFiles { train, validation: None, test, classes }, hold_out })
        }
        [train @ .., test] => {
            let files = CifarFiles { train: train.to_vec(), validation: vec![], test: vec![test.clone()], classes };
            Box::new(CifarSource { name, files, hold_out })
        }
        [] => return Err(Error::Spec(format!("the catalogue names no file of {name}"))),
    })
}

fn not_found(entry: &Entry, located: &Located) -> Error {
    let missing = located.missing();
    let mut addresses: Vec<&str> = missing.iter().map(|file| file.address).collect();
    addresses.dedup();
    let folder = "a sub-folder named after the set in one of the data folders";
    let note = if entry.note.is_empty() { String::new() } else { format!(". {}", entry.note) };
    Error::NotFound {
        name: entry.name.to_owned(),
        missing: missing.iter().filter_map(|file| file.names.first()).map(|&name| name.to_owned()).collect(),
        searched: located.searched.clone(),
        remedy: format!("get {} and put the files into {folder}{note}", addresses.join(" and ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Folder, gz, idx};
    use crate::{SourceSpec, open};

    /// Black images under the names of MNIST.
    fn black(folder: &Folder, below: &str, train: usize, test: usize) {
        for (name, n) in [("train", train), ("t10k", test)] {
            let labels: Vec<u8> = (0..n).map(|i| (i % 10) as u8).collect();
            let images = gz(idx(&[n as u32, 28, 28], &vec![0; n * 784]));
            folder.write(&format!("{below}{name}-images-idx3-ubyte.gz"), &images);
            folder.write(&format!("{below}{name}-labels-idx1-ubyte.gz"), &gz(idx(&[n as u32], &labels)));
        }
    }

    #[test]
    fn named_set_is_found_and_checked() {
        let (empty, folder) = (Folder::new(), Folder::new());
        black(&folder, "fashion-mnist/", 60_000, 10_000);
        let roots = [empty.path().to_owned(), folder.path().to_owned()];
        let set =
            open(&serde_json::from_str(r#"{"name":"fashion-mnist","validation":5000}"#).unwrap(), &roots).unwrap();
        assert_eq!(Split::ALL.map(|split| set.split(split).len()), [55_000, 5_000, 10_000]);
        assert_eq!((set.name(), set.classes()[9].as_str()), ("fashion-mnist", "Ankle boot"));

        let error = open(&SourceSpec::named("mnist"), &roots).unwrap_err();
        assert!(matches!(&error, Error::NotFound { missing, .. } if missing.len() == 4));
        assert!(error.to_string().contains("https://storage.googleapis.com/cvdf-datasets/mnist/"), "{error}");

        black(&folder, "mnist/", 600, 100);
        let error = open(&SourceSpec::named("mnist"), &roots).unwrap_err();
        assert!(
            matches!(&error, Error::NotTheSet { found, expected, .. } if found == "600" && expected == "60000"),
            "{error}"
        );
    }

    #[test]
    fn pneumoniamnist_needs_no_file_but_a_wrong_file_is_an_error() {
        let folder = Folder::new();
        let roots = [folder.path().to_owned()];
        let spec = SourceSpec::named("pneumoniamnist");
        assert_eq!(open(&spec, &roots).unwrap(), embedded().unwrap());
        folder.write("pneumoniamnist/pneumoniamnist.npz", crate::embedded_bytes());
        assert_eq!(open(&spec, &roots).unwrap(), embedded().unwrap());
        folder.write("pneumoniamnist/pneumoniamnist.npz", &crate::embedded_bytes()[..1000]);
        assert!(matches!(open(&spec, &roots), Err(Error::Corrupt { .. })), "a damaged file is not passed over");
        let spec = serde_json::from_str(r#"{"name":"pneumoniamnist","validation":10}"#).unwrap();
        assert!(matches!(open(&spec, &roots), Err(Error::HasSplit { .. })));
    }

    #[test]
    fn unknown_and_relative_paths() {
        assert!(matches!(open(&SourceSpec::named("imagenet"), &[]), Err(Error::UnknownSet { .. })));
        let folder = Folder::new();
        folder.write("x/some.npz", crate::embedded_bytes());
        let spec: SourceSpec = serde_json::from_str(r#"{"medmnist":{"file":"x/some.npz"}}"#).unwrap();
        let set = open(&spec, &[folder.path().to_owned()]).unwrap();
        assert_eq!((set.name(), set.classes()), ("some", &["0".to_owned(), "1".to_owned()][..]));
        assert!(matches!(open(&spec, &[]), Err(Error::Absent { file }) if file.ends_with("x/some.npz")));
    }
}
