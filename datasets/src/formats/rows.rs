//! Files of samples without labels, for a network that is there already: tables, plain text, NumPy
//! arrays and raw bytes, of real numbers or of pixels.

use std::path::Path;

use super::csv::{Dialect, read_csv_rows};
use super::npy_rows::read_npy_rows;
use super::pixel_scale::{PixelScale, scaled};
use super::text_rows::{Allowed, read_text_rows};
use crate::bounded_reader::BoundedReader;
use crate::error::Error;
use crate::images::{Images, Reals, Values};

/// Files of raw bytes are no longer: 2 GiB.
const MOST_BYTES: u64 = 1 << 31;

/// How a file of samples is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowFormat {
    /// A table, one sample a line, its cells separated as [`Dialect`] says.
    Csv,
    /// Numbers separated by blanks or tabs, one sample a line.
    Text,
    /// A NumPy array, samples first; images have their channels first or last.
    Npy,
    /// Pixels as unsigned bytes, one sample after the other and nothing else.
    Bytes,
}

/// What the samples of a file should be.
#[derive(Debug, Clone, Copy)]
pub struct RowShape<'a> {
    /// Channels, height, width of a sample.
    pub shape: [usize; 3],
    /// The names of the network's channels, by which columns are found; may be empty.
    pub names: &'a [String],
    /// What white is, if the numbers are pixels; real numbers otherwise.
    pub pixels: Option<PixelScale>,
}

/// Reads samples without labels (all are 0), and says what a user should know of them. Without a
/// `format`, NumPy arrays are known by their first bytes, and all else is a table; `dialect` is
/// that of tables.
///
/// # Errors
/// Whatever is wrong with the file; samples of another size, numbers that are not finite, pixels
/// that are not from black to white.
pub fn read_rows(
    path: &Path,
    format: Option<RowFormat>,
    dialect: Dialect,
    wanted: RowShape<'_>,
) -> Result<(Images, Vec<String>), Error> {
    let format = match format {
        Some(stated) => stated,
        None => recognised(path)?,
    };
    let (images, mut notes) = match (format, wanted.pixels) {
        (RowFormat::Bytes, Some(PixelScale::Byte)) => (bytes(path, wanted.shape)?, Vec::new()),
        (RowFormat::Bytes, _) => {
            let (found, expected) = ("raw bytes", "pixels from 0 to 255");
            let remedy = "state that white is 255, or give real numbers as text or as a NumPy array";
            return Err(Error::table(path, "", found, expected, remedy));
        }
        (RowFormat::Text, _) => (text(path, wanted)?, Vec::new()),
        (RowFormat::Npy, _) => {
            (scaled(path, read_npy_rows(path, wanted.shape, wanted.names)?, wanted.pixels)?, Vec::new())
        }
        (RowFormat::Csv, _) => {
            let (rows, notes) = read_csv_rows(path, dialect, wanted.shape, wanted.names)?;
            (scaled(path, rows, wanted.pixels)?, notes)
        }
    };
    if let (Some(scale), Values::Pixels(pixels)) = (wanted.pixels, images.values()) {
        notes.extend(scale.note(path, pixels));
    }
    Ok((images, notes))
}

/// A NumPy array, or else a table.
fn recognised(path: &Path) -> Result<RowFormat, Error> {
    let start = BoundedReader::open(path)?.at_most(8)?;
    if start.starts_with(b"PK") {
        let (found, expected) = ("an archive", "a table (CSV), text, or one array (.npy)");
        return Err(Error::table(path, "", found, expected, "save the array alone with numpy.save"));
    }
    Ok(if start.starts_with(b"\x93NUMPY") { RowFormat::Npy } else { RowFormat::Csv })
}

fn text(path: &Path, wanted: RowShape<'_>) -> Result<Images, Error> {
    let width = wanted.shape.iter().product();
    let named = |images: Images, lines: &[u64]| images.with_names(lines.iter().map(|n| format!("line {n}")).collect());
    if let Some(scale) = wanted.pixels {
        let mut pixels = Vec::new();
        let push = |number| match scale.pixel(number) {
            Some(pixel) => {
                pixels.push(pixel);
                true
            }
            None => false,
        };
        let allowed = Allowed { width, wrong: &scale.no_pixel(), remedy: scale.remedy() };
        let lines = read_text_rows(path, &allowed, push)?;
        return Ok(named(Images::new(path, wanted.shape, pixels, vec![0; lines.len()])?, &lines));
    }
    let mut numbers = Vec::new();
    let push = |number| {
        numbers.push(number as f32);
        (number as f32).is_finite()
    };
    let remedy = "fill in what is missing, or leave out these lines";
    let lines = read_text_rows(path, &Allowed { width, wrong: "no finite number", remedy }, push)?;
    let channels = super::sample_shape::channel_names(Some(wanted.names.to_vec()), wanted.shape);
    let reals = Reals { numbers, channels };
    Ok(named(Images::of_reals(path, wanted.shape, reals, vec![0; lines.len()])?, &lines))
}

