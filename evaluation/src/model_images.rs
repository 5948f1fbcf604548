//! Images in the form that a model takes them, and which images a model is for.

use std::borrow::Cow;

use anyhow::Result;
use beaa_datasets::{Dataset, Images, Reals, SourceSpec, Split, Values};
use beaa_ir::images::ImageMajor;
use beaa_ir::{InputSpec, Model, OutOfRange};

use crate::error::{bad_input, bad_setting};

/// Images that errors are predicted on, at most.
const SAMPLES: usize = 4096;
/// Images that agreement is measured on, at most.
const MOST_HELD_OUT: usize = 1 << 14;
/// Images that a tfhe program is calibrated on and judged by, at most.
const CALIBRATION: usize = 12_000;
/// So many numbers outside of their range are shown.
const SHOWN: usize = 6;

/// Normalises images, rows or signals in the order of the set.
///
/// # Errors
/// If they are not of the shape and kind that `input` wants.
pub fn normalise(images: &Images, input: &InputSpec) -> Result<ImageMajor<f32>> {
    spread_normalised(images, input, usize::MAX)
}

/// The images that a program is planned with, normalised.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanningImages {
    /// Of the training split, evenly spread over all: what errors and ranges are predicted on.
    pub training: ImageMajor<f32>,
    /// Of the validation split, where the model is known not to have been trained on it: what
    /// agreement is measured on.
    pub held_out: Option<ImageMajor<f32>>,
}

/// Takes the images that a program of `model` is planned with. Those of the validation split were
/// held out if the model says that it was trained on this data set, split like this.
///
/// # Errors
/// If the images are not of the shape that the model wants.
pub fn planning_images(dataset: &Dataset, model: &Model) -> Result<PlanningImages> {
    let training = spread_normalised(dataset.split(Split::Train), model.input(), SAMPLES)?;
    let checksum = model.provenance().data.as_ref().and_then(|d| d.checksum.as_ref());
    let validation = dataset.split(Split::Validation);
    let held_out = !validation.is_empty() && checksum.is_some_and(|c| *c == dataset.checksum());
    let held_out = held_out.then(|| spread_normalised(validation, model.input(), MOST_HELD_OUT)).transpose()?;
    Ok(PlanningImages { training, held_out })
}

/// Takes images of the training split, evenly spread over all, as bytes (real numbers as
/// [`InputSpec::steps`] gives them): what integers are calibrated on.
///
/// # Errors
/// If the images are not of the shape that the model wants.
pub fn calibration_images(dataset: &Dataset, model: &Model) -> Result<ImageMajor<u8>> {
    spread_bytes(dataset.split(Split::Train), model.input(), CALIBRATION)
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

/// Gives images as bytes: pixels as they are, real numbers as [`InputSpec::steps`] gives them.
///
/// # Errors
/// If they are not of the shape and kind that `input` wants.
pub fn bytes(images: &Images, input: &InputSpec) -> Result<ImageMajor<u8>> {
    spread_bytes(images, input, usize::MAX)
}

/// The same samples as a network takes them: pictures preprocessed as it was trained to see them,
/// unless they are already; rows with its channels.
///
/// # Errors
/// Pictures that its preprocessing is not for; a channel that is not there.
pub fn as_taken_by<'a>(images: &'a Images, input: &InputSpec) -> Result<Cow<'a, Images>> {
    match images.preprocessed(input.preprocessing.as_ref())? {
        Cow::Borrowed(images) => with_channels_of(images, input),
        Cow::Owned(images) => Ok(Cow::Owned(images)),
    }
}

