//! Pictures that use fewer grey levels than their samples have: 12-bit values as scanners give
//! them, stored in 16 bits.

use image::DynamicImage;

use super::png::Significant;

/// How a picture of 16 bits a sample, or one that declares fewer bits than it has, uses its levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Levels {
    /// The largest value before scaling.
    pub(crate) largest: u32,
    /// The largest value that a sample can have.
    pub(crate) full: u32,
    /// The bits declared, if the values were scaled from that many to all.
    pub(crate) scaled_from: Option<u32>,
}

/// Scales the samples to all levels if they are lower by what the file declares. `None` for 8-bit
/// pictures that declare nothing.
///
/// PNG wants declared bits to be the upper ones of a sample already. Files that follow it show it
/// by their lower bits, which are zero or repeat the upper ones.
pub(super) fn use_levels(image: &mut DynamicImage, declared: Option<Significant>) -> Option<Levels> {
    match image {
        DynamicImage::ImageLuma8(i) => declared.map(|_| scale(i, 8, declared, |v| v as u8)),
        DynamicImage::ImageRgb8(i) => declared.map(|_| scale(i, 8, declared, |v| v as u8)),
        DynamicImage::ImageLuma16(i) => Some(scale(i, 16, declared, |v| v as u16)),
        DynamicImage::ImageRgb16(i) => Some(scale(i, 16, declared, |v| v as u16)),
        _ => None,
    }
}

/// `narrow` keeps the lower bits, which hold all of a value of `depth` bits.
fn scale<T: Copy + Into<u32>>(
    samples: &mut [T],
    depth: u32,
    declared: Option<Significant>,
    narrow: fn(u32) -> T,
) -> Levels {
    let full = (1 << depth) - 1;
    let values = || samples.iter().map(|&sample| -> u32 { sample.into() });
    let largest = values().fold(0, u32::max);
    let lower = declared.map(|Significant { bits }| bits).filter(|&bits| {
        let lowest = (1 << (depth - bits)) - 1;
        let upper = |value: u32| value & lowest == 0 || value & lowest == (value >> bits) & lowest;
        largest < 1 << bits && !values().all(upper)
    });
    if let Some(bits) = lower {
        let most = (1 << bits) - 1;
        for sample in samples {
            let value: u32 = (*sample).into();
            *sample = narrow((value * full + most / 2) / most);
        }
    }
    Levels { largest, full, scaled_from: lower }
}

#[cfg(test)]
mod tests {
    use image::{GrayImage, ImageBuffer, Luma};

    use super::*;

    fn grey16(values: [u16; 4]) -> DynamicImage {
        DynamicImage::ImageLuma16(ImageBuffer::<Luma<u16>, _>::from_raw(2, 2, values.to_vec()).unwrap())
    }

    fn used(mut image: DynamicImage, bits: Option<u32>) -> (Vec<u8>, Option<Levels>) {
        let levels = use_levels(&mut image, bits.map(|bits| Significant { bits }));
        (image.into_luma8().into_raw(), levels)
    }

    #[test]
    fn lower_bits_are_scaled_if_declared() {
        let twelve = [0, 4095, 2048, 15];
        let levels = |scaled_from| Some(Levels { largest: 4095, full: 65535, scaled_from });
        assert_eq!(used(grey16(twelve), Some(12)), (vec![0, 255, 128, 1], levels(Some(12))));
        assert_eq!(used(grey16(twelve), None), (vec![0, 16, 8, 0], levels(None)));
    }

    #[test]
    fn upper_bits_stay_as_the_format_has_them() {
        // Shifted, and with the upper bits repeated below: as PNG wants 12 of 16 bits.
        for dark in [[0, 16, 160, 4080], [0, 0x0010, 0x0100, 0x0ff0]] {
            assert_eq!(used(grey16(dark), Some(12)).1.unwrap().scaled_from, None);
        }
        let full = grey16([0, 0xfff0, 0xffff, 0x8008]);
        assert_eq!(
            used(full, Some(12)),
            (vec![0, 255, 255, 128], Some(Levels { largest: 65535, full: 65535, scaled_from: None }))
        );
    }

    #[test]
    fn eight_bits_are_scaled_too() {
        let image = || DynamicImage::ImageLuma8(GrayImage::from_raw(2, 2, vec![0, 15, 7, 1]).unwrap());
        assert_eq!(used(image(), Some(4)).0, [0, 255, 119, 17]);
        assert_eq!(used(image(), None), (vec![0, 15, 7, 1], None));
    }
}