fn bytes(path: &Path, shape: [usize; 3]) -> Result<Images, Error> {
    let mut input = BoundedReader::open(path)?;
    let pixels = input.at_most(MOST_BYTES)?;
    input.end()?;
    let size = shape.iter().product::<usize>();
    if pixels.is_empty() {
        return Err(Error::NoImages { file: path.to_owned() });
    }
    if !pixels.len().is_multiple_of(size) {
        let (found, expected) = (format!("{} bytes", pixels.len()), format!("{size} for each image of {shape:?}"));
        return Err(Error::table(path, "", found, expected, "give whole images, without a header"));
    }
    let count = pixels.len() / size;
    let images = Images::new(path, shape, pixels, vec![0; count])?;
    Ok(images.with_names((0..count).map(|i| format!("image {i}")).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Folder, gz, npy};

    const SHAPE: [usize; 3] = [1, 1, 2];

    fn read(bytes: &[u8], format: Option<RowFormat>, shape: [usize; 3], pixels: Option<u64>) -> Result<Images, String> {
        let folder = Folder::new();
        let path = folder.write("a", bytes);
        let pixels = pixels.map(|white| PixelScale::try_from(white).unwrap());
        let wanted = RowShape { shape, names: &[], pixels };
        read_rows(&path, format, Dialect::default(), wanted).map(|read| read.0).map_err(|error| error.to_string())
    }

    #[test]
    fn pixels_come_in_every_form() {
        use RowFormat::{Bytes, Csv, Npy, Text};
        for (bytes, format, white) in [
            (&b"0.2 1\n0 0.498039\n"[..], Some(Text), 1),
            (b"51 255\n0 127", Some(Text), 255),
            (b"51,255\n0,127\n", None, 255),
            (b"a,b\n0.2,1\n0,0.498039\n", Some(Csv), 1),
            (&[51, 255, 0, 127], Some(Bytes), 255),
            (&npy("|u1", false, "(2, 2)", &[51, 255, 0, 127]), None, 255),
            (&gz(npy("|u1", false, "(2, 2)", &[51, 255, 0, 127])), None, 255),
            (&npy("|u1", true, "(2, 1, 2)", &[51, 0, 255, 127]), Some(Npy), 255),
        ] {
            let images = read(bytes, format, SHAPE, Some(white)).unwrap();
            assert_eq!((images.pixels(), images.labels()), (&[51, 255, 0, 127][..], &[0, 0][..]), "{format:?}");
            assert!(images.names().is_some(), "{format:?}");
        }
        assert_eq!(read(b"0.5 -3\n", Some(Text), SHAPE, None).unwrap().reals().unwrap().numbers, [0.5, -3.0]);
    }

    #[test]
    fn a_wrong_scale_is_refused() {
        for (format, bytes) in [
            (RowFormat::Text, &b"0 2\n"[..]),
            (RowFormat::Csv, b"0,2\n"),
            (RowFormat::Npy, &npy("|u1", false, "(1, 2)", &[0, 2])),
        ] {
            let found = read(bytes, Some(format), SHAPE, Some(1)).unwrap_err();
            assert!(found.contains("no number from 0 to 1") && found.contains("number 1"), "{format:?}: {found}");
        }
        assert!(read(&[0, 1], Some(RowFormat::Bytes), SHAPE, Some(1)).unwrap_err().contains("white is 255"));
        assert!(read(&[0, 1], Some(RowFormat::Bytes), SHAPE, None).unwrap_err().contains("raw bytes"));
        assert!(read(&[0, 1, 2], Some(RowFormat::Bytes), SHAPE, Some(255)).unwrap_err().contains("3 bytes"));
        assert!(read(b"PK\x03\x04", None, SHAPE, Some(255)).unwrap_err().contains("an archive"));
    }

    #[test]
    fn arrays_have_channels_first_or_last() {
        let bytes: Vec<u8> = (0..12).collect();
        let of = |shape: &str, wanted| read(&npy("|u1", false, shape, &bytes), None, wanted, Some(255));
        let in_order = of("(1, 12)", [3, 2, 2]).unwrap();
        assert_eq!(in_order, of("(1, 3, 2, 2)", [3, 2, 2]).unwrap());
        let last = of("(1, 2, 2, 3)", [3, 2, 2]).unwrap();
        assert_eq!(last.pixels(), [0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11]);
        assert_eq!(of("(2, 2, 3)", [1, 2, 3]).unwrap().len(), 2);
        let found = of("(1, 2, 3, 2)", [3, 2, 2]).unwrap_err();
        assert!(found.contains("[1, 2, 3, 2]") && found.contains("[3, 2, 2]"), "{found}");
        let signal: Vec<u8> = [1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        let signal = read(&npy("<f4", false, "(1, 3, 2)", &signal), None, [2, 1, 3], None).unwrap();
        assert_eq!(signal.reals().unwrap().numbers, [1.0, 3.0, 5.0, 2.0, 4.0, 6.0]);
    }
}
