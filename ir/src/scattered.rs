//! Writes a binary file whose payload does not come in order: each piece goes to its place as it is
//! made, so that a file may be larger than memory.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use beaa_base::output::OutputFile;
use serde::Serialize;

use crate::container::{self, Kind};
use crate::{Error, Result};

/// Bytes of the file that are hashed at a time.
const HASHED_TOGETHER: usize = 1 << 20;

/// The payload of a file that is being written.
pub struct Scattered<'a> {
    path: &'a Path,
    file: &'a File,
    /// Where the payload begins in the file.
    start: u64,
    len: u64,
    written: u64,
}

impl Scattered<'_> {
    /// Writes `bytes` to their place in the payload. No byte is to be written twice.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        let end = offset.checked_add(bytes.len() as u64);
        assert!(end.is_some_and(|end| end <= self.len), "{} bytes at {offset} of {}", bytes.len(), self.len);
        let mut file = self.file;
        let written = file.seek(SeekFrom::Start(self.start + offset)).and_then(|_| file.write_all(bytes));
        written.map_err(writing(self.path))?;
        self.written += bytes.len() as u64;
        Ok(())
    }
}

/// Writes all of a file of the given kind but its name, the same bytes as [`container::compose`]
/// does; `payload` writes its pieces in any order. Returns the file and its size.
///
/// # Errors
/// If the file cannot be written, the header has no form in JSON, `payload` fails, or it writes
/// other than `payload_len` bytes.
pub fn compose_scattered<H: Serialize, E: From<Error>>(
    path: &Path,
    kind: Kind,
    header: &H,
    payload_len: u64,
    payload: impl FnOnce(&mut Scattered<'_>) -> Result<(), E>,
) -> Result<(OutputFile, u64), E> {
    let frame = container::frame(kind, header, payload_len)?;
    let output = OutputFile::create(path, kind.care()).map_err(Error::from)?;
    let mut file = output.file();
    file.write_all(&frame).map_err(writing(path))?;
    let mut scattered = Scattered { path, file, start: frame.len() as u64, len: payload_len, written: 0 };
    payload(&mut scattered)?;
    if scattered.written != payload_len {
        let found = format!("{} payload bytes", scattered.written);
        return Err(Error::malformed("writing a file", found, format!("{payload_len}")).into());
    }
    let checksum = hash(file).map_err(writing(path))?;
    file.write_all(checksum.as_bytes()).map_err(writing(path))?;
    Ok((output, frame.len() as u64 + payload_len + checksum.as_bytes().len() as u64))
}

fn writing(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    |source| Error::Io { operation: "writing", path: path.to_path_buf(), source }
}

/// The hash of all bytes of a file, which is left at its end.
fn hash(mut file: &File) -> std::io::Result<blake3::Hash> {
    let mut hash = blake3::Hasher::new();
    let mut bytes = vec![0; HASHED_TOGETHER];
    file.seek(SeekFrom::Start(0))?;
    loop {
        match file.read(&mut bytes)? {
            0 => return Ok(hash.finalize()),
            n => hash.update(&bytes[..n]),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_in_any_order_make_the_same_file() {
        let folder = tempfile::tempdir().unwrap();
        let (whole, pieces) = (folder.path().join("whole"), folder.path().join("pieces"));
        container::write(&whole, Kind::Ciphertexts, &[1, 2], 10, |w| w.write_all(b"0123456789")).unwrap();
        let composed = compose_scattered(&pieces, Kind::Ciphertexts, &[1, 2], 10, |payload| {
            for (offset, bytes) in [(6, &b"6789"[..]), (0, b"012"), (3, b"345")] {
                payload.write_at(offset, bytes).unwrap();
            }
            Ok::<_, Error>(())
        });
        let (file, size) = composed.unwrap();
        file.commit().unwrap();
        let bytes = std::fs::read(&pieces).unwrap();
        assert_eq!((size, &bytes), (bytes.len() as u64, &std::fs::read(&whole).unwrap()));
        assert!(container::open::<Vec<i32>>(&pieces, Kind::Ciphertexts).is_ok());
    }

    #[test]
    fn a_payload_with_a_gap_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let gap = compose_scattered(&path, Kind::Ciphertexts, &0, 10, |payload| {
            payload.write_at(5, b"56789").unwrap();
            Ok::<_, Error>(())
        });
        assert!(gap.is_err() && std::fs::read_dir(folder.path()).unwrap().next().is_none());
    }
}