/// The same samples with the channels that `input` names, in its order, where both have names.
///
/// # Errors
/// If one of the network's channels is not there.
fn with_channels_of<'a>(images: &'a Images, input: &InputSpec) -> Result<Cow<'a, Images>> {
    let (Some(wanted), Some(reals)) = (input.reals(), images.reals()) else { return Ok(Cow::Borrowed(images)) };
    if wanted.names.is_empty() || reals.channels.is_empty() || wanted.names == reals.channels {
        return Ok(Cow::Borrowed(images));
    }
    let position = |name: &String| reals.channels.iter().position(|channel| channel == name);
    let found = wanted.names.iter().map(|name| position(name).ok_or(name)).collect::<Result<Vec<usize>, &String>>();
    let positions = found.map_err(|missing| {
        bad_input(format!(
            "preparing rows: found the columns {}, expected `{missing}` among them; use a data set with the columns \
             that the model was trained on",
            reals.channels.join(", ")
        ))
    })?;
    let [channels, height, width] = images.shape();
    let plane = height * width;
    let samples = reals.numbers.chunks_exact(channels * plane);
    let numbers = samples.flat_map(|sample| positions.iter().flat_map(|&p| &sample[p * plane..][..plane]).copied());
    let chosen = Reals { numbers: numbers.collect(), channels: wanted.names.clone() };
    let shape = [positions.len(), height, width];
    let mut chosen = Images::of_reals("rows", shape, chosen, images.labels().to_vec())?;
    if let Some(names) = images.names() {
        chosen = chosen.with_names(names.to_vec());
    }
    Ok(Cow::Owned(chosen))
}

/// Checks that real numbers are within the range that `input` promises; pixels always are.
///
/// # Errors
/// Names the samples and numbers outside of it.
pub fn check_range(images: &Images, input: &InputSpec) -> Result<()> {
    let (Some(_), Some(reals)) = (input.reals(), images.reals()) else { return Ok(()) };
    check_shape(images, input)?;
    let samples = ImageMajor::new(images.len(), input.shape().len(), reals.numbers.clone())?;
    let outside = input.out_of_range(&samples);
    if outside.is_empty() {
        return Ok(());
    }
    let name = |sample: usize| match images.names() {
        Some(names) => names[sample].clone(),
        None => format!("sample {sample}"),
    };
    let text = |o: &OutOfRange| {
        let (channel, allowed) = (input.channel_name(o.channel), o.allowed);
        format!("{}, {channel}: {}, allowed {} to {}", name(o.sample), o.value, allowed.min, allowed.max)
    };
    let shown: Vec<String> = outside.iter().take(SHOWN).map(text).collect();
    let more = if outside.len() > SHOWN { format!("; and {} more", outside.len() - SHOWN) } else { String::new() };
    let mut samples: Vec<usize> = outside.iter().map(|o| o.sample).collect();
    samples.dedup();
    Err(bad_input(format!(
        "preparing rows: found numbers outside of what the program promises in {} of {}: {}{more}; expected numbers \
         within; correct them, leave these rows out, `beaa encrypt --clip` them, or train with wider \"ranges\"",
        samples.len(),
        images.len(),
        shown.join("; ")
    )))
}

/// Checks the images' shape and kind.
///
/// # Errors
/// If it is not what `input` wants.
pub fn check_shape(images: &Images, input: &InputSpec) -> Result<()> {
    match images.reals() {
        Some(_) => input.expect_reals("preparing samples")?,
        None => input.expect_pixels("preparing images")?,
    }
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

/// At most `most` samples, evenly spread, as `input` takes them.
fn spread<'a>(images: &'a Images, input: &InputSpec, most: usize) -> Result<Cow<'a, Images>> {
    let step = images.len().div_ceil(most).max(1);
    if step == 1 {
        let images = as_taken_by(images, input)?;
        check_shape(&images, input)?;
        return Ok(images);
    }
    let indices: Vec<usize> = (0..images.len()).step_by(step).collect();
    let images = as_taken_by(&images.subset(&indices), input)?.into_owned();
    check_shape(&images, input)?;
    Ok(Cow::Owned(images))
}

fn spread_normalised(images: &Images, input: &InputSpec, most: usize) -> Result<ImageMajor<f32>> {
    let (images, elements) = (spread(images, input, most)?, input.shape().len());
    Ok(match images.values() {
        Values::Pixels(pixels) => input.normalise_all(&ImageMajor::new(images.len(), elements, pixels.clone())?)?,
        Values::Reals(reals) => {
            input.normalise_all_reals(&ImageMajor::new(images.len(), elements, reals.numbers.clone())?)?
        }
    })
}

