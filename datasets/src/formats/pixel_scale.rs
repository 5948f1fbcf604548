//! What white is in a file of plain numbers that are pixels. It is stated, never guessed: a file
//! that is all black looks the same in either scale.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::wrong_cells::WrongCells;
use crate::error::Error;
use crate::images::{Images, Values};

/// The scale of pixels: from 0 (black) to this (white).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub enum PixelScale {
    /// 0 to 1; rounded to the nearest of 256 levels.
    One,
    /// 0 to 255; rounded to whole numbers.
    Byte,
}

/// What a scale may be.
const EXPECTED: &str = "1 or 255, the number that white is";

impl PixelScale {
    /// What white is.
    fn white(self) -> f64 {
        match self {
            Self::One => 1.0,
            Self::Byte => 255.0,
        }
    }

    /// A number as an 8-bit pixel; none if it is not from black to white.
    #[inline]
    pub(crate) fn pixel(self, number: f64) -> Option<u8> {
        let to_byte = match self {
            Self::One => 255.0,
            Self::Byte => 1.0,
        };
        // Not a number is in no range. Half and more is cut off to the next.
        (0.0..=self.white()).contains(&number).then_some((number * to_byte + 0.5) as u8)
    }

    /// What is no pixel of this scale, for messages.
    pub(crate) fn no_pixel(self) -> String {
        format!("no number from 0 to {self}")
    }

    /// What to do about numbers that are none.
    pub(crate) fn remedy(self) -> &'static str {
        match self {
            Self::One => "state 255 for pixels of 0 to 255, or correct the file",
            Self::Byte => "correct the file, or state 1 for pixels of 0 to 1",
        }
    }

    /// Numbers as pixels; `position` names that of each in messages.
    ///
    /// # Errors
    /// All that are not from black to white.
    pub(crate) fn pixels(
        self,
        path: &Path,
        numbers: &[f32],
        position: impl Fn(usize) -> String,
    ) -> Result<Vec<u8>, Error> {
        let (mut pixels, mut wrong) = (Vec::with_capacity(numbers.len()), WrongCells::default());
        for (i, &number) in numbers.iter().enumerate() {
            match self.pixel(f64::from(number)) {
                Some(pixel) => pixels.push(pixel),
                None => wrong.add(|| format!("{}: {number}", position(i))),
            }
        }
        wrong.check(path, &self.no_pixel(), "pixels of the scale that is stated", self.remedy())?;
        Ok(pixels)
    }

    /// What a user should know of pixels that hardly differ from black.
    pub(crate) fn note(self, path: &Path, pixels: &[u8]) -> Option<String> {
        let brightest = pixels.iter().max()?;
        (self == Self::Byte && *brightest <= 1).then(|| {
            format!("{}: no number above 1 where white is 255; if white is 1 in this file, state that", path.display())
        })
    }
}

/// Samples of real numbers as they are, or as pixels if they are those of a `scale`.
///
/// # Errors
/// As [`PixelScale::pixels`].
pub(crate) fn scaled(path: &Path, samples: Images, scale: Option<PixelScale>) -> Result<Images, Error> {
    let (Some(scale), Values::Reals(reals)) = (scale, samples.values()) else { return Ok(samples) };
    let (size, names) = (samples.shape().iter().product::<usize>(), samples.names());
    let position = |i: usize| match names {
        Some(names) => format!("{}, number {}", names[i / size], i % size),
        None => format!("sample {}, number {}", i / size, i % size),
    };
    let pixels = scale.pixels(path, &reals.numbers, position)?;
    let images = Images::new(path, samples.shape(), pixels, samples.labels().to_vec())?;
    Ok(match names {
        Some(names) => images.with_names(names.to_vec()),
        None => images,
    })
}

impl fmt::Display for PixelScale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.white())
    }
}

impl TryFrom<u64> for PixelScale {
    type Error = String;

    fn try_from(white: u64) -> Result<Self, String> {
        match white {
            1 => Ok(Self::One),
            255 => Ok(Self::Byte),
            other => Err(format!("pixels of 0 to {other}; expected {EXPECTED}")),
        }
    }
}

impl From<PixelScale> for u64 {
    fn from(scale: PixelScale) -> Self {
        match scale {
            PixelScale::One => 1,
            PixelScale::Byte => 255,
        }
    }
}

impl FromStr for PixelScale {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse::<u64>().map_err(|_| format!("expected {EXPECTED}")).and_then(Self::try_from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_pixels_of_the_scale_that_is_stated() {
        let path = Path::new("a.txt");
        let of = |scale: PixelScale, numbers: &[f32]| scale.pixels(path, numbers, |i| format!("number {i}"));
        assert_eq!(of(PixelScale::One, &[0.0, 0.498_039, 1.0]).unwrap(), [0, 127, 255]);
        assert_eq!(of(PixelScale::Byte, &[0.0, 126.6, 255.0]).unwrap(), [0, 127, 255]);
        let found = of(PixelScale::One, &[0.5, 255.0, f32::NAN, -0.1]).unwrap_err().to_string();
        assert!(found.contains("3 cells that are no number from 0 to 1: number 1: 255; number 2: NaN"), "{found}");
        assert!(found.contains("state 255"), "{found}");
        assert!(of(PixelScale::Byte, &[255.5]).unwrap_err().to_string().contains("from 0 to 255"));
    }

    #[test]
    fn a_scale_is_1_or_255() {
        assert_eq!(["1".parse(), "255".parse()], [Ok(PixelScale::One), Ok(PixelScale::Byte)]);
        for wrong in ["0", "256", "1.0", "x"] {
            assert!(wrong.parse::<PixelScale>().unwrap_err().contains("1 or 255"), "{wrong}");
        }
        assert!(PixelScale::Byte.note(Path::new("a"), &[0, 1]).unwrap().contains("if white is 1"));
        assert_eq!(PixelScale::Byte.note(Path::new("a"), &[0, 2]), None);
        assert_eq!(PixelScale::One.note(Path::new("a"), &[0, 1]), None);
    }
}
