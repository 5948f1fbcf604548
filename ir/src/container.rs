//! The frame of every binary file of the toolchain: magic, version, kind, JSON header, payload,
//! BLAKE3 checksum. Files are written as all outputs are ([`beaa_base::output`]); what is read is
//! hostile until its length and checksum agree, and nothing is allocated by a length that the file
//! itself does not back.

mod kind;

use std::io::{BufWriter, Read, Write};
use std::ops::Range;
use std::path::Path;

use beaa_base::input;
use beaa_base::output::OutputFile;
use beaa_base::words::article;
use serde::{Serialize, de::DeserializeOwned};

pub use kind::Kind;

use crate::{Error, Result};

const MAGIC: &[u8; 4] = b"BEAA";
const FIXED: usize = 4 + 4 + 4 + 8 + 8;
const CHECKSUM: usize = 32;
/// No header needs more; a larger one is damage or malice.
const MAX_HEADER: u64 = 1 << 28;
/// Bytes of a file that are hashed at a time.
const HASHED_TOGETHER: usize = 1 << 22;
/// What messages call bytes that are in no file.
const IN_MEMORY: &str = "bytes in memory";

/// Writes a file of the given kind: `header` as JSON, then whatever `payload` writes, then the
/// checksum. The file appears under its name only when it is whole; secret keys and receipts get
/// mode 0600.
///
/// # Errors
/// If the file cannot be written, the header has no form in JSON, or `payload` writes other than
/// `payload_len` bytes.
pub fn write<H: Serialize>(
    path: &Path,
    kind: Kind,
    header: &H,
    payload_len: u64,
    payload: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<()> {
    Ok(compose(path, kind, header, payload_len, payload)?.commit()?)
}

/// Writes all that [`write`] does, but for the name: several files can then appear together.
///
/// # Errors
/// As [`write`].
pub fn compose<H: Serialize>(
    path: &Path,
    kind: Kind,
    header: &H,
    payload_len: u64,
    payload: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<OutputFile> {
    let frame = frame(kind, header, payload_len)?;
    let file = OutputFile::create(path, kind.care())?;
    // A secret is not left behind in a buffer that nobody wipes.
    let buffer = if kind.secret() { 0 } else { 1 << 20 };
    fill(path, &frame, payload_len, BufWriter::with_capacity(buffer, file.file()), payload)?;
    Ok(file)
}

/// Gives the bytes of the file that [`write`] writes, for what travels without files.
///
/// # Errors
/// As [`write`], but for the file.
pub fn to_bytes<H: Serialize>(
    kind: Kind,
    header: &H,
    payload_len: u64,
    payload: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<Vec<u8>> {
    let frame = frame(kind, header, payload_len)?;
    let mut bytes = Vec::with_capacity(frame.len() + payload_len as usize + CHECKSUM);
    fill(Path::new(IN_MEMORY), &frame, payload_len, &mut bytes, payload)?;
    Ok(bytes)
}

/// Works out the checksum of the file that [`write`] writes, hexadecimal.
///
/// # Errors
/// As [`to_bytes`].
pub fn checksum<H: Serialize>(
    kind: Kind,
    header: &H,
    payload_len: u64,
    payload: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<String> {
    let frame = frame(kind, header, payload_len)?;
    Ok(fill(Path::new(IN_MEMORY), &frame, payload_len, std::io::sink(), payload)?.to_hex().to_string())
}

/// Writes frame, payload and checksum, and returns the latter; messages name `path`.
fn fill<W: Write>(
    path: &Path,
    frame: &[u8],
    payload_len: u64,
    inner: W,
    payload: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<blake3::Hash> {
    let io = |source| Error::Io { operation: "writing", path: path.to_path_buf(), source };
    let mut sink = Hashing { inner, hash: blake3::Hasher::new(), written: 0 };
    sink.write_all(frame).map_err(io)?;
    let before = sink.written;
    payload(&mut sink).map_err(io)?;
    if sink.written - before != payload_len {
        return Err(Error::malformed(
            "writing a file",
            format!("{} payload bytes", sink.written - before),
            format!("{payload_len}"),
        ));
    }
    let checksum = sink.hash.finalize();
    sink.inner.write_all(checksum.as_bytes()).map_err(io)?;
    sink.inner.flush().map_err(io)?;
    Ok(checksum)
}

/// What comes before the payload: magic, version, kind, lengths and the header.
pub(crate) fn frame<H: Serialize>(kind: Kind, header: &H, payload_len: u64) -> Result<Vec<u8>> {
    let header = serde_json::to_vec(header)
        .map_err(|e| Error::malformed("writing a file header", e.to_string(), "a header that is JSON"))?;
    let mut frame = Vec::with_capacity(FIXED + header.len());
    frame.extend(MAGIC);
    frame.extend(kind.version().to_le_bytes());
    frame.extend(kind.code().to_le_bytes());
    frame.extend((header.len() as u64).to_le_bytes());
    frame.extend(payload_len.to_le_bytes());
    frame.extend(header);
    Ok(frame)
}

/// Reads which kind of file this says it is; `None` when it is none of this toolchain's.
///
/// # Errors
/// If the file cannot be read, or is of a kind that only a newer release knows.
pub fn kind(path: &Path) -> Result<Option<Kind>> {
    let io = |source| Error::Io { operation: "reading", path: path.to_path_buf(), source };
    let mut first = [0; 12];
    match input::open("reading", path)?.read_exact(&mut first) {
        Ok(()) => {}
        // Too short for any kind.
        Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(e) => return Err(io(e)),
    }
    let code = u32_at(&first, 8);
    if !first.starts_with(MAGIC) {
        return Ok(None);
    }
    let unknown =
        || Error::malformed("reading a file", format!("an unknown kind, {code}"), "a kind that this release knows");
    Kind::from_code(code).map(Some).ok_or_else(unknown)
}

/// A checked file: its header and its payload, mapped into memory or in it from the start.
pub struct Opened<H> {
    /// The header.
    pub header: H,
    bytes: Backing,
    start: usize,
    end: usize,
}

/// Where the bytes of a file are.
enum Backing {
    Mapped(memmap2::Mmap),
    Owned(Vec<u8>),
}

impl std::ops::Deref for Backing {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Owned(bytes) => bytes,
        }
    }
}

impl<H> Opened<H> {
    /// The bytes after the header, without the checksum.
    pub fn payload(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// The checksum of the file, hexadecimal: that of all bytes before it.
    pub fn checksum(&self) -> String {
        let bytes: [u8; CHECKSUM] = std::array::from_fn(|i| self.bytes[self.end + i]);
        blake3::Hash::from_bytes(bytes).to_hex().to_string()
    }

    /// All bytes of the file.
    pub fn file(&self) -> &[u8] {
        &self.bytes
    }

    /// Says that these bytes of the payload will not be read for a while: they stay where they are,
    /// in the file, but no longer count as memory of this process. Bytes that are in no file stay.
    pub fn release(&self, bytes: Range<usize>) {
        if let Backing::Mapped(map) = &self.bytes {
            release(map, self.start + bytes.start..self.start + bytes.end);
        }
    }
}

/// Gives back the memory behind a part of a map.
fn release(map: &memmap2::Mmap, bytes: Range<usize>) {
    assert!(bytes.start <= bytes.end && bytes.end <= map.len(), "bytes {bytes:?} of {}", map.len());
    #[cfg(unix)]
    {
        // SAFETY: the map is of a file, and nobody can have written to it: it is read only. Its
        // pages are read from the file again, as they were the first time.
        #[expect(unsafe_code, reason = "advice on mapped memory")]
        let advised =
            unsafe { map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, bytes.start, bytes.len()) };
        // Advice that is not taken costs memory and nothing else.
        let _ = advised;
    }
}

/// The hash of the first `end` bytes; what has been hashed is released.
fn hash(map: &memmap2::Mmap, end: usize) -> blake3::Hash {
    let mut hash = blake3::Hasher::new();
    for start in (0..end).step_by(HASHED_TOGETHER) {
        let part = start..end.min(start + HASHED_TOGETHER);
        hash.update(&map[part.clone()]);
        release(map, part);
    }
    hash.finalize()
}

/// Opens a file of the given kind, checking magic, version, kind, lengths and checksum before
/// anything is interpreted.
///
/// # Errors
/// If the file cannot be read, is damaged, of another kind or of a version that is not read any
/// more or not yet, or if its header is not an `H`.
pub fn open<H: DeserializeOwned>(path: &Path, kind: Kind) -> Result<Opened<H>> {
    let io = |source| Error::Io { operation: "reading", path: path.to_path_buf(), source };
    let file = input::open("reading", path)?;
    // SAFETY: the map is private to this process and read only. Another process that shortens the
    // file while it is mapped can stop this one, as with every mapped file; it cannot break memory
    // safety here beyond changed bytes, and nothing below relies on the bytes staying the same.
    #[expect(unsafe_code, reason = "mapping a file")]
    let map = unsafe { memmap2::MmapOptions::new().map_copy_read_only(&file) }.map_err(io)?;
    let (header, payload) = check(path, kind, &map, |end| hash(&map, end))?;
    if kind.secret() {
        input::check_private("reading", &article(kind.name()), path, &file)?;
    }
    Ok(Opened { header, bytes: Backing::Mapped(map), start: payload.start, end: payload.end })
}

/// Opens what [`to_bytes`] gave, or the bytes of a file, with the checks of [`open`] but for the
/// file's mode.
///
/// # Errors
/// As [`open`].
pub fn open_bytes<H: DeserializeOwned>(kind: Kind, bytes: Vec<u8>) -> Result<Opened<H>> {
    let (header, payload) = parse(Path::new(IN_MEMORY), kind, &bytes)?;
    Ok(Opened { header, bytes: Backing::Owned(bytes), start: payload.start, end: payload.end })
}

/// Checks what a file of the given kind holds as [`open`] does, when it is in memory already: its
/// header, and where its payload is. Messages name `path`.
///
/// # Errors
/// As [`open`].
pub fn parse<H: DeserializeOwned>(path: &Path, kind: Kind, bytes: &[u8]) -> Result<(H, Range<usize>)> {
    check(path, kind, bytes, |end| blake3::hash(&bytes[..end]))
}

/// `hash` is that of so many first bytes.
fn check<H: DeserializeOwned>(
    path: &Path,
    kind: Kind,
    bytes: &[u8],
    hash: impl FnOnce(usize) -> blake3::Hash,
) -> Result<(H, Range<usize>)> {
    let bad = |found: String, expected: String| Error::Malformed {
        operation: "reading a file",
        found: format!("{found} in {}", path.display()),
        expected,
        remedy: "check that the file is the right one and was copied whole",
    };
    let length = bytes.len() as u64;
    if length < (FIXED + CHECKSUM) as u64 {
        return Err(bad(format!("{length} bytes"), format!("a beaa {} file", kind.name())));
    }
    if !bytes.starts_with(MAGIC) {
        return Err(bad("other first bytes than BEAA".into(), format!("a beaa {} file", kind.name())));
    }
    if u32_at(bytes, 8) != kind.code() {
        let file_of = |kind: Kind| article(&format!("{} file", kind.name()));
        let found = Kind::from_code(u32_at(bytes, 8)).map_or_else(|| "an unknown kind of file".to_owned(), file_of);
        return Err(bad(found, file_of(kind)));
    }
    let version = u32_at(bytes, 4);
    if version > kind.version() {
        let (oldest, newest) = (kind.oldest(), kind.version());
        return Err(Error::Version { kind: kind.name().into(), found: version, oldest, newest });
    }
    if version < kind.oldest() {
        let (oldest, newest, remedy) = (kind.oldest(), kind.version(), kind.remedy());
        return Err(Error::Outdated { kind: kind.name().into(), found: version, oldest, newest, remedy });
    }
    let (header_len, payload_len) = (u64_at(bytes, 12), u64_at(bytes, 20));
    let expected = (FIXED as u64 + CHECKSUM as u64).checked_add(header_len).and_then(|n| n.checked_add(payload_len));
    if expected != Some(length) || header_len > MAX_HEADER {
        return Err(bad(
            format!("{length} bytes"),
            format!("{} bytes of header and {payload_len} of payload; the file is cut short or damaged", header_len),
        ));
    }
    let (start, end) = (FIXED + header_len as usize, FIXED + (header_len + payload_len) as usize);
    if bytes[end..] != *hash(end).as_bytes() {
        return Err(bad("a wrong checksum".into(), "the checksum of the bytes before it; the file is damaged".into()));
    }
    let header = serde_json::from_slice(&bytes[FIXED..start]).map_err(|e| {
        bad(format!("a header that does not fit ({e})"), format!("the header of a {} file", kind.name()))
    })?;
    Ok((header, start..end))
}

/// What [`write`] writes before and after `payload`, for who puts the bytes together elsewhere.
///
/// # Errors
/// If the header has no form in JSON.
pub fn around<H: Serialize>(kind: Kind, header: &H, payload: &[u8]) -> Result<(Vec<u8>, [u8; CHECKSUM])> {
    let frame = frame(kind, header, payload.len() as u64)?;
    let checksum = blake3::Hasher::new().update(&frame).update(payload).finalize();
    Ok((frame, checksum.into()))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(std::array::from_fn(|i| bytes[at + i]))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]))
}

