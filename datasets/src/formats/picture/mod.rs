//! One picture file (PNG or JPEG) as pixels of a chosen shape: whole files only, turned as their
//! EXIF data say, with a bound on what they may take. What is transparent counts with its colour;
//! colour profiles and gamma are passed over.

mod depth;
mod jpeg;
mod kind;
mod png;

use std::io::{Cursor, Read};
use std::path::Path;

use beaa_base::input;
use image::imageops::FilterType;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use crate::error::Error;
use crate::resize::afford_resizing;

pub(crate) use depth::Levels;
pub(crate) use kind::Kind;

/// Larger images are refused; a decoder may not allocate more than their pixels.
const LARGEST_SIDE: u32 = 1 << 14;
const MOST_MEMORY: u64 = 512 << 20;
/// Larger files are refused.
const LARGEST_FILE: u64 = 1 << 30;

/// What every image becomes; without `resize` it must have that shape already.
pub(crate) struct Conversion {
    pub(crate) shape: [usize; 3],
    pub(crate) resize: bool,
}

/// The pixels of a file, `[channel][row][column]`.
pub(crate) struct Pixels {
    pub(crate) pixels: Vec<u8>,
    /// How the grey levels are used, where they may be too few.
    pub(crate) levels: Option<Levels>,
}

/// Refuses shapes that no image can be converted to.
pub(crate) fn check_shape(path: &Path, shape: [usize; 3]) -> Result<(), Error> {
    let side = 1..=LARGEST_SIDE as usize;
    let fine = matches!(shape[0], 1 | 3) && side.contains(&shape[1]) && side.contains(&shape[2]);
    let found = || shape.iter().map(|&side| side as u64).collect();
    let expected = "1 (grey) or 3 (colour) channels and sides of 1 to 16384 in the configured shape";
    if fine { Ok(()) } else { Err(Error::WrongShape { file: path.to_owned(), found: found(), expected }) }
}

/// The shape of an image, turned as it is shown.
pub(crate) fn shape_of_file(file: &Path) -> Result<[usize; 3], Error> {
    Ok(shape(&decode(file)?.0))
}

/// Height and width of an image, and whether any pixel is not grey (many grey images are saved in
/// colour).
pub(crate) fn size_and_colour(file: &Path) -> Result<([usize; 2], bool), Error> {
    let (image, _) = decode(file)?;
    let [channels, height, width] = shape(&image);
    let grey = |pixel: &image::Rgb<u8>| pixel.0[0] == pixel.0[1] && pixel.0[1] == pixel.0[2];
    Ok(([height, width], channels == 3 && !image.into_rgb8().pixels().all(grey)))
}

/// The pixels of an image file.
pub(crate) fn pixels(file: &Path, target: &Conversion) -> Result<Pixels, Error> {
    convert(file, decode(file)?, target)
}

fn convert(file: &Path, (image, levels): (DynamicImage, Option<Levels>), target: &Conversion) -> Result<Pixels, Error> {
    let found = shape(&image);
    if !target.resize && found != target.shape {
        return Err(Error::MixedSizes { file: file.to_owned(), found, expected: target.shape });
    }
    let [channels, height, width] = target.shape;
    let sized = if found[1..] == target.shape[1..] {
        image
    } else {
        afford_resizing(file, [found[1], found[2]], [height, width])?;
        image.resize_exact(width as u32, height as u32, FilterType::Triangle)
    };
    if channels == 1 {
        return Ok(Pixels { pixels: sized.into_luma8().into_raw(), levels });
    }
    let colour = sized.into_rgb8().into_raw();
    let mut planes = Vec::with_capacity(colour.len());
    for channel in 0..channels {
        planes.extend(colour.iter().skip(channel).step_by(channels));
    }
    Ok(Pixels { pixels: planes, levels })
}

/// The first bytes of a file, enough for [`Kind::of`].
pub(crate) fn start(file: &Path) -> Result<Vec<u8>, Error> {
    read(file, kind::START as u64)
}

/// An error about a file that cannot be used as a picture.
pub(crate) fn not_an_image(file: &Path, reason: impl Into<String>) -> Error {
    // Decoders write about some faults in several lines.
    let reason: String = reason.into().split_whitespace().collect::<Vec<_>>().join(" ");
    Error::NotAnImage { file: file.to_owned(), reason }
}

/// Decodes a whole PNG or JPEG, turned as it is shown, without transparency.
fn decode(file: &Path) -> Result<(DynamicImage, Option<Levels>), Error> {
    let bytes = read(file, LARGEST_FILE + 1)?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(not_an_image(file, format!("larger than {LARGEST_FILE} bytes")));
    }
    decode_bytes(file, &bytes)
}

fn decode_bytes(file: &Path, bytes: &[u8]) -> Result<(DynamicImage, Option<Levels>), Error> {
    let bad = |reason: String| not_an_image(file, reason);
    let (format, facts) = match Kind::of(file, &bytes[..bytes.len().min(kind::START)]) {
        Kind::Png => (ImageFormat::Png, Some(png::check(bytes, MOST_MEMORY as usize).map_err(bad)?)),
        Kind::Jpeg => {
            jpeg::check(bytes).map_err(bad)?;
            (ImageFormat::Jpeg, None)
        }
        Kind::OtherPicture(found) => return Err(Error::OtherFormat { file: file.to_owned(), found }),
        Kind::CalledPicture | Kind::NoPicture if bytes.is_empty() => return Err(bad("it is empty".to_owned())),
        Kind::CalledPicture | Kind::NoPicture => return Err(bad("its first bytes are of no known format".to_owned())),
    };
    let (mut image, orientation) = decode_as(bytes, format).map_err(|error| bad(error.to_string()))?;
    image.apply_orientation(facts.map_or(orientation, |facts| facts.orientation));
    let mut opaque = match (image.color().has_color(), image.color().bytes_per_pixel() / image.color().channel_count())
    {
        (true, 1) => image.into_rgb8().into(),
        (false, 1) => image.into_luma8().into(),
        (true, _) => image.into_rgb16().into(),
        (false, _) => image.into_luma16().into(),
    };
    let levels = depth::use_levels(&mut opaque, facts.and_then(|facts| facts.significant));
    Ok((opaque, levels))
}

fn decode_as(bytes: &[u8], format: ImageFormat) -> image::ImageResult<(DynamicImage, Orientation)> {
    let mut limits = Limits::default();
    limits.max_image_width = Some(LARGEST_SIDE);
    limits.max_image_height = Some(LARGEST_SIDE);
    limits.max_alloc = Some(MOST_MEMORY);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits.clone());
    let mut decoder = reader.into_decoder()?;
    limits.reserve(decoder.total_bytes())?;
    let orientation = decoder.orientation()?;
    Ok((DynamicImage::from_decoder(decoder)?, orientation))
}

/// At most `most` bytes of a file.
fn read(file: &Path, most: u64) -> Result<Vec<u8>, Error> {
    let opened = input::open("reading", file).map_err(Error::path)?;
    let mut bytes = Vec::new();
    opened.take(most).read_to_end(&mut bytes).map_err(|error| Error::io(file, error))?;
    Ok(bytes)
}

fn shape(image: &DynamicImage) -> [usize; 3] {
    [if image.color().has_color() { 3 } else { 1 }, image.height() as usize, image.width() as usize]
}

#[cfg(test)]
mod tests;
