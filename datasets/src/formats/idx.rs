//! The IDX format of MNIST (LeCun, Cortes, Burges 1998), plain or compressed: unsigned bytes, N x
//! height x width and N. A size in a header is compared with the file before it is used.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::bounded_reader::BoundedReader;
use crate::classes::Classes;
use crate::dataset::{Dataset, check_labels};
use crate::error::Error;
use crate::images::Images;
use crate::loaded_split::LoadedSplit;
use crate::source::Source;
use crate::split::{HoldOut, Split};

/// Images wider or higher than this are refused: no data set for encrypted inference has them.
const LARGEST_SIDE: u64 = 1 << 14;

/// The files of one split.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdxPair {
    /// `idx3-ubyte` file: N x height x width.
    pub images: PathBuf,
    /// `idx1-ubyte` file: N. Who only encrypts needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<PathBuf>,
}

/// The files of a whole set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdxFiles {
    /// Training images. Who only encrypts or evaluates needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train: Option<IdxPair>,
    /// Validation images; held out of training when there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<IdxPair>,
    /// Test images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<IdxPair>,
    /// Names of the classes; digits when there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<Classes>,
}

impl IdxFiles {
    /// The first files that there are.
    pub(crate) fn first(&self) -> Option<&IdxPair> {
        [&self.train, &self.test, &self.validation].into_iter().flatten().next()
    }
}

/// A set of IDX files.
#[derive(Debug, Clone, PartialEq)]
pub struct IdxSource {
    /// Name of the set.
    pub name: String,
    /// Its files.
    pub files: IdxFiles,
    /// What to hold out of training.
    pub hold_out: HoldOut,
}

impl Source for IdxSource {
    fn load(&self) -> Result<Dataset, Error> {
        let files = &self.files;
        let wanted = |pair: &Option<IdxPair>, split| pair.clone().ok_or_else(|| without_split(&self.name, split));
        let (train_files, test_files) = (wanted(&files.train, Split::Train)?, wanted(&files.test, Split::Test)?);
        let (train, (validation, test)) = rayon::join(
            || read_pair(&train_files),
            || rayon::join(|| files.validation.as_ref().map(read_pair).transpose(), || read_pair(&test_files)),
        );
        let (train, validation, test) = (train?, validation?, test?);
        let classes = Classes::resolve(files.classes.as_ref(), train.0.labels())?;
        let optional = validation.as_ref().zip(files.validation.as_ref());
        let read = [Some((&train, &train_files)), optional, Some((&test, &test_files))];
        for ((images, labels), pair) in read.into_iter().flatten() {
            let Some(labels) = labels else { return Err(without_labels(pair)) };
            check_labels(labels.to_path_buf(), images.labels(), classes.len())?;
            if images.shape() != train.0.shape() {
                let (found, expected) = (images.shape(), train.0.shape());
                return Err(Error::MixedSizes { file: pair.images.clone(), found, expected });
            }
        }
        let (train, validation, test) = (train.0, validation.map(|read| read.0), test.0);
        let origin = Path::new(&self.name);
        let (train, test) = self.hold_out.part(origin, train, Some(test), Split::Test)?;
        let (train, validation) = self.hold_out.part(origin, train, validation, Split::Validation)?;
        Dataset::new(&self.name, classes, train, validation, test)
    }

    fn load_split(&self, split: Split) -> Result<LoadedSplit, Error> {
        let files = &self.files;
        // Without files of their own, other splits are parts of training, and it lacks them.
        let files_of_split = match split {
            Split::Train => None,
            Split::Validation => files.validation.as_ref(),
            Split::Test => files.test.as_ref().filter(|_| self.hold_out.test.is_none()),
        };
        let Some(pair) = files_of_split else { return Ok(LoadedSplit::of(&self.load()?, split)) };
        let (images, labels) = read_pair(pair)?;
        let classes = Classes::stated(files.classes.as_ref())?;
        if let Some(labels) = labels.filter(|_| !classes.is_empty()) {
            check_labels(labels.to_path_buf(), images.labels(), classes.len())?;
        }
        Ok(LoadedSplit { name: self.name.clone(), classes, images, labelled: labels.is_some() })
    }
}

