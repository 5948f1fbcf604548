//! Whole and damaged files, orientation, and what becomes of odd samples.

use image::{DynamicImage, GrayAlphaImage, GrayImage, ImageBuffer, Luma, LumaA, RgbImage};

use super::*;
use crate::testing::{Folder, JPEG_FIXTURES, encoded, exif, jpeg_with, png_chunk, png_with};

fn read(bytes: &[u8], shape: [usize; 3]) -> Result<Pixels, Error> {
    let file = Path::new("x");
    convert(file, decode_bytes(file, bytes)?, &Conversion { shape, resize: false })
}

/// 16 x 8 with another level in every block of 8 x 4, and a corner that tells all turns apart.
fn scene() -> GrayImage {
    GrayImage::from_fn(16, 8, |x, y| Luma([(40 * (x / 8) + 90 * (y / 4) + if x + y < 3 { 60 } else { 0 }) as u8]))
}

/// What is stored so that a reader who turns it by `orientation` sees `shown`, from the definition
/// in EXIF 2.3: where the first row and the first column of the stored pixels are shown.
fn stored(shown: &GrayImage, orientation: u8) -> GrayImage {
    let (width, height) = shown.dimensions();
    let (right, bottom) = (width - 1, height - 1);
    let size = if orientation < 5 { (width, height) } else { (height, width) };
    GrayImage::from_fn(size.0, size.1, |column, row| {
        let (x, y) = match orientation {
            1 => (column, row),
            2 => (right - column, row),
            3 => (right - column, bottom - row),
            4 => (column, bottom - row),
            5 => (row, column),
            6 => (right - row, column),
            7 => (right - row, bottom - column),
            _ => (row, bottom - column),
        };
        *shown.get_pixel(x, y)
    })
}

#[test]
fn all_orientations_show_the_same_pixels() {
    let shown = scene();
    for orientation in 1..=8 {
        for big_endian in [false, true] {
            let exif = exif(orientation, big_endian);
            let turned: DynamicImage = stored(&shown, orientation).into();
            let png = png_with(&encoded(turned.clone(), ImageFormat::Png), &png_chunk(b"eXIf", &exif));
            assert_eq!(read(&png, [1, 8, 16]).unwrap().pixels, shown.as_raw()[..], "{orientation}");
            // Before the last chunk, which has no content: after the pixels.
            let plain = encoded(turned.clone(), ImageFormat::Png);
            let (pixels, end) = plain.split_at(plain.len() - 12);
            let png = [pixels, &png_chunk(b"eXIf", &exif), end].concat();
            assert_eq!(read(&png, [1, 8, 16]).unwrap().pixels, shown.as_raw()[..], "{orientation} at the end");
            let jpeg = jpeg_with(&encoded(turned, ImageFormat::Jpeg), &exif);
            let lossy = read(&jpeg, [1, 8, 16]).unwrap().pixels;
            let near = lossy.iter().zip(shown.as_raw()).all(|(a, b)| a.abs_diff(*b) < 60);
            let (sum, of) =
                (lossy.iter().zip(shown.as_raw()).map(|(a, b)| u32::from(a.abs_diff(*b))).sum::<u32>(), 128);
            assert!(near && sum < 6 * of, "{orientation}: {lossy:?}");
        }
    }
}

#[test]
fn an_orientation_that_is_none_turns_nothing() {
    let png = encoded(scene().into(), ImageFormat::Png);
    for bytes in [exif(0, false), exif(9, true), b"II*\0".to_vec(), vec![]] {
        let with = png_with(&png, &png_chunk(b"eXIf", &bytes));
        assert_eq!(read(&with, [1, 8, 16]).unwrap().pixels, scene().as_raw()[..]);
    }
}

#[test]
fn every_prefix_of_a_png_and_every_changed_byte_is_refused() {
    let sixteen: DynamicImage =
        ImageBuffer::<LumaA<u16>, _>::from_fn(5, 3, |x, y| LumaA([999 * x as u16, y as u16])).into();
    for image in [scene().into(), RgbImage::from_fn(9, 7, |x, y| image::Rgb([x as u8, y as u8, 7])).into(), sixteen] {
        let image: DynamicImage = image;
        let shape = shape(&image);
        let file = encoded(image, ImageFormat::Png);
        assert!(read(&file, shape).is_ok());
        assert!(read(&[&file, &b"trailing"[..]].concat(), shape).is_ok());
        for length in 0..file.len() {
            assert!(read(&file[..length], shape).is_err(), "{length} of {}", file.len());
        }
        for at in 0..file.len() {
            let mut changed = file.clone();
            changed[at] ^= 0x10;
            assert!(read(&changed, shape).is_err(), "byte {at}");
        }
    }
}

#[test]
fn a_png_whose_own_checksum_is_wrong_is_refused() {
    let file = encoded(scene().into(), ImageFormat::Png);
    let at = file.windows(4).position(|w| w == b"IDAT").unwrap();
    let length = u32::from_be_bytes(file[at - 4..at].try_into().unwrap()) as usize;
    let mut data = file[at + 4..][..length].to_vec();
    // The last byte of the checksum of the pixels; that of the chunk is made anew.
    *data.last_mut().unwrap() ^= 1;
    let other = [&file[..at - 4], &png_chunk(b"IDAT", &data), &file[at + 8 + length..]].concat();
    assert!(read(&other, [1, 8, 16]).is_err());
}

