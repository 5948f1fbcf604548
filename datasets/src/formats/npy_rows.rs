//! NumPy arrays of rows and signals (`.npy`, or entries of an `.npz` archive) with an array of
//! labels.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use beaa_base::input;
use serde::{Deserialize, Serialize};

use super::npy::Archive;
use super::npy_array::NumpyArray;
use super::pixel_scale::{PixelScale, scaled};
use super::row_labels::{LabelNames, canonical};
use super::sample_shape::{check_pixels, check_row_shape};
use super::wrong_cells::WrongCells;
use crate::channel_statistics::Ranges;
use crate::classes::Classes;
use crate::dataset::Dataset;
use crate::error::Error;
use crate::images::{Images, Reals};
use crate::source::Source;
use crate::split::{HoldOut, Split};

/// The arrays of a set: files, or entries of one archive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NpyFiles {
    /// An `.npz` archive; the arrays are entries of it by name. Without it, they are `.npy` files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// Samples, all or those to train on: `[sample, column]`, `[sample, lead, time]` or `[sample,
    /// channel, row, column]`.
    pub x: PathBuf,
    /// Their labels: whole numbers or names.
    pub y: PathBuf,
    /// Validation samples; held out of training when there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x_validation: Option<PathBuf>,
    /// Their labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub y_validation: Option<PathBuf>,
    /// Test samples; held out of training when there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x_test: Option<PathBuf>,
    /// Their labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub y_test: Option<PathBuf>,
    /// Names of the classes; those that occur when there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<Classes>,
    /// Names of the channels (columns, leads).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    /// Whether the last dimension is that of channels, as in Keras: `[sample, time, lead]`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub channels_last: bool,
    /// Channels, height, width of a sample, whose numbers are in this order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<[usize; 3]>,
    /// What white is, if the numbers are pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pixels: Option<PixelScale>,
    /// Which values are allowed; what training spans and half as much beyond it unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ranges: Option<Ranges>,
}

/// Arrays on disk.
#[derive(Debug, Clone, PartialEq)]
pub struct NpySource {
    /// Name of the set.
    pub name: String,
    /// Its files.
    pub files: NpyFiles,
    /// What to hold out of training when there are no such arrays.
    pub hold_out: HoldOut,
}

/// Arrays by name.
enum Arrays {
    Files,
    Archive(Archive<BufReader<File>>),
}

impl Arrays {
    fn open(archive: Option<&Path>) -> Result<Self, Error> {
        let Some(path) = archive else { return Ok(Self::Files) };
        let file = input::open("reading", path).map_err(Error::path)?;
        Ok(Self::Archive(Archive::new(path, BufReader::new(file))?))
    }

    fn read(&mut self, name: &Path) -> Result<NumpyArray, Error> {
        match self {
            Self::Files => NumpyArray::open(name),
            Self::Archive(archive) => {
                let entry = name.to_string_lossy();
                NumpyArray::read(archive.entry(entry.trim_end_matches(".npy"))?)
            }
        }
    }
}

impl Source for NpySource {
    fn load(&self) -> Result<Dataset, Error> {
        let files = &self.files;
        // An array has a shape of its own.
        check_pixels(files.pixels, Some(files.shape.unwrap_or([1; 3])), files.ranges.as_ref())?;
        let mut arrays = Arrays::open(files.file.as_deref())?;
        let (x, labels, y) = pair(&mut arrays, files, &files.x, &files.y)?;
        let classes = LabelNames::of(&y, "all of it", &labels, files.classes.as_ref())?;
        let numbered = |samples: Images, labels: &[String], file: &Path| {
            let labels = classes.numbers(file, labels, |i| format!("element {i}"))?;
            samples.with_labels(file, labels)
        };
        let mut other = |x: &Option<PathBuf>, y: &Option<PathBuf>, split: Split| match (x, y) {
            (None, None) => Ok(None),
            (Some(x), Some(y)) => {
                let (x, labels, y) = pair(&mut arrays, files, x, y)?;
                numbered(x, &labels, &y).map(Some)
            }
            _ => Err(Error::Spec(format!("\"x_{split}\" and \"y_{split}\" go together; give both or neither"))),
        };
        let validation = other(&files.x_validation, &files.y_validation, Split::Validation)?;
        let test = other(&files.x_test, &files.y_test, Split::Test)?;
        let origin = Path::new(&self.name);
        let (train, test) = self.hold_out.part(origin, numbered(x, &labels, &y)?, test, Split::Test)?;
        let (train, validation) = self.hold_out.part(origin, train, validation, Split::Validation)?;
        Dataset::within(&self.name, classes.names, [train, validation, test], files.ranges.as_ref())
    }
}