/// Images, with label 0 where there is no file of labels; and that file.
fn read_pair(pair: &IdxPair) -> Result<(Images, Option<&Path>), Error> {
    let (shape, pixels) = read_images(&pair.images)?;
    let Some(labels) = &pair.labels else {
        let images = pixels.len() / shape.iter().product::<usize>();
        return Ok((Images::new(&pair.images, shape, pixels, vec![0; images])?, None));
    };
    Ok((Images::new(labels, shape, pixels, read_labels(labels)?)?, Some(labels)))
}

/// The error of a description without files of a split that is read.
pub(crate) fn without_split(name: &str, split: Split) -> Error {
    Error::Spec(format!(
        "{name}: found no files under \"{split}\", expected those of the training and of the test images; to encrypt \
         or evaluate alone, describe the images under \"test\""
    ))
}

fn without_labels(pair: &IdxPair) -> Error {
    Error::Spec(format!(
        "{}: found no \"labels\" beside it, expected the file of its labels; images without them can only be encrypted",
        pair.images.display()
    ))
}

fn read_images(path: &Path) -> Result<([usize; 3], Vec<u8>), Error> {
    let mut input = BoundedReader::open(path)?;
    let [n, height, width] = read_header::<3>(&mut input, "00 00 08 03 (IDX, unsigned bytes, 3 dimensions)")?;
    if n == 0 {
        return Err(Error::NoImages { file: path.to_owned() });
    }
    if ![height, width].iter().all(|side| (1..=LARGEST_SIDE).contains(side)) {
        let (claimed, limit) = (format!("images of {height} x {width}"), format!("1 to {LARGEST_SIDE} a side"));
        return Err(Error::AbsurdSize { file: path.to_owned(), claimed, limit });
    }
    // At most 2^32 images of 2^28 pixels: no overflow.
    let pixels = input.exactly(n * height * width)?;
    input.end()?;
    Ok(([1, height as usize, width as usize], pixels))
}

fn read_labels(path: &Path) -> Result<Vec<u8>, Error> {
    let mut input = BoundedReader::open(path)?;
    let [n] = read_header::<1>(&mut input, "00 00 08 01 (IDX, unsigned bytes, 1 dimension)")?;
    let labels = input.exactly(n)?;
    input.end()?;
    Ok(labels)
}

