//! Images in the form that a model takes them, and which images a model is for.

use anyhow::Result;
use beaa_datasets::{Dataset, Images, SourceSpec, Split};
use beaa_ir::images::ImageMajor;
use beaa_ir::{InputSpec, Model};

use crate::error::{bad_input, bad_setting};

/// Images that errors and margins are predicted on, at most.
const SAMPLES: usize = 4096;
/// Images that a tfhe program is calibrated on and judged by, at most.
const CALIBRATION: usize = 12_000;

/// Normalises images in the order of the set.
///
/// # Errors
/// If the images are not of the shape that `input` wants.
pub fn normalise(images: &Images, input: &InputSpec) -> Result<ImageMajor<f32>> {
    Ok(input.normalise_all(&spread_pixels(images, input, usize::MAX)?)?)
}

/// Takes images of the training split, evenly spread over all and normalised: what errors and
/// margins are predicted on.
///
/// # Errors
/// If the images are not of the shape that the model wants.
pub fn training_images(dataset: &Dataset, model: &Model) -> Result<ImageMajor<f32>> {
    Ok(model.input().normalise_all(&spread_pixels(dataset.split(Split::Train), model.input(), SAMPLES)?)?)
}

/// Takes images of the training split, evenly spread over all, as bytes: what integers are
/// calibrated on.
///
/// # Errors
/// If the images are not of the shape that the model wants.
pub fn calibration_images(dataset: &Dataset, model: &Model) -> Result<ImageMajor<u8>> {
    spread_pixels(dataset.split(Split::Train), model.input(), CALIBRATION)
}

/// Finds the data set that the model says it was trained on.
///
/// # Errors
/// If the model does not say it.
pub fn trained_on(model: &Model) -> Result<SourceSpec> {
    let source = model.provenance().data.as_ref().and_then(|d| d.source.clone());
    source.and_then(|source| serde_json::from_value(source).ok()).ok_or_else(|| {
        bad_setting(format!(
            "choosing the data set: model `{}` does not say what it was trained on; give --data-set",
            model.name()
        ))
    })
}

/// Bits that the pixels were rounded to when the model was trained, if it says so.
pub fn trained_pixel_bits(model: &Model) -> Option<u32> {
    model.provenance().data.as_ref().and_then(|d| d.pixel_bits)
}

/// Checks the images' shape.
///
/// # Errors
/// If it is not what `input` wants.
pub fn check_shape(images: &Images, input: &InputSpec) -> Result<()> {
    if images.shape() == input.shape {
        return Ok(());
    }
    Err(bad_input(format!(
        "preparing images: found images of {:?} (channels, rows, columns), expected {:?}; use the data set that the \
         model was trained on",
        images.shape(),
        input.shape
    )))
}

/// The pixels of at most `most` images, evenly spread.
fn spread_pixels(images: &Images, input: &InputSpec, most: usize) -> Result<ImageMajor<u8>> {
    check_shape(images, input)?;
    Ok(ImageMajor::from_rows(input.shape().len(), spread(images, most))?)
}

/// At most `most` images, evenly spread.
fn spread(images: &Images, most: usize) -> impl Iterator<Item = &[u8]> {
    let step = images.len().div_ceil(most).max(1);
    images.rows().step_by(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_images_of_the_right_shape() {
        let images = Images::new("t", [1, 1, 2], vec![0, 255, 255, 0], vec![0, 0]).unwrap();
        let spec = InputSpec::pixels([1, 1, 2], vec![0.5], vec![0.5]);
        assert_eq!(normalise(&images, &spec).unwrap().data(), [-1.0, 1.0, 1.0, -1.0]);
        let other = InputSpec { shape: [1, 2, 1], ..spec };
        assert!(normalise(&images, &other).unwrap_err().to_string().contains("[1, 2, 1]"));
    }
}