struct Hashing<W> {
    inner: W,
    hash: blake3::Hasher,
    written: u64,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let n = self.inner.write(bytes)?;
        self.hash.update(&bytes[..n]);
        self.written += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(folder: &Path, kind: Kind) -> std::path::PathBuf {
        let path = folder.join("file");
        write(&path, kind, &vec![1, 2, 3], 5, |w| w.write_all(b"hello")).unwrap();
        path
    }

    #[test]
    fn round_trip() {
        let folder = tempfile::tempdir().unwrap();
        let path = sample(folder.path(), Kind::Program);
        assert_eq!(kind(&path).unwrap(), Some(Kind::Program));
        let opened = open::<Vec<i32>>(&path, Kind::Program).unwrap();
        assert_eq!((opened.header.as_slice(), opened.payload()), (&[1, 2, 3][..], &b"hello"[..]));
        let (frame, checksum) = around(Kind::Program, &vec![1, 2, 3], b"hello").unwrap();
        let bytes = [frame.as_slice(), b"hello", &checksum].concat();
        assert_eq!(bytes, opened.file());
        let (header, payload) = parse::<Vec<i32>>(&path, Kind::Program, &bytes).unwrap();
        assert_eq!((header, &bytes[payload]), (vec![1, 2, 3], &b"hello"[..]));
        assert_eq!(to_bytes(Kind::Program, &vec![1, 2, 3], 5, |w| w.write_all(b"hello")).unwrap(), bytes);
        let opened = open_bytes::<Vec<i32>>(Kind::Program, bytes.clone()).unwrap();
        opened.release(0..5);
        let of_parts = super::checksum(Kind::Program, &vec![1, 2, 3], 5, |w| w.write_all(b"hello")).unwrap();
        assert_eq!((opened.checksum(), of_parts.len()), (of_parts, 64));
        assert_eq!((opened.header.as_slice(), opened.payload()), (&[1, 2, 3][..], &b"hello"[..]));
        let damaged = open_bytes::<Vec<i32>>(Kind::Program, bytes[1..].to_vec()).err().unwrap().to_string();
        assert!(damaged.contains("in bytes in memory"), "{damaged}");
    }