/// Magic number (0, 0, type 8 = unsigned byte, number of dimensions), then the dimensions, all
/// big-endian.
fn read_header<const D: usize>(input: &mut BoundedReader<'_>, expected: &'static str) -> Result<[u64; D], Error> {
    let magic: [u8; 4] = input.array()?;
    if magic != [0, 0, 8, D as u8] {
        return Err(Error::WrongMagic { file: input.file(), found: magic.to_vec(), expected });
    }
    let mut sizes = [0; D];
    for size in &mut sizes {
        *size = u64::from(u32::from_be_bytes(input.array()?));
    }
    Ok(sizes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Folder, gz, idx, xz};

    /// Training 10 images of 2 x 3 in two classes, test 4.
    fn write(folder: &Folder, pack: fn(Vec<u8>) -> Vec<u8>) -> IdxSource {
        let labels: Vec<u8> = (0..10).map(|i| i % 2).collect();
        let pixels: Vec<u8> = (0..60).collect();
        let pair = |name: &str, n: usize| IdxPair {
            images: folder.write(&format!("{name}-images"), &pack(idx(&[n as u32, 2, 3], &pixels[..n * 6]))),
            labels: Some(folder.write(&format!("{name}-labels"), &pack(idx(&[n as u32], &labels[..n])))),
        };
        let (train, test) = (Some(pair("train", 10)), Some(pair("test", 4)));
        let files = IdxFiles { train, validation: None, test, classes: None };
        IdxSource {
            name: "tiny".into(),
            files,
            hold_out: HoldOut { validation: Some(crate::Amount::Count(2)), ..HoldOut::default() },
        }
    }

    fn break_train_images(bytes: &[u8]) -> Error {
        let folder = Folder::new();
        let source = write(&folder, |bytes| bytes);
        let path = folder.write("train-images", bytes);
        let error = source.load().unwrap_err();
        assert!(error.to_string().contains(path.to_str().unwrap()), "the error names the file: {error}");
        error
    }

    #[test]
    fn plain_gzip_and_xz_give_the_same_set() {
        let folder = Folder::new();
        let plain = write(&folder, |bytes| bytes).load().unwrap();
        assert_eq!(plain.shape(), [1, 2, 3]);
        assert_eq!(plain.classes(), ["0", "1"]);
        assert_eq!(Split::ALL.map(|split| plain.split(split).len()), [8, 2, 4]);
        assert_eq!(plain.split(Split::Test).image(1), Some(&[6, 7, 8, 9, 10, 11][..]));
        assert_eq!(write(&folder, gz).load().unwrap(), plain);
        assert_eq!(write(&folder, xz).load().unwrap(), plain);
    }

    #[test]
    fn own_validation_files_are_used_and_not_carved_again() {
        let folder = Folder::new();
        let mut source = write(&folder, |bytes| bytes);
        source.files.validation = source.files.test.clone();
        assert!(matches!(source.load(), Err(Error::HasSplit { split: Split::Validation, .. })));
        source.hold_out.validation = None;
        let set = source.load().unwrap();
        assert_eq!(Split::ALL.map(|split| set.split(split).len()), [10, 4, 4]);
        source.hold_out.test = Some(crate::Amount::Count(1));
        assert!(matches!(source.load(), Err(Error::HasSplit { split: Split::Test, .. })));
    }

    #[test]
    fn names_of_classes_come_from_a_list_or_a_file() {
        let folder = Folder::new();
        let mut source = write(&folder, |bytes| bytes);
        source.files.classes = Some(Classes::File(folder.write("classes.txt", b"cat\r\n\n dog\n")));
        assert_eq!(source.load().unwrap().classes(), ["cat", "dog"]);
        source.files.classes = Some(Classes::Names(vec!["cat".into()]));
        assert!(matches!(source.load(), Err(Error::LabelOutOfRange { index: 1, label: 1, classes: 1, .. })));
        source.files.classes = Some(Classes::Names(vec!["cat".into(), "dog".into(), "owl".into()]));
        assert!(matches!(source.load(), Err(Error::MissingClass { class, split: Split::Train, .. }) if class == "owl"));
        for bad in [&b"\n"[..], b"\xff\xfe"] {
            source.files.classes = Some(Classes::File(folder.write("classes.txt", bad)));
            assert!(matches!(source.load(), Err(Error::BadName { .. })));
        }
        source.files.classes = Some(Classes::File(folder.write("classes.txt", "x\n".repeat(257).as_bytes())));
        assert!(matches!(source.load(), Err(Error::TooManyClasses { found: 257, .. })));
    }

    #[test]
    fn truncated_at_every_length() {
        let whole = idx(&[10, 2, 3], &[1; 60]);
        for length in 0..whole.len() {
            assert!(matches!(break_train_images(&whole[..length]), Error::Truncated { .. }), "{length}");
        }
        let packed = gz(whole);
        for length in [3, 9, 12, packed.len() - 9, packed.len() - 1] {
            assert!(matches!(break_train_images(&packed[..length]), Error::Truncated { .. }), "gz {length}");
        }
    }

    #[test]
    fn wrong_magic_and_other_formats() {
        let labels = idx(&[10], &[0; 10]);
        assert!(matches!(break_train_images(&labels), Error::WrongMagic { found, .. } if found == [0, 0, 8, 1]));
        assert!(matches!(break_train_images(b"\x89PNG\r\n\x1a\n"), Error::WrongMagic { .. }));
        assert!(matches!(break_train_images(b"<!doctype html>"), Error::WrongMagic { .. }));
    }

    #[test]
    fn too_long_and_damaged() {
        assert!(matches!(break_train_images(&idx(&[10, 2, 3], &[1; 61])), Error::TooLong { expected: 76, .. }));
        assert!(matches!(break_train_images(&gz(idx(&[10, 2, 3], &[1; 61]))), Error::TooLong { .. }));
        let mut packed = gz(idx(&[10, 2, 3], &(0..60).collect::<Vec<u8>>()));
        let crc = packed.len() - 6;
        packed[crc] ^= 1;
        assert!(matches!(break_train_images(&packed), Error::Corrupt { .. }));
        let mut packed = xz(idx(&[10, 2, 3], &(0..60).collect::<Vec<u8>>()));
        packed[60] ^= 1;
        assert!(matches!(break_train_images(&packed), Error::Corrupt { .. }));
    }

    #[test]
    fn absurd_sizes_are_refused_without_allocating() {
        let huge = [u32::MAX, 16_384, 16_384];
        assert!(matches!(break_train_images(&idx(&huge, &[0; 10])), Error::Truncated { .. }));
        assert!(matches!(break_train_images(&gz(idx(&huge, &[0; 10]))), Error::AbsurdSize { .. }));
        assert!(matches!(break_train_images(&idx(&[1, u32::MAX, 1], &[0; 10])), Error::AbsurdSize { .. }));
        assert!(matches!(break_train_images(&idx(&[1, 0, 1], &[])), Error::AbsurdSize { .. }));
        assert!(matches!(break_train_images(&idx(&[0, 2, 3], &[])), Error::NoImages { .. }));
    }

    #[test]
    fn bombs_stop_at_the_expected_size() {
        let mut bomb = idx(&[10, 2, 3], &[1; 60]);
        bomb.resize(50_000_000, 0);
        assert!(matches!(break_train_images(&gz(bomb.clone())), Error::TooLong { expected: 76, .. }));
        assert!(matches!(break_train_images(&xz(bomb)), Error::TooLong { expected: 76, .. }));
    }

    #[test]
    fn counts_and_sizes_must_agree() {
        assert!(matches!(break_train_images_label_error(), Error::CountMismatch { images: 9, labels: 10, .. }));
        let folder = Folder::new();
        let source = write(&folder, |bytes| bytes);
        folder.write("test-images", &idx(&[4, 3, 2], &[0; 24]));
        assert!(matches!(source.load(), Err(Error::MixedSizes { found: [1, 3, 2], expected: [1, 2, 3], .. })));
        folder.write("test-images", &idx(&[4, 2, 3], &[0; 24]));
        folder.write("test-labels", &idx(&[4], &[0, 1, 2, 0]));
        assert!(matches!(source.load(), Err(Error::LabelOutOfRange { index: 2, label: 2, classes: 2, .. })));
    }

    fn break_train_images_label_error() -> Error {
        let folder = Folder::new();
        let source = write(&folder, |bytes| bytes);
        folder.write("train-images", &idx(&[9, 2, 3], &[1; 54]));
        source.load().unwrap_err()
    }

    #[test]
    fn missing_file_is_named() {
        let folder = Folder::new();
        let mut source = write(&folder, |bytes| bytes);
        source.files.test.as_mut().unwrap().labels = Some(folder.path().join("nowhere"));
        assert!(matches!(source.load(), Err(Error::Absent { file }) if file.ends_with("nowhere")));
    }

    #[test]
    fn a_client_needs_images_alone() {
        let folder = Folder::new();
        let mut source = write(&folder, |bytes| bytes);
        source.files.train = None;
        let set = source.load_split(Split::Test).unwrap();
        assert_eq!((set.images.labels(), set.labelled), (&[0, 1, 0, 1][..], true));
        source.files.test.as_mut().unwrap().labels = None;
        folder.write("test-images", &idx(&[1, 2, 3], &[7; 6]));
        let one = source.load_split(Split::Test).unwrap();
        assert_eq!((one.images.pixels(), one.labelled, one.classes.len()), (&[7; 6][..], false, 0));
        source.files.classes = Some(Classes::Names(vec!["cat".into(), "dog".into(), "owl".into()]));
        assert_eq!(source.load_split(Split::Test).unwrap().classes.len(), 3, "no class needs an image");
        let message = source.load_split(Split::Validation).unwrap_err().to_string();
        assert!(message.contains("under \"train\"") && message.contains("describe the images under"), "{message}");
        source.files.train = source.files.test.clone();
        assert!(source.load().unwrap_err().to_string().contains("no \"labels\" beside it"));
    }
}
