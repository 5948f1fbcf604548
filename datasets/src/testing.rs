//! Files made on the spot for tests. Never built outside tests.

use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};

use zip::write::SimpleFileOptions;

/// A folder that disappears with the value.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file, making the folders above it.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

pub(crate) fn idx(sizes: &[u32], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, sizes.len() as u8];
    bytes.extend(sizes.iter().flat_map(|size| size.to_be_bytes()));
    bytes.extend(data);
    bytes
}

pub(crate) fn gz(bytes: Vec<u8>) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&bytes).unwrap();
    encoder.finish().unwrap()
}

/// Many zeros in few bytes.
pub(crate) fn gz_zeros(n: u64) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::copy(&mut std::io::repeat(0).take(n), &mut encoder).unwrap();
    encoder.finish().unwrap()
}

/// An array in NumPy's format 1.0; `shape` is a Python literal.
pub(crate) fn npy(dtype: &str, fortran: bool, shape: &str, data: &[u8]) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    let mut header = format!("{{'descr': '{dtype}', 'fortran_order': {order}, 'shape': {shape}, }}");
    header.push_str(&" ".repeat((64 - (header.len() + 11) % 64) % 64));
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

pub(crate) fn npz(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
        archive.start_file(format!("{name}.npy"), options).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// An xz stream of stored LZMA2 chunks (The .xz File Format 1.1, section 2): the reader is real, so
/// the writer need not compress.
pub(crate) fn xz(bytes: Vec<u8>) -> Vec<u8> {
    let with_crc = |part: &[u8]| [part, &crc32(part).to_le_bytes()].concat();
    let padded = |mut part: Vec<u8>| {
        part.resize(part.len().next_multiple_of(4), 0);
        part
    };
    let flags = [0, 1];
    let block_header = with_crc(&[2, 0, 0x21, 1, 0x16, 0, 0, 0]);
    let mut data = Vec::new();
    for (i, chunk) in bytes.chunks(1 << 16).enumerate() {
        data.push(if i == 0 { 1 } else { 2 });
        data.extend(((chunk.len() - 1) as u16).to_be_bytes());
        data.extend(chunk);
    }
    data.push(0);
    let unpadded = block_header.len() + data.len() + 4;
    let index = with_crc(&padded([vec![0, 1], varint(unpadded), varint(bytes.len())].concat()));
    let backward = ((index.len() / 4 - 1) as u32).to_le_bytes();
    let footer_crc = crc32(&[&backward[..], &flags].concat()).to_le_bytes();
    [
        b"\xfd7zXZ\0".to_vec(),
        with_crc(&flags),
        block_header,
        padded(data),
        crc32(&bytes).to_le_bytes().to_vec(),
        index,
        footer_crc.to_vec(),
        backward.to_vec(),
        flags.to_vec(),
        b"YZ".to_vec(),
    ]
    .concat()
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

fn varint(mut n: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while n >= 0x80 {
        bytes.push(n as u8 | 0x80);
        n >>= 7;
    }
    bytes.push(n as u8);
    bytes
}

/// JPEG files of one scene of 45 x 37 in several codings; tests/data/pictures/make.py makes them.
pub(crate) const JPEG_FIXTURES: [(&str, &[u8]); 5] = [
    ("baseline", include_bytes!("../../tests/data/pictures/baseline.jpg")),
    ("progressive", include_bytes!("../../tests/data/pictures/progressive.jpg")),
    ("restart", include_bytes!("../../tests/data/pictures/restart.jpg")),
    ("progressive-grey", include_bytes!("../../tests/data/pictures/progressive-grey.jpg")),
    ("cmyk", include_bytes!("../../tests/data/pictures/cmyk.jpg")),
];

pub(crate) fn encoded(image: image::DynamicImage, format: image::ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// EXIF data that hold an orientation only.
pub(crate) fn exif(orientation: u8, big_endian: bool) -> Vec<u8> {
    let words: [u16; 7] = [42, 8, 1, 0x0112, 3, 1, orientation.into()];
    let mut bytes = if big_endian { b"MM".to_vec() } else { b"II".to_vec() };
    let short = |value: u16| if big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
    let long = |value: u16| if big_endian { u32::from(value).to_be_bytes() } else { u32::from(value).to_le_bytes() };
    // The sign of the format, where the entries are, how many, then tag, type, count and value.
    bytes.extend(short(words[0]));
    bytes.extend(long(words[1]));
    bytes.extend(short(words[2]));
    bytes.extend(short(words[3]));
    bytes.extend(short(words[4]));
    bytes.extend(long(words[5]));
    bytes.extend(short(words[6]));
    // The value is padded to four bytes, and no entries follow.
    bytes.extend([0; 6]);
    bytes
}

/// A chunk of a PNG file.
pub(crate) fn png_chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let body = [&kind[..], data].concat();
    [&(data.len() as u32).to_be_bytes()[..], &body, &crc32(&body).to_be_bytes()].concat()
}

/// The file with a chunk after its header.
pub(crate) fn png_with(file: &[u8], chunk: &[u8]) -> Vec<u8> {
    [&file[..33], chunk, &file[33..]].concat()
}

/// The file with EXIF data after its first marker.
pub(crate) fn jpeg_with(file: &[u8], exif: &[u8]) -> Vec<u8> {
    let content = [&b"Exif\0\0"[..], exif].concat();
    let segment = [&[0xff, 0xe1][..], &(content.len() as u16 + 2).to_be_bytes(), &content].concat();
    [&file[..2], &segment, &file[2..]].concat()
}