/// The picture with its rows in the seven passes of Adam7 (PNG, section 8.2).
fn interlaced(image: &GrayImage) -> Vec<u8> {
    let (width, height) = image.dimensions();
    let passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)];
    let mut rows = Vec::new();
    for (left, top, right, down) in passes {
        for y in (top..height).step_by(down).filter(|_| left < width) {
            rows.push(0);
            rows.extend((left..width).step_by(right).map(|x| image.get_pixel(x, y).0[0]));
        }
    }
    let mut data = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut data, &rows).unwrap();
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 0, 0, 0, 1]].concat();
    let chunk = |kind: &[u8; 4], data: &[u8]| png_chunk(kind, data);
    let data = data.finish().unwrap();
    [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(b"IHDR", &header), chunk(b"IDAT", &data), chunk(b"IEND", b"")].concat()
}

#[test]
fn interlaced_png_is_the_same_picture() {
    for (width, height) in [(16, 8), (1, 1), (3, 2), (9, 13)] {
        let image = GrayImage::from_fn(width, height, |x, y| Luma([(17 * x + 31 * y) as u8]));
        let file = interlaced(&image);
        assert_eq!(read(&file, shape(&image.clone().into())).unwrap().pixels, image.as_raw()[..]);
        for length in 0..file.len() {
            assert!(read(&file[..length], [1, 8, 16]).is_err());
        }
    }
    // A row less than the header says, in an archive that is whole otherwise.
    let mut short = interlaced(&GrayImage::from_pixel(16, 8, Luma([5])));
    let header = [&16_u32.to_be_bytes()[..], &9_u32.to_be_bytes(), &[8, 0, 0, 0, 1]].concat();
    short.splice(8..33, png_chunk(b"IHDR", &header));
    assert!(read(&short, [1, 9, 16]).is_err());
}

#[test]
fn sizes_are_bounded_before_anything_is_decoded() {
    let mut png = encoded(scene().into(), ImageFormat::Png);
    let header = [&20_000_u32.to_be_bytes()[..], &8_u32.to_be_bytes(), &[8, 0, 0, 0, 0]].concat();
    png.splice(8..33, png_chunk(b"IHDR", &header));
    let error = read(&png, [1, 8, 16]).err().unwrap().to_string();
    assert!(error.contains("20000 x 8 pixels"), "{error}");
}

#[test]
fn jpeg_of_all_codings_is_the_same_scene() {
    let read = |i: usize, channels| read(JPEG_FIXTURES[i].1, [channels, 37, 45]).unwrap().pixels;
    let baseline = read(0, 3);
    for i in [1, 2, 4] {
        let other = read(i, 3);
        let sum: u32 = baseline.iter().zip(&other).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
        assert!(sum < 12 * baseline.len() as u32, "{}: {}", JPEG_FIXTURES[i].0, sum / baseline.len() as u32);
    }
    let (grey, scene) = (read(3, 1), RgbImage::from_raw(45, 37, interleaved(&baseline)).unwrap());
    let scene = DynamicImage::from(scene).into_luma8().into_raw();
    let sum: u32 = grey.iter().zip(&scene).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
    // Two definitions of grey: Rec. 601 in the file, Rec. 709 here.
    assert!(sum < 30 * grey.len() as u32, "{}", sum / grey.len() as u32);
}

fn interleaved(planes: &[u8]) -> Vec<u8> {
    let plane = planes.len() / 3;
    (0..planes.len()).map(|i| planes[i % 3 * plane + i / 3]).collect()
}

#[test]
fn transparent_pixels_count_with_their_colour() {
    let image = GrayAlphaImage::from_fn(2, 1, |x, _| LumaA([100 + x as u8, 0]));
    assert_eq!(read(&encoded(image.into(), ImageFormat::Png), [1, 1, 2]).unwrap().pixels, [100, 101]);
}

#[test]
fn declared_bits_are_used() {
    let image: DynamicImage = ImageBuffer::<Luma<u16>, _>::from_raw(2, 1, vec![4095_u16, 273]).unwrap().into();
    let png = encoded(image, ImageFormat::Png);
    let plain = read(&png, [1, 1, 2]).unwrap();
    assert_eq!((plain.pixels, plain.levels.unwrap().largest), (vec![16, 1], 4095));
    let declared = read(&png_with(&png, &png_chunk(b"sBIT", &[12])), [1, 1, 2]).unwrap();
    assert_eq!((declared.pixels, declared.levels.unwrap().scaled_from), (vec![255, 17], Some(12)));
}

#[test]
fn animations_and_other_formats_are_named() {
    let png = encoded(scene().into(), ImageFormat::Png);
    let animated = png_with(&png, &png_chunk(b"acTL", &[0, 0, 0, 2, 0, 0, 0, 0]));
    for (bytes, name) in [
        (&animated[..], "animated PNG"),
        (b"GIF89a\x01\x00\x01\x00\x00\x00\x00", "found GIF, expected PNG or JPEG"),
        (b"II*\0\x08\0\0\0", "found TIFF"),
        (b"", "it is empty"),
        (b"text", "no known format"),
    ] {
        let error = read(bytes, [1, 8, 16]).err().unwrap().to_string();
        assert!(error.contains(name) && !error.contains('\n'), "{error}");
    }
}

#[test]
fn what_is_no_file_is_refused() {
    let folder = Folder::new();
    assert!(matches!(size_and_colour(folder.path()), Err(Error::NoFile(_))));
    #[cfg(unix)]
    assert!(matches!(size_and_colour(Path::new("/dev/null")), Err(Error::NoFile(_))));
}