/// Samples without labels yet (all are 0), their labels as text, and the file of these.
fn pair(arrays: &mut Arrays, files: &NpyFiles, x: &Path, y: &Path) -> Result<(Images, Vec<String>, PathBuf), Error> {
    let array = arrays.read(x)?;
    let images = match (files.pixels, &array.shape[..]) {
        (Some(_), &[_, height, width]) => Some([1, height, width]),
        _ => None,
    };
    let shape = files.shape.or(images);
    let layout = Layout { shape, channels_last: files.channels_last, names: files.columns.as_deref() };
    let samples = scaled(&array.file, layout.samples(&array)?, files.pixels)?;
    let labels = arrays.read(y)?;
    let column = match labels.shape[..] {
        [n] | [n, 1] => n,
        _ => {
            let remedy = "give the number or name of the class of each sample (np.argmax(y, axis=1) of scores)";
            let found = format!("labels of shape {:?}", labels.shape);
            return Err(Error::table(&labels.file, "", found, "one for each sample", remedy));
        }
    };
    if column != samples.len() {
        return Err(Error::CountMismatch { file: labels.file, images: samples.len(), labels: column });
    }
    Ok((samples, labels.names().iter().map(|name| canonical(name)).collect(), labels.file))
}

/// Reads a `.npy` file as samples of `shape` (channels, height, width) without labels (all are 0),
/// whose channels have `names` or none. Dimensions of length 1 may be there or not; the channels
/// are last where the array is only so of that shape.
///
/// # Errors
/// No array of numbers, samples of another size, and numbers that are not finite.
pub(crate) fn read_npy_rows(path: &Path, shape: [usize; 3], names: &[String]) -> Result<Images, Error> {
    let names = (!names.is_empty()).then_some(names);
    let array = NumpyArray::open(path)?;
    let layout = |channels_last| Layout { shape: Some(shape), channels_last, names };
    let (Some((_, found)), [channels, height, width]) = (array.shape.split_first(), shape) else {
        return layout(false).samples(&array);
    };
    let long = |sides: &[usize]| sides.iter().copied().filter(|&side| side != 1).collect::<Vec<_>>();
    let rows = matches!(found, [_]) || long(found) == long(&shape);
    // Refused by its size, with a message of its own.
    let other_size = found.iter().product::<usize>() != shape.iter().product::<usize>();
    if rows || other_size {
        return layout(false).samples(&array);
    }
    if long(found) == long(&[height, width, channels]) {
        return layout(true).samples(&array);
    }
    let expected = format!("samples first, then {shape:?} (channels, rows, columns), or the channels last");
    Err(Error::table(path, "", format!("an array of shape {:?}", array.shape), expected, "transpose it"))
}

/// How an array of samples is to be read.
struct Layout<'a> {
    shape: Option<[usize; 3]>,
    channels_last: bool,
    names: Option<&'a [String]>,
}

impl Layout<'_> {
    fn samples(&self, array: &NumpyArray) -> Result<Images, Error> {
        let file = &array.file;
        let wrong = |expected: &str, remedy: &str| {
            Err(Error::table(file, "", format!("an array of shape {:?}", array.shape), expected, remedy))
        };
        let (found, to_planes) = match (&array.shape[..], self.channels_last) {
            (&[_, columns], _) => ([columns, 1, 1], false),
            (&[_, leads, time], false) => ([leads, 1, time], false),
            (&[_, time, leads], true) => ([leads, 1, time], true),
            (&[_, channels, height, width], false) => ([channels, height, width], false),
            (&[_, height, width, channels], true) => ([channels, height, width], true),
            (&[_], _) if self.shape.is_some() => {
                return wrong("one dimension more, that of samples", "reshape one sample to (1, -1)");
            }
            _ => return wrong("two to four dimensions, samples first", "reshape it"),
        };
        let shape = self.shape.unwrap_or(found);
        check_row_shape(file, found.iter().product(), shape)?;
        let mut numbers = array.numbers()?;
        self.check_finite(array, &numbers)?;
        if to_planes {
            numbers = planes(&numbers, found);
        }
        let channels = self.names.map_or_else(Vec::new, <[String]>::to_vec);
        let count = array.shape[0];
        if count == 0 {
            return Err(Error::NoImages { file: file.clone() });
        }
        let images = Images::of_reals(file, shape, Reals { numbers, channels }, vec![0; count])?;
        Ok(images.with_names((0..count).map(|row| format!("row {row}")).collect()))
    }

    /// Refuses numbers that are missing or infinite, by row and place in the row.
    fn check_finite(&self, array: &NumpyArray, numbers: &[f32]) -> Result<(), Error> {
        let size: usize = array.shape[1..].iter().product();
        let column = |i: usize| match self.names {
            Some(names) if names.len() == size => format!("column `{}`", names[i]),
            _ => format!("number {i}"),
        };
        let mut wrong = WrongCells::default();
        for (i, number) in numbers.iter().enumerate().filter(|(_, number)| !number.is_finite()) {
            wrong.add(|| format!("row {}, {}: {number}", i / size, column(i % size)));
        }
        let remedy = "fill in what is missing, or leave out these rows";
        wrong.check(&array.file, "not finite in single precision", "finite numbers", remedy)
    }
}

/// Samples with channels last, as planes one after the other.
fn planes(numbers: &[f32], [channels, height, width]: [usize; 3]) -> Vec<f32> {
    let mut planes = Vec::with_capacity(numbers.len());
    for sample in numbers.chunks_exact((channels * height * width).max(1)) {
        for channel in 0..channels {
            planes.extend(sample.iter().skip(channel).step_by(channels));
        }
    }
    planes
}

#[cfg(test)]
mod tests;
