//! Whether a JPEG file is whole: every scan holds the data of all its blocks, and the scans
//! together all bits of all coefficients. Decoders fill what is missing with grey instead.
//!
//! The segments and the entropy-coded data are those of ITU-T T.81 (1992), annexes B, F and G.

mod entropy;
mod frame;
mod scan;

use entropy::HuffmanTable;
use frame::Frame;
use scan::ScanHeader;

/// What the segments before a scan have set.
#[derive(Default)]
struct Tables {
    /// Of the DC coefficients (0) and of the others (1), four each.
    huffman: [[Option<HuffmanTable>; 4]; 2],
    quantisation: [bool; 4],
    /// Units between restart markers; 0 for none.
    restart_interval: usize,
}

/// Returns the reason why the file is no whole picture of a kind that is read.
pub(super) fn check(file: &[u8]) -> Result<(), String> {
    let mut tables = Tables::default();
    let mut frame: Option<Frame> = None;
    let mut several_announced = false;
    // After the marker that starts an image.
    let mut at = 2;
    loop {
        let marker = marker(file, &mut at)?;
        if marker == 0xd9 {
            break;
        }
        if matches!(marker, 0x01 | 0xd0..=0xd8) {
            return Err(format!("marker ff {marker:02x} where a segment starts; the file is damaged"));
        }
        let content = segment(file, &mut at)?;
        match marker {
            0xc4 => tables.huffman(content)?,
            0xdb => tables.quantisation(content)?,
            0xdd => tables.restart_interval = usize::from(u16::from_be_bytes(array(content)?)),
            0xc0..=0xc2 if frame.is_some() => return Err("it holds several frames".to_owned()),
            0xc0..=0xc2 => frame = Some(Frame::parse(content, marker == 0xc2)?),
            0xc3 => return Err("lossless JPEG is not read".to_owned()),
            0xc5..=0xc7 | 0xde | 0xdf => return Err("hierarchical JPEG is not read".to_owned()),
            0xc9..=0xcf => return Err("JPEG with arithmetic coding is not read".to_owned()),
            0xf7 => return Err("JPEG-LS is not read".to_owned()),
            0xdc => return Err("JPEG whose height follows after the pixels is not read".to_owned()),
            0xda => {
                let frame = frame.as_mut().ok_or("a scan comes before the size of the picture")?;
                let header = ScanHeader::parse(content, frame)?;
                at = scan::check(file, at, &header, frame, &tables)?;
            }
            0xe2 if content.starts_with(b"MPF\0") => several_announced = true,
            _ => {}
        }
    }
    let frame = frame.ok_or("it ends before the size of the picture")?;
    frame.check_complete(&tables.quantisation)?;
    // Previews of cameras are announced; anything else that follows is no picture.
    if !several_announced && file[at..].starts_with(&[0xff, 0xd8, 0xff]) {
        return Err("it holds several pictures one after another".to_owned());
    }
    Ok(())
}

/// The next marker; any number of fill bytes may come before it.
fn marker(file: &[u8], at: &mut usize) -> Result<u8, String> {
    let ends = || "it ends before the end of the picture; it is truncated".to_owned();
    let first = *file.get(*at).ok_or_else(ends)?;
    if first != 0xff {
        return Err(format!("byte {first:02x} at position {at} where a marker is expected; the file is damaged"));
    }
    while *file.get(*at).ok_or_else(ends)? == 0xff {
        *at += 1;
    }
    *at += 1;
    Ok(file[*at - 1])
}

/// The content of the segment at `at`, which moves behind it.
fn segment<'a>(file: &'a [u8], at: &mut usize) -> Result<&'a [u8], String> {
    let ends = "it ends inside of a segment; it is truncated";
    let rest = file.get(*at..).ok_or(ends)?;
    let length = usize::from(u16::from_be_bytes(array(rest).map_err(|_| ends)?));
    if length < 2 {
        return Err("a segment shorter than its length; the file is damaged".to_owned());
    }
    *at += length;
    Ok(rest.get(2..length).ok_or(ends)?)
}

/// The first bytes of a segment.
fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N], String> {
    let first = bytes.first_chunk::<N>().copied();
    first.ok_or_else(|| "a segment is shorter than what it should hold; the file is damaged".to_owned())
}

impl Tables {
    fn huffman(&mut self, mut content: &[u8]) -> Result<(), String> {
        while !content.is_empty() {
            let [class_and_index] = array(content)?;
            let (class, index) = (usize::from(class_and_index >> 4), usize::from(class_and_index & 15));
            let (table, rest) = HuffmanTable::parse(&content[1..])?;
            let slot = self.huffman.get_mut(class).and_then(|tables| tables.get_mut(index));
            *slot.ok_or("a Huffman table with a number above 3; the file is damaged")? = Some(table);
            content = rest;
        }
        Ok(())
    }

    fn quantisation(&mut self, mut content: &[u8]) -> Result<(), String> {
        while !content.is_empty() {
            let [precision_and_index] = array(content)?;
            let bytes = if precision_and_index >> 4 == 0 { 64 } else { 128 };
            let known = self.quantisation.get_mut(usize::from(precision_and_index & 15));
            *known.ok_or("a quantisation table with a number above 3; the file is damaged")? = true;
            content = content.get(1 + bytes..).ok_or("a quantisation table is cut; the file is damaged")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
