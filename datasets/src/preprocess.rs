//! Cuts out, frames and resizes images in memory, as the steps of a
//! [`Preprocessing`](beaa_base::preprocessing) say, plane by plane.

use std::borrow::Cow;
use std::path::Path;

use beaa_base::preprocessing::{Border, Preprocessing, PreprocessingStep, Window};
use image::GrayImage;
use image::imageops::{FilterType, resize};
use rayon::prelude::*;

use crate::error::Error;
use crate::images::{Images, Values};
use crate::resize::{afford_on_threads, resizing_bytes};

impl Images {
    /// The images as a network takes them whose pictures are preprocessed as `wanted` says: what
    /// comes as it is preprocessed now, and what a data set's description has preprocessed in the
    /// same way is left alone. Without `wanted`, all is left alone.
    ///
    /// # Errors
    /// [`Error::OtherPreprocessing`] for pictures of another size, real numbers, or images that
    /// were preprocessed in another way.
    pub fn preprocessed(&self, wanted: Option<&Preprocessing>) -> Result<Cow<'_, Self>, Error> {
        match (wanted, self.preprocessing()) {
            (None, _) => Ok(Cow::Borrowed(self)),
            (Some(wanted), Some(done)) if wanted == done => Ok(Cow::Borrowed(self)),
            (Some(wanted), Some(done)) => Err(Error::OtherPreprocessing {
                found: format!("images that were preprocessed: {done}"),
                expected: wanted.to_string(),
                remedy: "leave \"preprocess\" out of the data set's description, or make it that of the network",
            }),
            (Some(wanted), None) => preprocess(self, wanted).map(Cow::Owned),
        }
    }
}

/// Applies `steps` to pictures that nothing has been done to.
///
/// # Errors
/// As [`Images::preprocessed`].
pub(crate) fn preprocess(images: &Images, preprocessing: &Preprocessing) -> Result<Images, Error> {
    let wrong = |found: String| Error::OtherPreprocessing {
        found,
        expected: format!("{:?} (channels, rows, columns): {preprocessing}", preprocessing.from()),
        remedy: "give the pictures as they come, neither cropped nor resized",
    };
    let Values::Pixels(pixels) = images.values() else { return Err(wrong("real numbers".to_owned())) };
    if images.shape() != preprocessing.from() {
        return Err(wrong(format!("images of {:?}", images.shape())));
    }
    let [channels, height, width] = preprocessing.from();
    let of_image = |image: &[u8]| -> Vec<u8> {
        let planes = image.chunks_exact(height * width);
        planes.map(|plane| of_plane(plane, preprocessing)).collect::<Vec<_>>().concat()
    };
    let size = preprocessing.shape().iter().product::<usize>();
    crate::bounded_reader::afford(Path::new("the preprocessed images"), (images.len() * size) as u64)?;
    afford_on_threads(format!("preprocessing pictures ({preprocessing})"), working_bytes(preprocessing))?;
    let all: Vec<Vec<u8>> = pixels.par_chunks_exact(channels * height * width).map(of_image).collect();
    Ok(images.with_preprocessed(preprocessing, all.concat()))
}

/// Bytes of one channel of one picture while it is preprocessed: that before and after a step, and
/// what is between them.
fn working_bytes(preprocessing: &Preprocessing) -> u64 {
    // Sides are at most 2^14.
    let pixels = |[height, width]: [usize; 2]| (height * width) as u64;
    let of_step = |(step, before, after): (&PreprocessingStep, _, _)| {
        let between = if matches!(step, PreprocessingStep::Resize(_)) { resizing_bytes(before, after) } else { 0 };
        pixels(before) + pixels(after) + between
    };
    preprocessing.sized_steps().map(of_step).fold(0, u64::max)
}

/// One channel of one picture.
fn of_plane(plane: &[u8], preprocessing: &Preprocessing) -> Vec<u8> {
    let mut plane = Cow::Borrowed(plane);
    for (step, before, after) in preprocessing.sized_steps() {
        plane = Cow::Owned(match step {
            PreprocessingStep::Crop(window) => crop(&plane, before[1], window),
            PreprocessingStep::Pad(border) => pad(&plane, before[1], after, border),
            PreprocessingStep::Resize(_) => resized(plane.into_owned(), before, after),
        });
    }
    plane.into_owned()
}

fn crop(plane: &[u8], width: usize, window: &Window) -> Vec<u8> {
    let mut cropped = Vec::with_capacity(window.height * window.width);
    for row in plane.chunks_exact(width).skip(window.top).take(window.height) {
        cropped.extend_from_slice(&row[window.left..window.left + window.width]);
    }
    cropped
}

fn pad(plane: &[u8], width: usize, [rows, columns]: [usize; 2], border: &Border) -> Vec<u8> {
    let mut padded = vec![border.value; rows * columns];
    for (row, to) in plane.chunks_exact(width).zip(padded.chunks_exact_mut(columns).skip(border.top)) {
        to[border.left..border.left + width].copy_from_slice(row);
    }
    padded
}

