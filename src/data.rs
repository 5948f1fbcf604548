//! Data sets and image files.

use std::path::{Path, PathBuf};

use beaa_datasets::Values;
use beaa_ir::images::ImageMajor;

use crate::{ClassMap, Classes, Error, Result};

pub use beaa_datasets::{
    Dataset, Images as LabelledImages, Pictures, PixelScale, RowFormat, Split, Warning as DataWarning,
};

/// Opens a data set by its name in the catalogue, searching `folders` in order. `pneumoniamnist` is
/// built in.
///
/// # Errors
/// If the name is unknown, or the files are in none of the folders; the message says where to get
/// them.
pub fn open_dataset(name: &str, folders: &[PathBuf]) -> Result<Dataset> {
    Ok(beaa_datasets::open(&beaa_datasets::SourceSpec::named(name), folders)?)
}

/// Opens a data set by a description in JSON, as a configuration has it under `data.source`: a
/// table of rows, for example, is `{"csv": {"file": "patients.csv", "label": "diagnosis"}}`.
///
/// # Errors
/// If the description makes no sense, or a file is missing or not as described.
pub fn open_described_dataset(description: &str, folders: &[PathBuf]) -> Result<Dataset> {
    let spec: beaa_datasets::SourceSpec =
        serde_json::from_str(description).map_err(|e| Error::BadOption(format!("data set description: {e}").into()))?;
    Ok(beaa_datasets::open(&spec, folders)?)
}

/// The pixels of labelled images, `[image][channel, row, column]`.
///
/// # Errors
/// [`Error::InputKind`] if these are rows or signals of real numbers.
pub fn pixels(images: &LabelledImages) -> Result<ImageMajor<u8>> {
    match images.values() {
        Values::Pixels(pixels) => Ok(ImageMajor::new(images.len(), images.shape().iter().product(), pixels.clone())?),
        Values::Reals(_) => Err(Error::InputKind { found: "real numbers", expected: "8-bit pixels" }),
    }
}

/// The pixels of images as a network with this `input` takes them.
pub(crate) fn preprocess(input: &beaa_ir::InputSpec, images: &LabelledImages) -> Result<ImageMajor<u8>> {
    pixels(&*images.preprocessed(input.preprocessing.as_ref())?)
}

/// The numbers of labelled rows or signals, `[sample][channel, row, column]`, not normalised.
///
/// # Errors
/// [`Error::InputKind`] if these are images of pixels.
pub fn reals(samples: &LabelledImages) -> Result<ImageMajor<f32>> {
    match samples.values() {
        Values::Reals(reals) => {
            Ok(ImageMajor::new(samples.len(), samples.shape().iter().product(), reals.numbers.clone())?)
        }
        Values::Pixels(_) => Err(Error::InputKind { found: "8-bit pixels", expected: "real numbers" }),
    }
}

/// Reads PNG and JPEG files, or all of those in a folder, as pixels
/// `[image][channel, row, column]`, stretched to `shape` (channels, rows, columns) and converted to
/// grey or colour as it says.
///
/// Their names and what is to be known about them is in what [`read_pictures`] returns; here, it is
/// only logged.
///
/// # Errors
/// If files cannot be read, or are no whole pictures; the message names all of them.
pub fn read_image_files<P: AsRef<Path>>(files: &[P], shape: [usize; 3]) -> Result<ImageMajor<u8>> {
    pixels(&read_pictures(files, shape)?.images)
}

/// Reads pictures as [`read_image_files`] does, with their names and with warnings: files left out
/// of a folder, grey levels that a picture does not use.
///
/// # Errors
/// If files cannot be read, or are no whole pictures; the message names all of them.
pub fn read_pictures<P: AsRef<Path>>(files: &[P], shape: [usize; 3]) -> Result<Pictures> {
    Ok(beaa_datasets::read_pictures(files, shape)?)
}

/// Reads samples of `shape` (channels, rows, columns) that lie in a file as plain numbers, one
/// after the other: pixels if `white`, their largest number, is stated, real numbers otherwise.
/// Their labels are 0: they are not known. Cells of tables are separated by commas. The sentences
/// beside them are what should be known of them.
///
/// # Errors
/// If the file cannot be read, holds samples of another size, or numbers that are not finite or no
/// pixels of that scale.
pub fn read_numbers(
    file: impl AsRef<Path>,
    format: RowFormat,
    shape: [usize; 3],
    white: Option<PixelScale>,
) -> Result<(LabelledImages, Vec<String>)> {
    let wanted = beaa_datasets::RowShape { shape, names: &[], pixels: white };
    Ok(beaa_datasets::read_rows(file.as_ref(), Some(format), beaa_datasets::Dialect::default(), wanted)?)
}

/// The labels of images of a data set as classes of a network. Which class of the network a class
/// of the data set is, its name says; where one side has no names, its number
/// ([`ClassMap::note`] says so).
///
/// ```
/// # fn main() -> beaa::Result<()> {
/// use beaa::{Classes, Split, labels_for, open_dataset};
///
/// let xrays = open_dataset("pneumoniamnist", &[])?; // normal, pneumonia
/// let network = Classes::new(vec!["pneumonia".into(), "normal".into()], 2, None)?;
/// let test = xrays.split(Split::Test);
/// assert_eq!(labels_for(&network, &xrays, test)?[0], 1 - usize::from(test.labels()[0]));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Mismatch`] if the names differ, or the numbers of classes do; it says both lists.
pub fn labels_for(network: &Classes, dataset: &Dataset, images: &LabelledImages) -> Result<Vec<usize>> {
    Ok(ClassMap::new(network, dataset.classes())?.classes(images.labels()))
}

/// The class of each image by its logits, for the `classes` of the network: the index of the
/// largest logit, the first of equals; or 1 where the only one is above the threshold, else 0.
///
/// ```
/// # fn main() -> beaa::Result<()> {
/// use beaa::{Classes, ImageMajor, classify};
///
/// let score = Classes::new(vec!["healthy".into(), "ill".into()], 1, Some(0.5))?;
/// let found = classify(&score, &ImageMajor::new(3, 1, vec![0.2, 0.5, 0.9])?)?;
/// assert_eq!(found, [0, 0, 1]);
/// assert_eq!(score.name(found[2]), Some("ill"));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Length`] if the logits are not those of the outputs, [`Error::NoClass`] for an image of
/// which no logit is a number.
pub fn classify(classes: &Classes, logits: &ImageMajor<f64>) -> Result<Vec<usize>> {
    if logits.elements() != classes.outputs() {
        return Err(Error::Length { found: logits.elements(), expected: classes.outputs() });
    }
    let found = classes.of(logits).into_iter().enumerate();
    found.map(|(image, class)| class.ok_or(Error::NoClass { image })).collect()
}
