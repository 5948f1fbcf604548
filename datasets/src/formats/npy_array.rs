//! NumPy arrays of numbers or of names, whatever their type and order: what rows and their labels
//! come in.

use std::path::{Path, PathBuf};

use npyz::Order;

use super::npy::read_header;
use crate::bounded_reader::BoundedReader;
use crate::error::Error;

/// More numbers than this are refused: 2 GiB in single precision.
pub(crate) const MOST_NUMBERS: u64 = 1 << 29;

/// An array, its elements as they are in the file.
pub(crate) struct NumpyArray {
    /// The file (and entry), for errors.
    pub(crate) file: PathBuf,
    /// Lengths of the dimensions, outermost first.
    pub(crate) shape: Vec<usize>,
    element: Element,
    fortran: bool,
    bytes: Vec<u8>,
}

/// What one element is.
#[derive(Debug, Clone, Copy)]
struct Element {
    kind: Kind,
    /// In bytes.
    size: usize,
    big_endian: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Float,
    Signed,
    Unsigned,
    Bool,
    /// UTF-32, padded with zeros.
    Text,
}

impl NumpyArray {
    /// Reads a `.npy` file.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        Self::read(BoundedReader::open(path)?)
    }

    /// Reads an array to its end.
    pub(crate) fn read(mut input: BoundedReader<'_>) -> Result<Self, Error> {
        let file = input.file();
        let header = read_header(&mut input)?;
        let descr = header.dtype().descr();
        let Some(element) = Element::parse(descr.trim_matches('\'')) else {
            let expected = "numbers (f2, f4, f8, integers, bool) or names (U)";
            let remedy = "convert with .astype('float32'), names with .astype(str)";
            return Err(Error::table(&file, "", format!("elements of type {descr}"), expected, remedy));
        };
        let elements = header.shape().iter().try_fold(1_u64, |n, &side| n.checked_mul(side));
        let Some(elements) = elements.filter(|&n| n <= MOST_NUMBERS) else {
            let claimed = format!("an array of shape {:?}", header.shape());
            return Err(Error::AbsurdSize { file, claimed, limit: format!("{MOST_NUMBERS} numbers") });
        };
        let bytes = input.exactly(elements * element.size as u64)?;
        input.end()?;
        let shape: Vec<usize> = header.shape().iter().map(|&side| side as usize).collect();
        let fortran = header.order() == Order::Fortran && shape.len() > 1;
        Ok(Self { file, shape, element, fortran, bytes })
    }

    /// The numbers, last dimension fastest; those that single precision cannot hold are infinite.
    ///
    /// # Errors
    /// Names instead of numbers.
    pub(crate) fn numbers(&self) -> Result<Vec<f32>, Error> {
        if self.element.kind == Kind::Text {
            let remedy = "give the numbers, or choose their columns before they are saved";
            return Err(Error::table(&self.file, "", "texts", "numbers", remedy));
        }
        if !self.fortran {
            let elements = self.bytes.chunks_exact(self.element.size);
            return Ok(elements.map(|bytes| self.element.number(bytes) as f32).collect());
        }
        Ok(self.elements().map(|bytes| self.element.number(bytes) as f32).collect())
    }

    /// The elements as names of classes: texts as they are, whole numbers in digits.
    pub(crate) fn names(&self) -> Vec<String> {
        let name = |bytes: &[u8]| match self.element.kind {
            Kind::Text => self.element.text(bytes),
            Kind::Signed | Kind::Unsigned | Kind::Bool => self.element.integer(bytes).to_string(),
            Kind::Float => self.element.number(bytes).to_string(),
        };
        self.elements().map(name).collect()
    }

    /// The bytes of each element, last dimension fastest.
    fn elements(&self) -> impl Iterator<Item = &[u8]> {
        let mut index = vec![0_usize; self.shape.len()];
        let count: usize = self.shape.iter().product();
        let strides: Vec<usize> = self
            .shape
            .iter()
            .scan(1, |stride, &side| {
                let this = *stride;
                *stride *= side;
                Some(this)
            })
            .collect();
        (0..count).map(move |i| {
            let at = if self.fortran { index.iter().zip(&strides).map(|(i, s)| i * s).sum() } else { i };
            for (digit, &side) in index.iter_mut().zip(&self.shape).rev() {
                *digit += 1;
                if *digit < side {
                    break;
                }
                *digit = 0;
            }
            &self.bytes[at * self.element.size..][..self.element.size]
        })
    }
}

impl Element {
    /// Reads NumPy's name of a type, such as `<f8` or `|b1`.
    fn parse(descr: &str) -> Option<Self> {
        let big_endian = descr.starts_with('>');
        let rest = descr.strip_prefix(['<', '>', '|', '='])?;
        let (kind, size) = (rest.get(..1)?, rest.get(1..)?.parse::<usize>().ok()?);
        let kind = match (kind, size) {
            ("f", 2 | 4 | 8) => Kind::Float,
            ("i", 1 | 2 | 4 | 8) => Kind::Signed,
            ("u", 1 | 2 | 4 | 8) => Kind::Unsigned,
            ("b", 1) => Kind::Bool,
            ("U", 1..=1024) => return Some(Self { kind: Kind::Text, size: 4 * size, big_endian }),
            _ => return None,
        };
        Some(Self { kind, size, big_endian })
    }