fn resized(plane: Vec<u8>, [height, width]: [usize; 2], [rows, columns]: [usize; 2]) -> Vec<u8> {
    // Sides are at most 2^14.
    let image = GrayImage::from_raw(width as u32, height as u32, plane);
    let image = image.unwrap_or_else(|| unreachable!("a plane of {height} x {width}"));
    resize(&image, columns as u32, rows as u32, FilterType::Triangle).into_raw()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(from: [usize; 3], steps: &str) -> Preprocessing {
        Preprocessing::new(from, serde_json::from_str(steps).unwrap()).unwrap()
    }

    /// Two images of 2 x 3 x 4 whose pixels count up.
    fn images() -> Images {
        Images::new("t", [2, 3, 4], (0..48).collect(), vec![0, 1]).unwrap().with_names(vec!["a".into(), "b".into()])
    }

    #[test]
    fn a_window_is_cut_out_of_every_channel() {
        let crop = steps([2, 3, 4], r#"[{"crop": {"top": 1, "left": 2, "height": 2, "width": 1}}]"#);
        let cut = images().preprocessed(Some(&crop)).unwrap().into_owned();
        assert_eq!((cut.shape(), cut.labels(), cut.names().unwrap()[1].as_str()), ([2, 2, 1], &[0, 1][..], "b"));
        assert_eq!(cut.pixels(), [6, 10, 18, 22, 30, 34, 42, 46]);
    }

    #[test]
    fn a_frame_is_put_around_and_can_be_cut_off_again() {
        let text = r#"[{"pad": {"top": 1, "right": 2, "value": 9}}]"#;
        let padded = images().take(1).preprocessed(Some(&steps([2, 3, 4], text))).unwrap().into_owned();
        assert_eq!(padded.shape(), [2, 4, 6]);
        assert_eq!(padded.pixels()[..12], [9, 9, 9, 9, 9, 9, 0, 1, 2, 3, 9, 9]);
        let both = r#"[{"pad": {"top": 1, "left": 1, "bottom": 1, "right": 1, "value": 200}},
            {"crop": {"top": 1, "left": 1, "height": 3, "width": 4}}]"#;
        assert_eq!(images().preprocessed(Some(&steps([2, 3, 4], both))).unwrap().pixels(), images().pixels());
    }

    #[test]
    fn resizing_is_that_of_picture_files() {
        let picture: Vec<u8> = (0..3 * 20 * 24).map(|i: usize| (i * 37 % 256) as u8).collect();
        let folder = crate::testing::Folder::new();
        let path = folder.path().join("a.png");
        let interleaved: Vec<u8> =
            (0..480).flat_map(|i| (0..3).map(move |c| c * 480 + i)).map(|i| picture[i]).collect();
        image::RgbImage::from_raw(24, 20, interleaved).unwrap().save(&path).unwrap();
        let read = crate::read_pictures(&[&path], [3, 7, 9]).unwrap().images;
        let images = Images::new("t", [3, 20, 24], picture, vec![0]).unwrap();
        let resize = steps([3, 20, 24], r#"[{"resize": {"height": 7, "width": 9}}]"#);
        assert_eq!(images.preprocessed(Some(&resize)).unwrap().pixels(), read.pixels());
    }

    #[test]
    fn what_is_between_counts_as_what_comes_of_it() {
        let text = r#"[{"pad": {"right": 16380, "value": 0}}, {"resize": {"height": 16384, "width": 1}},
            {"crop": {"top": 0, "left": 0, "height": 1, "width": 1}}]"#;
        assert_eq!(working_bytes(&steps([1, 3, 4], text)), (1 << 32) + 3 * (1 << 14) + (1 << 14));
    }

    #[test]
    fn nothing_is_done_twice_or_to_other_pictures() {
        let crop = steps([2, 3, 4], r#"[{"crop": {"top": 0, "left": 0, "height": 3, "width": 3}}]"#);
        let once = images().preprocessed(Some(&crop)).unwrap().into_owned();
        assert_eq!(once.preprocessed(Some(&crop)).unwrap().as_ref(), &once);
        assert_eq!(once.subset(&[1]).take(1).preprocessing(), Some(&crop));
        let other = steps([2, 3, 4], r#"[{"crop": {"top": 0, "left": 1, "height": 3, "width": 3}}]"#);
        let message = |result: Result<Cow<'_, Images>, Error>| result.unwrap_err().to_string();
        assert!(message(once.preprocessed(Some(&other))).contains("were preprocessed"));
        let larger = steps([2, 4, 4], r#"[{"resize": {"height": 3, "width": 4}}]"#);
        let found = message(images().preprocessed(Some(&larger)));
        assert!(found.contains("images of [2, 3, 4]") && found.contains("[2, 4, 4]"), "{found}");
    }
}