fn spread_bytes(images: &Images, input: &InputSpec, most: usize) -> Result<ImageMajor<u8>> {
    let (images, elements) = (spread(images, input, most)?, input.shape().len());
    Ok(match images.values() {
        Values::Pixels(pixels) => ImageMajor::new(images.len(), elements, pixels.clone())?,
        Values::Reals(reals) => {
            ImageMajor::from_rows(elements, reals.numbers.chunks_exact(elements).map(|sample| input.steps(sample)))?
        }
    })
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

    fn rows(names: [&str; 2], numbers: &[f32]) -> Images {
        let channels = names.map(str::to_owned).to_vec();
        let count = numbers.len() / 2;
        Images::of_reals("t", [2, 1, 1], Reals { numbers: numbers.to_vec(), channels }, vec![0; count]).unwrap()
    }

    fn age_and_dose() -> InputSpec {
        let names = vec!["age".to_owned(), "dose".to_owned()];
        let channels = beaa_ir::RealChannels { min: vec![0.0, 0.0], max: vec![120.0, 1.0], names };
        let values = beaa_ir::InputValues::Reals(channels);
        InputSpec { values, ..InputSpec::pixels([2, 1, 1], vec![50.0, 0.5], vec![10.0, 0.25]) }
    }

    #[test]
    fn pictures_are_preprocessed_once_as_the_network_says() {
        let crop = r#"{"from":[1,1,4],"steps":[{"crop":{"top":0,"left":1,"height":1,"width":2}}]}"#;
        let preprocessing = Some(serde_json::from_str(crop).unwrap());
        let spec = InputSpec { preprocessing, ..InputSpec::pixels([1, 1, 2], vec![0.0], vec![1.0]) };
        let pictures = Images::new("t", [1, 1, 4], vec![9, 0, 255, 9], vec![0]).unwrap();
        let once = as_taken_by(&pictures, &spec).unwrap();
        assert_eq!(normalise(&pictures, &spec).unwrap(), normalise(&once, &spec).unwrap());
        assert_eq!(normalise(&once, &spec).unwrap().data(), [0.0, 1.0]);
        let cropped_elsewhere = Images::new("t", [1, 1, 2], vec![0, 255], vec![0]).unwrap();
        let found = normalise(&cropped_elsewhere, &spec).unwrap_err().to_string();
        assert!(found.contains("found images of [1, 1, 2]") && found.contains("as they come"), "{found}");
    }

    #[test]
    fn columns_are_matched_by_name() {
        let spec = age_and_dose();
        let expected = [1.0, -2.0, 0.0, 2.0];
        assert_eq!(normalise(&rows(["age", "dose"], &[60.0, 0.0, 50.0, 1.0]), &spec).unwrap().data(), expected);
        let swapped = rows(["dose", "age"], &[0.0, 60.0, 1.0, 50.0]);
        assert_eq!(normalise(&swapped, &spec).unwrap().data(), expected);
        assert_eq!(bytes(&swapped, &spec).unwrap().data(), [128, 0, 106, 255]);
        let other = normalise(&rows(["dose", "weight"], &[0.0, 60.0]), &spec).unwrap_err().to_string();
        assert!(other.contains("`age`") && other.contains("dose, weight"), "{other}");
    }

    #[test]
    fn numbers_out_of_range_are_told_by_sample_and_column() {
        let spec = age_and_dose();
        let samples =
            rows(["age", "dose"], &[60.0, 0.0, 130.0, 2.0]).with_names(vec!["line 2".into(), "line 3".into()]);
        let found = check_range(&samples, &spec).unwrap_err().to_string();
        for part in ["1 of 2", "line 3, `age`: 130, allowed 0 to 120", "`dose`: 2, allowed 0 to 1"] {
            assert!(found.contains(part), "{part}: {found}");
        }
        check_range(&samples.take(1), &spec).unwrap();
    }

    #[test]
    fn pixels_are_not_real_numbers() {
        let pixels = Images::new("t", [2, 1, 1], vec![0, 255], vec![0]).unwrap();
        assert!(normalise(&pixels, &age_and_dose()).unwrap_err().to_string().contains("expected real numbers"));
        let spec = InputSpec::pixels([2, 1, 1], vec![0.5; 2], vec![0.5; 2]);
        let found = normalise(&rows(["a", "b"], &[0.0, 1.0]), &spec).unwrap_err().to_string();
        assert!(found.contains("expected 8-bit pixels"), "{found}");
    }
}