    #[test]
    fn every_flipped_byte_and_every_cut_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = sample(folder.path(), Kind::Program);
        let good = std::fs::read(&path).unwrap();
        for i in 0..good.len() {
            let mut bytes = good.clone();
            bytes[i] ^= 0x10;
            std::fs::write(&path, &bytes).unwrap();
            assert!(open::<Vec<i32>>(&path, Kind::Program).is_err(), "byte {i} flipped");
            std::fs::write(&path, &good[..i]).unwrap();
            assert!(open::<Vec<i32>>(&path, Kind::Program).is_err(), "cut at {i}");
        }
    }

    #[test]
    fn a_file_of_another_kind_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error =
            open::<Vec<i32>>(&sample(folder.path(), Kind::Ciphertexts), Kind::Program).err().unwrap().to_string();
        assert!(error.contains("a ciphertext file") && error.contains("a program file"), "{error}");
    }

    #[test]
    fn a_payload_of_another_length_than_announced_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        assert!(write(&path, Kind::Program, &0, 4, |w| w.write_all(b"hello")).is_err());
        assert!(!path.exists());
    }

    #[cfg(unix)]
    #[test]
    fn only_secret_keys_and_receipts_are_private() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        for (kind, mode) in [(Kind::SecretKey, 0o600), (Kind::Receipt, 0o600), (Kind::EvaluationKey, 0o644)] {
            let path = sample(folder.path(), kind);
            let found = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            // The mask of whoever runs the tests may forbid more.
            assert_eq!((found & 0o700, found & !mode), (0o600, 0));
            std::fs::remove_file(path).unwrap();
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_secret_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = sample(folder.path(), Kind::SecretKey);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let error = open::<Vec<i32>>(&path, Kind::SecretKey).err().unwrap().to_string();
        assert!(error.contains("0644") && error.contains("chmod 600"), "{error}");
    }
}
