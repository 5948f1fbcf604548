//! Mutations of PNG pictures chunk by chunk: checksums are made right again, and pixels are changed
//! under their compression.

use std::io::{Read, Write};

use super::bytes;
use crate::random::Choices;

const SIGNATURE: usize = 8;
/// Bytes of unpacked pixels that are changed, at most.
const LARGEST: u64 = 1 << 20;

#[derive(Clone)]
struct Chunk {
    kind: [u8; 4],
    data: Vec<u8>,
}

/// Changes a picture.
pub(crate) fn change(file: &mut Vec<u8>, other: &[u8], choices: &mut Choices) {
    let (Some(mut chunks), false) = (chunks(file), choices.one_in(8)) else {
        return bytes::change(file, other, choices);
    };
    if chunks.is_empty() {
        return bytes::change(file, other, choices);
    }
    let at = choices.below(chunks.len());
    match choices.below(8) {
        0 => drop(chunks.remove(at)),
        1 => chunks.insert(at, chunks[at].clone()),
        2 => chunks.swap(at, 0),
        // The first one has the sizes.
        3 | 4 => bytes::change(&mut chunks[0].data, b"", choices),
        5 => bytes::change(&mut chunks[at].data, b"", choices),
        6 => bytes::flip_bit(&mut chunks[at].kind, choices),
        _ => change_pixels(&mut chunks, choices),
    }
    file.truncate(SIGNATURE);
    for Chunk { kind, data } in chunks {
        let body = [&kind[..], &data].concat();
        let mut checksum = flate2::Crc::new();
        checksum.update(&body);
        file.extend((data.len() as u32).to_be_bytes());
        file.extend(body);
        file.extend(checksum.sum().to_be_bytes());
    }
}

fn change_pixels(chunks: &mut [Chunk], choices: &mut Choices) {
    let Some(pixels) = chunks.iter_mut().find(|c| c.kind == *b"IDAT") else { return };
    let mut unpacked = Vec::new();
    if flate2::read::ZlibDecoder::new(pixels.data.as_slice()).take(LARGEST).read_to_end(&mut unpacked).is_ok() {
        bytes::change(&mut unpacked, b"", choices);
        let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        if packer.write_all(&unpacked).is_ok()
            && let Ok(packed) = packer.finish()
        {
            pixels.data = packed;
        }
    }
}

fn chunks(file: &[u8]) -> Option<Vec<Chunk>> {
    let mut rest = file.get(SIGNATURE..)?;
    let mut chunks = Vec::new();
    while let Some((length, tail)) = rest.split_first_chunk::<4>() {
        let (kind, tail) = tail.split_first_chunk::<4>()?;
        let (data, tail) = tail.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        chunks.push(Chunk { kind: *kind, data: data.to_vec() });
        rest = tail.get(4..)?;
    }
    Some(chunks)
}
