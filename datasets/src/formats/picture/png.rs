//! Whether a PNG file is whole: all checksums, those that decoders pass over too, up to the last
//! chunk; and what it says of its pixels, wherever in the file.

use std::io::Cursor;

use image::metadata::Orientation;
use png::{BitDepth, ColorType, DecodeOptions, Decoder, Limits};

use super::LARGEST_SIDE;

/// What a file says of its pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Facts {
    /// How many bits of each sample are significant, if it is said and less than all.
    pub(super) significant: Option<Significant>,
    /// How the pixels are turned to be shown. Decoders know it only if it comes before the pixels.
    pub(super) orientation: Orientation,
}

/// How samples are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Significant {
    /// Bits that carry the picture, of those that a sample has.
    pub(super) bits: u32,
}

/// Returns what the file says of its pixels, or the reason why it is no whole picture of a kind
/// that is read.
pub(super) fn check(file: &[u8], most_memory: usize) -> Result<Facts, String> {
    let text = |error: png::DecodingError| match error {
        png::DecodingError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            "it ends before the end of the picture; it is truncated".to_owned()
        }
        other => other.to_string(),
    };
    let mut options = DecodeOptions::default();
    options.set_ignore_checksums(false);
    options.set_skip_ancillary_crc_failures(false);
    // Their checksums count, but nobody reads what they say.
    options.set_ignore_text_chunk(true);
    options.set_ignore_iccp_chunk(true);
    let mut decoder = Decoder::new_with_options(Cursor::new(file), options);
    decoder.set_limits(Limits { bytes: most_memory });
    let mut reader = decoder.read_info().map_err(text)?;
    let info = reader.info();
    let side = 1..=LARGEST_SIDE;
    if !side.contains(&info.width) || !side.contains(&info.height) {
        return Err(format!("{} x {} pixels, expected sides of 1 to {LARGEST_SIDE}", info.width, info.height));
    }
    if info.animation_control.is_some() {
        return Err("animated PNG is not read".to_owned());
    }
    let depth = match info.bit_depth {
        BitDepth::Eight => 8,
        BitDepth::Sixteen => 16,
        // Expanded by the decoder, so all of their levels are used.
        BitDepth::One | BitDepth::Two | BitDepth::Four => 0,
    };
    let colours = match info.color_type {
        ColorType::Grayscale | ColorType::GrayscaleAlpha => 1,
        ColorType::Rgb | ColorType::Rgba => 3,
        ColorType::Indexed => 0,
    };
    let declared = info.sbit.as_deref().and_then(|bits| bits.iter().take(colours).max().copied());
    let bits = declared.map(u32::from).filter(|bits| (1..depth).contains(bits));
    while reader.next_row().map_err(text)?.is_some() {}
    reader.finish().map_err(text)?;
    let exif = reader.info().exif_metadata.as_deref();
    Ok(Facts {
        significant: bits.map(|bits| Significant { bits }),
        orientation: exif.and_then(Orientation::from_exif_chunk).unwrap_or(Orientation::NoTransforms),
    })
}
