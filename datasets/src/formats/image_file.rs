//! One image file (PNG or JPEG) as pixels of a chosen shape. The decoder refuses sizes beyond its
//! limits.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use beaa_base::input;
use image::imageops::FilterType;
use image::{ColorType, DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use crate::error::Error;

/// Larger images are refused; a decoder may not allocate more than their pixels.
const LARGEST_SIDE: u32 = 1 << 14;
const MOST_MEMORY: u64 = 512 << 20;

/// Reads a PNG or JPEG file as `[channel][row][column]` pixels, stretched and converted to `shape`:
/// channels (1 grey, 3 colour), height, width.
///
/// # Errors
/// A shape that no image can be converted to, a file that cannot be read or is no such image.
pub fn read_image_file(file: &Path, shape: [usize; 3]) -> Result<Vec<u8>, Error> {
    check_shape(file, shape)?;
    pixels(file, &Conversion { shape, resize: true })
}

/// Refuses shapes that no image can be converted to.
pub(crate) fn check_shape(path: &Path, shape: [usize; 3]) -> Result<(), Error> {
    let side = 1..=LARGEST_SIDE as usize;
    let fine = matches!(shape[0], 1 | 3) && side.contains(&shape[1]) && side.contains(&shape[2]);
    let found = || shape.iter().map(|&side| side as u64).collect();
    let expected = "1 (grey) or 3 (colour) channels and sides of 1 to 16384 in the configured shape";
    if fine { Ok(()) } else { Err(Error::WrongShape { file: path.to_owned(), found: found(), expected }) }
}

/// The shape of an image as it is stored; its pixels are not decoded.
pub(crate) fn stored_shape(file: &Path) -> Result<[usize; 3], Error> {
    let decoder = open(file)?.into_decoder().map_err(|error| not_an_image(file, error.to_string()))?;
    let (width, height) = decoder.dimensions();
    Ok(shape(decoder.color_type(), width, height))
}

/// Height and width of an image, and whether any pixel is not grey (many grey images are saved in
/// colour).
pub(crate) fn size_and_colour(file: &Path) -> Result<([usize; 2], bool), Error> {
    let image = decode(file)?;
    let [channels, height, width] = shape_of(&image);
    let grey = |pixel: &image::Rgb<u8>| pixel.0[0] == pixel.0[1] && pixel.0[1] == pixel.0[2];
    Ok(([height, width], channels == 3 && !image.into_rgb8().pixels().all(grey)))
}

/// What every image becomes; without `resize` it must have that shape already.
pub(crate) struct Conversion {
    pub(crate) shape: [usize; 3],
    pub(crate) resize: bool,
}

/// The pixels of an image file, `[channel][row][column]`.
pub(crate) fn pixels(file: &Path, target: &Conversion) -> Result<Vec<u8>, Error> {
    let image = decode(file)?;
    let found = shape_of(&image);
    if !target.resize && found != target.shape {
        return Err(Error::MixedSizes { file: file.to_owned(), found, expected: target.shape });
    }
    let [channels, height, width] = target.shape;
    let sized = if found[1..] == target.shape[1..] {
        image
    } else {
        image.resize_exact(width as u32, height as u32, FilterType::Triangle)
    };
    if channels == 1 {
        return Ok(sized.into_luma8().into_raw());
    }
    let colour = sized.into_rgb8().into_raw();
    let mut planes = Vec::with_capacity(colour.len());
    for channel in 0..channels {
        planes.extend(colour.iter().skip(channel).step_by(channels));
    }
    Ok(planes)
}

/// Decodes a PNG or JPEG; depth and transparency are dropped later.
fn decode(file: &Path) -> Result<DynamicImage, Error> {
    open(file)?.decode().map_err(|error| not_an_image(file, error.to_string()))
}

/// Opens a PNG or JPEG, recognised by its first bytes.
fn open(file: &Path) -> Result<ImageReader<BufReader<File>>, Error> {
    let bad = |reason: String| not_an_image(file, reason);
    if file.is_dir() {
        return Err(bad("a folder inside the folder of a class".to_owned()));
    }
    let error = |error| Error::io(file, error);
    // By its bytes alone: an extension neither helps nor hurts.
    let bytes = BufReader::new(input::open("reading", file).map_err(Error::path)?);
    let mut reader = ImageReader::new(bytes).with_guessed_format().map_err(error)?;
    match reader.format() {
        Some(ImageFormat::Png | ImageFormat::Jpeg) => {}
        Some(other) => return Err(bad(format!("looks like {other:?}"))),
        None => return Err(bad("its first bytes are of no known format".to_owned())),
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(LARGEST_SIDE);
    limits.max_image_height = Some(LARGEST_SIDE);
    limits.max_alloc = Some(MOST_MEMORY);
    reader.limits(limits);
    Ok(reader)
}

fn not_an_image(file: &Path, reason: String) -> Error {
    Error::NotAnImage { file: file.to_owned(), reason }
}

fn shape_of(image: &DynamicImage) -> [usize; 3] {
    shape(image.color(), image.width(), image.height())
}

fn shape(colour: ColorType, width: u32, height: u32) -> [usize; 3] {
    [if colour.has_color() { 3 } else { 1 }, height as usize, width as usize]
}
