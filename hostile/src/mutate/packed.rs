//! Mutations below a compression: the entries of zip archives, and the content of gzip files. The
//! archive around them has the right sizes and checksums again.

use std::io::{Cursor, Read, Write};

use zip::write::SimpleFileOptions;

use super::bytes;
use crate::random::Choices;

/// Bytes of unpacked content that are changed, at most.
const LARGEST: u64 = 1 << 20;

/// Changes an archive: bytes of an entry, its name, or which entries there are.
pub(crate) fn change_zip(file: &mut Vec<u8>, other: &[u8], choices: &mut Choices) {
    let entries = entries(file).filter(|e| !e.is_empty());
    let (Some(mut entries), false) = (entries, choices.one_in(4)) else {
        return bytes::change(file, other, choices);
    };
    let at = choices.below(entries.len());
    match choices.below(8) {
        0 => drop(entries.remove(at)),
        1 => entries[at].0.push('x'),
        2 => entries.swap(at, 0),
        3 => {
            let content = entries[0].1.clone();
            entries[at].1 = content;
        }
        // Headers of arrays are at the beginning.
        4 | 5 => {
            let header = entries[at].1.len().min(128);
            let mut head: Vec<u8> = entries[at].1.drain(..header).collect();
            bytes::change(&mut head, b"", choices);
            entries[at].1.splice(0..0, head);
        }
        _ => bytes::change(&mut entries[at].1, b"", choices),
    }
    if let Some(packed) = pack(&entries, choices) {
        *file = packed;
    }
}

/// Changes what a gzip file holds; other files are changed as bytes.
pub(crate) fn change_gzip(file: &mut Vec<u8>, other: &[u8], choices: &mut Choices) {
    if !file.starts_with(&[0x1f, 0x8b]) || choices.one_in(4) {
        return bytes::change(file, other, choices);
    }
    let mut content = Vec::new();
    if flate2::read::GzDecoder::new(file.as_slice()).take(LARGEST).read_to_end(&mut content).is_err() {
        return bytes::change(file, other, choices);
    }
    bytes::change(&mut content, b"", choices);
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    if packer.write_all(&content).is_ok()
        && let Ok(packed) = packer.finish()
    {
        *file = packed;
    }
}

fn entries(file: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    let mut archive = zip::ZipArchive::new(Cursor::new(file)).ok()?;
    let mut entries = Vec::new();
    for i in 0..archive.len().min(16) {
        let entry = archive.by_index(i).ok()?;
        let (name, mut content) = (entry.name().ok()?.into_owned(), Vec::new());
        entry.take(LARGEST).read_to_end(&mut content).ok()?;
        entries.push((name, content));
    }
    Some(entries)
}

fn pack(entries: &[(String, Vec<u8>)], choices: &mut Choices) -> Option<Vec<u8>> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in entries {
        let method = *choices.pick(&[zip::CompressionMethod::Deflated, zip::CompressionMethod::Stored]);
        archive.start_file(name, SimpleFileOptions::default().compression_method(method)).ok()?;
        archive.write_all(content).ok()?;
    }
    Some(archive.finish().ok()?.into_inner())
}
