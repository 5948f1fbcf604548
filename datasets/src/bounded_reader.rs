//! Opens plain, gzip and xz files and reads a bounded number of bytes. Memory grows with the bytes
//! that are really there, whatever a header claims.

use std::io::{BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

use beaa_base::input;
use beaa_memory::Need;
use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;

use crate::error::Error;

/// Decompressors may use this much memory; `xz -9` needs 65 MiB.
const XZ_MEMORY_KIB: u32 = 128 * 1024;
/// Deflate cannot expand by more than about 1032 times.
const DEFLATE_LIMIT: u64 = 1040;
/// So many bytes are read without asking whether there is memory for them.
const FREE_OF_CHECK: u64 = 1 << 20;
/// LZMA expands long runs by some ten thousand times.
const XZ_LIMIT: u64 = 16_384;

/// A file being read, decompressed on the way.
pub(crate) struct BoundedReader<'a> {
    file: PathBuf,
    reader: Box<dyn Read + 'a>,
    /// Bytes handed out so far.
    position: u64,
    /// No more than this can come out.
    most: u64,
    /// Size on disk: a first guess of what to allocate.
    stored: u64,
    compressed: bool,
}

impl<'a> BoundedReader<'a> {
    /// Opens a file; gzip and xz are recognised by their first bytes, not by their name.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let error = |source| Error::io(path, source);
        let file = input::open("reading", path).map_err(Error::path)?;
        let stored = file.metadata().map_err(error)?.len();
        let mut reader = BufReader::with_capacity(1 << 16, file);
        let start = std::io::BufRead::fill_buf(&mut reader).map_err(error)?;
        let (reader, expansion): (Box<dyn Read>, u64) = if start.starts_with(&[0x1f, 0x8b]) {
            (Box::new(MultiGzDecoder::new(reader)), DEFLATE_LIMIT)
        } else if start.starts_with(b"\xfd7zXZ\0") {
            let xz = XzReader::new_mem_limit(reader, true, XZ_MEMORY_KIB);
            (Box::new(xz), XZ_LIMIT)
        } else {
            (Box::new(reader), 1)
        };
        let (most, compressed) = (stored.saturating_mul(expansion), expansion > 1);
        Ok(Self { file: path.to_owned(), reader, position: 0, most, stored, compressed })
    }

    /// Reads an entry of an archive: `stored` bytes, deflated or not, that expand to what the
    /// archive says.
    pub(crate) fn entry(file: PathBuf, reader: impl Read + 'a, stored: u64, expanded: u64) -> Self {
        let most = expanded.min(stored.saturating_mul(DEFLATE_LIMIT));
        Self { file, reader: Box::new(reader), position: 0, most, stored, compressed: false }
    }

    /// The file, for errors.
    pub(crate) fn file(&self) -> PathBuf {
        self.file.clone()
    }

    /// The next `N` bytes, a part of a header.
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let mut array = [0; N];
        array.copy_from_slice(&self.exactly(N as u64)?);
        Ok(array)
    }

    /// The next `n` bytes.
    ///
    /// # Errors
    /// `AbsurdSize` before anything is allocated when the file cannot hold them, `Truncated` when
    /// they are not there.
    pub(crate) fn exactly(&mut self, n: u64) -> Result<Vec<u8>, Error> {
        let expected = self.position.saturating_add(n);
        if expected > self.most {
            let file = self.file();
            if !self.compressed {
                return Err(Error::Truncated { file, found: self.most, expected });
            }
            return Err(Error::AbsurdSize { file, claimed: bytes_text(expected), limit: bytes_text(self.most) });
        }
        let bytes = self.at_most(n)?;
        if (bytes.len() as u64) < n {
            return Err(Error::Truncated { file: self.file(), found: self.position, expected });
        }
        Ok(bytes)
    }

    /// The next bytes up to the end, or `n` of them when there are more.
    pub(crate) fn at_most(&mut self, n: u64) -> Result<Vec<u8>, Error> {
        let possible = n.min(self.most.saturating_sub(self.position));
        if possible > FREE_OF_CHECK {
            afford(&self.file, possible)?;
        }
        // Grows with what really arrives; the guess saves copies for usual compression ratios.
        let guess = n.min(self.stored.saturating_mul(8));
        let mut bytes = Vec::with_capacity(usize::try_from(guess).unwrap_or(0));
        let read = (&mut self.reader).take(n).read_to_end(&mut bytes);
        self.position += bytes.len() as u64;
        match read {
            Ok(_) => Ok(bytes),
            Err(error) => Err(self.classify(error, self.position.saturating_sub(bytes.len() as u64).saturating_add(n))),
        }
    }

    /// Checks that nothing follows; for compressed files this also checks their own checksum.
    pub(crate) fn end(mut self) -> Result<(), Error> {
        let expected = self.position;
        if !self.at_most(1)?.is_empty() {
            return Err(Error::TooLong { file: self.file, expected });
        }
        Ok(())
    }

    /// Tells a damaged file from a fault of the system.
    pub(crate) fn classify(&self, error: std::io::Error, expected: u64) -> Error {
        match error.kind() {
            ErrorKind::UnexpectedEof => Error::Truncated { file: self.file(), found: self.position, expected },
            // What decompressors report: nothing the operating system says about a file once it is
            // open.
            ErrorKind::InvalidData
            | ErrorKind::InvalidInput
            | ErrorKind::Other
            | ErrorKind::OutOfMemory
            | ErrorKind::Unsupported => Error::Corrupt { file: self.file(), reason: error.to_string() },
            _ => Error::io(&self.file, error),
        }
    }
}

/// Refuses to read so many bytes of a data set where there is less memory: they are held twice,
/// while they are put in order and parted.
///
/// # Errors
/// [`Error::Memory`] with both numbers.
pub(crate) fn afford(file: &Path, bytes: u64) -> Result<(), Error> {
    let operation = format!("reading {}", file.display());
    Ok(Need::new(operation, bytes.saturating_mul(2), "give a smaller data set, or smaller images").check()?)
}

/// For readers of text, whose length is known at the end only.
impl Read for BoundedReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.position += read as u64;
        Ok(read)
    }
}

fn bytes_text(n: u64) -> String {
    format!("{n} bytes")
}