    /// The bits of one element, the least first.
    fn bits(self, bytes: &[u8]) -> u64 {
        let fold = |n: u64, &byte: &u8| n << 8 | u64::from(byte);
        if self.big_endian { bytes.iter().fold(0, fold) } else { bytes.iter().rev().fold(0, fold) }
    }

    fn integer(self, bytes: &[u8]) -> i128 {
        let (bits, unused) = (self.bits(bytes), 64 - 8 * self.size as u32);
        match self.kind {
            Kind::Signed => i128::from((bits << unused) as i64 >> unused),
            _ => i128::from(bits),
        }
    }

    fn number(self, bytes: &[u8]) -> f64 {
        match (self.kind, self.size) {
            (Kind::Float, 2) => half(self.bits(bytes) as u16),
            (Kind::Float, 4) => f64::from(f32::from_bits(self.bits(bytes) as u32)),
            (Kind::Float, _) => f64::from_bits(self.bits(bytes)),
            _ => self.integer(bytes) as f64,
        }
    }

    fn text(self, bytes: &[u8]) -> String {
        let letters = bytes.chunks_exact(4).map(|unit| self.bits(unit) as u32).take_while(|&unit| unit != 0);
        letters.map(|unit| char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
    }
}

/// A number in half precision: 1 sign bit, 5 of the exponent, 10 of the fraction (IEEE 754).
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff) / 1024.0);
    sign * match exponent {
        0 => fraction * f64::from(-14).exp2(),
        0x1f if fraction == 0.0 => f64::INFINITY,
        0x1f => f64::NAN,
        _ => (1.0 + fraction) * f64::from(exponent - 15).exp2(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Folder, npy};

    fn array(descr: &str, fortran: bool, shape: &str, bytes: &[u8]) -> Result<NumpyArray, Error> {
        let folder = Folder::new();
        NumpyArray::open(&folder.write("a.npy", &npy(descr, fortran, shape, bytes)))
    }

    #[test]
    fn every_type_of_number_is_read() {
        for (descr, bytes) in [
            ("<f4", (-1.5_f32).to_le_bytes().to_vec()),
            (">f4", (-1.5_f32).to_be_bytes().to_vec()),
            ("<f8", (-1.5_f64).to_le_bytes().to_vec()),
            ("<f2", 0xbe00_u16.to_le_bytes().to_vec()),
        ] {
            assert_eq!(array(descr, false, "(1,)", &bytes).unwrap().numbers().unwrap(), [-1.5], "{descr}");
        }
        assert_eq!([half(0x0001), half(0x7bff), half(0x3555)], [2.0_f64.powi(-24), 65504.0, 0.333_251_953_125]);
        assert_eq!((half(0xfc00), half(0x7e00).is_nan()), (f64::NEG_INFINITY, true));
        for (descr, bytes, value) in [
            ("<i8", (-7_i64).to_le_bytes().to_vec(), "-7"),
            (">i2", (-7_i16).to_be_bytes().to_vec(), "-7"),
            ("|i1", vec![0xf9], "-7"),
            ("|u1", vec![249], "249"),
            ("|b1", vec![1], "1"),
            ("<u8", u64::MAX.to_le_bytes().to_vec(), "18446744073709551615"),
        ] {
            assert_eq!(array(descr, false, "(1,)", &bytes).unwrap().names(), [value], "{descr}");
        }
    }

    #[test]
    fn columns_first_is_read_as_rows_first() {
        let bytes: Vec<u8> = (0..6).collect();
        let of = |fortran, shape: &str| array("|u1", fortran, shape, &bytes).unwrap().numbers().unwrap();
        assert_eq!(of(false, "(2, 3)"), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(of(true, "(2, 3)"), [0.0, 2.0, 4.0, 1.0, 3.0, 5.0]);
        assert_eq!(of(true, "(3, 1, 2)"), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        assert_eq!(of(true, "(6,)"), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    }

    #[test]
    fn texts_are_names() {
        let bytes: Vec<u8> =
            ['h', 'i', '\0', 'ä', '\0', '\0'].iter().flat_map(|&c| u32::from(c).to_le_bytes()).collect();
        let texts = array("<U3", false, "(2,)", &bytes).unwrap();
        assert_eq!(texts.names(), ["hi", "ä"]);
        assert!(texts.numbers().unwrap_err().to_string().contains("found texts"));
    }

    /// libFuzzer found braces that the parser of the header does not come to an end with.
    #[test]
    fn headers_of_nothing_but_brackets_are_refused() {
        for brackets in ["{", "(", "[", "{(", "({", "'}'{", "(1,{"] {
            for count in [1, 8, 16, 100] {
                let error = array("|u1", false, &brackets.repeat(count), &[0; 8]).map(drop).unwrap_err();
                assert!(matches!(error, Error::AbsurdSize { .. } | Error::Corrupt { .. }), "{brackets}: {error}");
            }
        }
    }

    #[test]
    fn what_is_no_array_of_numbers_is_refused() {
        let found = array("|O", false, "(1,)", &[0; 8]).map(drop).unwrap_err().to_string();
        assert!(found.contains("astype"), "{found}");
        assert!(matches!(array("<f4", false, "(3,)", &[0; 8]), Err(Error::Truncated { .. })));
        assert!(matches!(array("<f4", false, "(1,)", &[0; 8]), Err(Error::TooLong { .. })));
        assert!(matches!(array("<f4", false, "(600000000,)", &[0; 8]), Err(Error::AbsurdSize { .. })));
    }
}
