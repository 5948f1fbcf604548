//! Data sets and image files.

use std::path::{Path, PathBuf};

use beaa_ir::images::ImageMajor;

use crate::{Classes, Error, Result};

pub use beaa_datasets::{Dataset, Images as LabelledImages, Split};

/// Opens a data set by its name in the catalogue, searching `folders` in order. `pneumoniamnist` is
/// built in.
///
/// # Errors
/// If the name is unknown, or the files are in none of the folders; the message says where to get
/// them.
pub fn open_dataset(name: &str, folders: &[PathBuf]) -> Result<Dataset> {
    Ok(beaa_datasets::open(&beaa_datasets::SourceSpec::named(name), folders)?)
}

/// The pixels of labelled images, `[image][channel, row, column]`.
pub fn pixels(images: &LabelledImages) -> ImageMajor<u8> {
    ImageMajor::new(images.len(), images.shape().iter().product(), images.pixels().to_vec())
        .unwrap_or_else(|e| unreachable!("images of a data set are all of their shape: {e}"))
}

/// Reads PNG and JPEG files as pixels `[image][channel, row, column]`, stretched to `shape`
/// (channels, rows, columns) and converted to grey or colour as it says.
///
/// # Errors
/// If a file cannot be read, or is no picture.
pub fn read_image_files<P: AsRef<Path>>(files: &[P], shape: [usize; 3]) -> Result<ImageMajor<u8>> {
    let images = files.iter().map(|file| beaa_datasets::read_image_file(file.as_ref(), shape));
    let images = images.collect::<std::result::Result<Vec<_>, _>>()?;
    Ok(ImageMajor::from_rows(shape.iter().product(), images)?)
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
