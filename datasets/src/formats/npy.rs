//! Arrays of unsigned bytes out of a `.npz` archive, and the headers of all NumPy arrays. Nothing
//! is allocated for a header before the archive confirms its size, and headers are bounded before
//! the parser of Python literals sees them.

use std::io::{Read, Seek};
use std::path::{Path, PathBuf};

use npyz::{DType, NpyHeader, Order};
use zip::ZipArchive;
use zip::result::ZipError;

use crate::bounded_reader::BoundedReader;
use crate::error::Error;

/// NumPy writes headers of 128 bytes for arrays like these; longer ones than this are refused.
const LONGEST_HEADER: usize = 1024;
/// Lists and tuples in a header: a shape, and the fields of records, which are refused by name.
const MOST_BRACKETS: usize = 16;

/// An array in C order.
pub(crate) struct ByteArray {
    /// Lengths of the dimensions, outermost first.
    pub(crate) shape: Vec<u64>,
    /// The elements, last dimension fastest.
    pub(crate) data: Vec<u8>,
}

/// An open archive and the file it came from.
pub(crate) struct Archive<R> {
    file: PathBuf,
    zip: ZipArchive<R>,
}

impl<R: Read + Seek> Archive<R> {
    /// Opens the archive in `reader`; `file` names it in errors.
    pub(crate) fn new(file: &Path, mut reader: R) -> Result<Self, Error> {
        let mut start = Vec::new();
        (&mut reader).take(4).read_to_end(&mut start).map_err(|error| Error::io(file, error))?;
        if !start.starts_with(b"PK") {
            return Err(Error::WrongMagic { file: file.to_owned(), found: start, expected: "50 4b (a .npz archive)" });
        }
        let zip = ZipArchive::new(reader).map_err(|error| classify(file, error))?;
        Ok(Self { file: file.to_owned(), zip })
    }

    /// Opens the entry of the array `name` (without `.npy`).
    pub(crate) fn entry(&mut self, name: &str) -> Result<BoundedReader<'_>, Error> {
        let entry = format!("{name}.npy");
        let file = self.file.join(&entry);
        if self.zip.index_for_name(&entry).is_none() {
            let found = self.zip.file_names().flatten().take(32).map(|name| name.into_owned()).collect();
            return Err(Error::MissingEntry { file: self.file.clone(), entry, found });
        }
        let reader = self.zip.by_name(&entry).map_err(|error| classify(&file, error))?;
        let (stored, expanded) = (reader.compressed_size(), reader.size());
        Ok(BoundedReader::entry(file, reader, stored, expanded))
    }

    /// Reads the array `name` (without `.npy`).
    pub(crate) fn array(&mut self, name: &str) -> Result<ByteArray, Error> {
        let mut input = self.entry(name)?;
        let file = input.file();
        let header = read_header(&mut input)?;
        match header.dtype() {
            DType::Plain(kind) if matches!(kind.to_string().as_str(), "|u1" | "<u1" | ">u1") => {}
            other => return Err(Error::WrongDtype { file, found: other.descr() }),
        }
        if header.order() == Order::Fortran && header.shape().len() > 1 {
            return Err(Error::FortranOrder { file });
        }
        let shape = header.shape().to_vec();
        let Some(size) = shape.iter().try_fold(1_u64, |product, &side| product.checked_mul(side)) else {
            return Err(absurd(file, format!("an array of shape {shape:?}")));
        };
        let data = input.exactly(size)?;
        input.end()?;
        Ok(ByteArray { shape, data })
    }
}

/// Reads the header, refusing what would make the parser allocate, recurse or overflow without
/// bound.
pub(crate) fn read_header(input: &mut BoundedReader<'_>) -> Result<NpyHeader, Error> {
    let mut bytes = input.array::<8>()?.to_vec();
    if !bytes.starts_with(b"\x93NUMPY") {
        return Err(Error::WrongMagic {
            file: input.file(),
            found: bytes,
            expected: "93 4e 55 4d 50 59 (a NumPy array)",
        });
    }
    let length = match bytes[6] {
        1 => {
            let length: [u8; 2] = input.array()?;
            bytes.extend(length);
            usize::from(u16::from_le_bytes(length))
        }
        _ => {
            let length: [u8; 4] = input.array()?;
            bytes.extend(length);
            u32::from_le_bytes(length) as usize
        }
    };
    if length > LONGEST_HEADER {
        return Err(absurd(input.file(), format!("a header of {length} bytes")));
    }
    let text = input.exactly(length as u64)?;
    if !brackets_are_few(&text) || !product_fits(&text) {
        return Err(absurd(input.file(), format!("an array of {:?}", String::from_utf8_lossy(&text).trim_end())));
    }
    bytes.extend(text);
    NpyHeader::from_reader(bytes.as_slice())
        .map_err(|error| Error::Corrupt { file: input.file(), reason: error.to_string() })
}

/// Whether brackets are few enough for the parser, which tries each brace as a dictionary and as a
/// set, so that its time is exponential in their number: fourteen take a minute. A header is one
/// dictionary.
fn brackets_are_few(text: &[u8]) -> bool {
    let count = |kinds: &[u8]| text.iter().filter(|byte| kinds.contains(byte)).count();
    count(b"{") <= 1 && count(b"([") <= MOST_BRACKETS
}

/// Whether the product of all numbers in the header fits 64 bits, so that no product of dimensions
/// can overflow.
fn product_fits(text: &[u8]) -> bool {
    let mut numbers = text
        .split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_')
        .filter(|word| word.first().is_some_and(u8::is_ascii_digit));
    let product = numbers.try_fold(1_u64, |product, word| {
        let number: u64 = std::str::from_utf8(word).ok()?.parse().ok()?;
        product.checked_mul(number.max(1))
    });
    product.is_some()
}

fn absurd(file: PathBuf, claimed: String) -> Error {
    Error::AbsurdSize { file, claimed, limit: "what the archive holds".to_owned() }
}

fn classify(file: &Path, error: ZipError) -> Error {
    match error {
        ZipError::Io(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => Error::io(file, error),
        other => Error::Corrupt { file: file.to_owned(), reason: other.to_string() },
    }
}
