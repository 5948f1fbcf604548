//! Where a feature map may be cut: its elements row by row, within a row pixel by pixel, all
//! channels of a pixel together, and the smallest pieces that cutting gains anything by.

use beaa_ir::{Model, Shape};

/// Key switching works on so many ciphertexts at a time; smaller pieces only make more parts.
const MIN_BAND_ELEMENTS: usize = 32;
/// Elements of one pixel that stay together.
const MAX_PIXEL_ELEMENTS: usize = 64;

/// A value's elements in the order in which bands follow each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    /// Elements in that order.
    pub(super) order: Vec<u32>,
    /// Where each atom, the smallest possible band, begins in `order`; last, where the last one
    /// ends.
    pub(super) atoms: Vec<usize>,
    /// The first atom of each row; last, the number of atoms.
    rows: Vec<usize>,
}

impl Layout {
    /// Of `len` elements of this shape, or of none, in channel, row, column order.
    pub(super) fn new(len: usize, shape: Option<Shape>) -> Self {
        let (channels, height, width) = match shape {
            Some(Shape::Map { channels, height, width }) if channels * height * width == len => {
                (channels, height, width)
            }
            _ => (1, 1, len),
        };
        let mut layout = Self { order: Vec::with_capacity(len), atoms: vec![0], rows: vec![0] };
        let pixels = MIN_BAND_ELEMENTS.div_ceil(channels.max(1));
        let pieces = channels.div_ceil(MAX_PIXEL_ELEMENTS).max(1);
        for y in 0..height {
            for x in 0..width {
                for piece in 0..pieces {
                    let (first, end) = (channels * piece / pieces, channels * (piece + 1) / pieces);
                    layout.order.extend((first..end).map(|c| ((c * height + y) * width + x) as u32));
                    let whole = pieces > 1 || (x + 1) % pixels == 0 || x + 1 == width;
                    if whole {
                        layout.atoms.push(layout.order.len());
                    }
                }
            }
            layout.rows.push(layout.atoms.len() - 1);
        }
        layout
    }

    /// The first atom of each band and, last, the number of atoms, when there are to be about
    /// `2^level` bands of equal size: whole rows as long as there are enough of them, then parts of
    /// rows.
    pub(super) fn cut(&self, level: u32) -> Vec<usize> {
        let (bands, rows) = (1_usize << level.min(40), self.rows.len() - 1);
        if bands <= rows {
            let step = rows.div_ceil(bands);
            let mut cuts: Vec<usize> = self.rows.iter().copied().step_by(step).collect();
            let end = self.atoms.len() - 1;
            if cuts.last() != Some(&end) {
                cuts.push(end);
            }
            return cuts;
        }
        let pieces = bands.div_ceil(rows.max(1));
        let mut cuts = vec![0];
        for row in self.rows.windows(2) {
            let atoms = row[1] - row[0];
            let pieces = pieces.min(atoms);
            cuts.extend((1..=pieces).map(|p| row[0] + atoms * p / pieces));
        }
        cuts
    }

    /// The level beyond which no band gets smaller.
    pub(super) fn finest(&self) -> u32 {
        let widest = self.rows.windows(2).map(|r| r[1] - r[0]).max().unwrap_or(1);
        let bands = (self.rows.len() - 1).max(1) * widest.max(1);
        bands.next_power_of_two().trailing_zeros()
    }
}

/// The shape of a value of `len` elements that belongs to `layer`: that of the layer or, where
/// others were merged into it, of the first one after it that is as long.
pub(super) fn shape_of(model: &Model, layer: &str, len: usize) -> Option<Shape> {
    let at = model.layers().iter().position(|l| l.name == layer)?;
    model.shapes().iter().skip(at).copied().find(|s| s.len() == len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(channels: usize, height: usize, width: usize) -> Layout {
        Layout::new(channels * height * width, Some(Shape::Map { channels, height, width }))
    }

    #[test]
    fn every_element_is_in_one_band_at_every_level() {
        for layout in [map(16, 8, 8), map(3, 5, 7), map(130, 3, 2), map(1, 1, 1), Layout::new(100, None)] {
            let mut sorted = layout.order.clone();
            sorted.sort_unstable();
            assert!(sorted.into_iter().eq(0..layout.order.len() as u32));
            let mut bands = 0;
            for level in 0..=layout.finest() {
                let cuts = layout.cut(level);
                assert!(cuts.windows(2).all(|w| w[0] < w[1]), "{cuts:?}");
                assert_eq!((cuts[0], *cuts.last().unwrap()), (0, layout.atoms.len() - 1));
                assert!(cuts.len() > bands, "bands get smaller");
                bands = cuts.len() - 1;
            }
            assert_eq!(layout.cut(0).len(), 2);
            assert_eq!(layout.cut(layout.finest() + 1), layout.cut(layout.finest()));
            assert_eq!(bands, layout.atoms.len() - 1, "the finest bands are atoms");
        }
    }

    #[test]
    fn bands_are_rows_then_parts_of_rows_with_all_channels() {
        let layout = map(16, 4, 8);
        let rows = layout.cut(2);
        let second: Vec<u32> = layout.order[layout.atoms[rows[1]]..layout.atoms[rows[2]]].to_vec();
        assert!(second.iter().all(|e| e / 8 % 4 == 1) && second.len() == 16 * 8);
        let halves = layout.cut(3);
        let first: Vec<u32> = layout.order[..layout.atoms[halves[1]]].to_vec();
        assert!(first.iter().all(|e| e / 8 % 4 == 0 && e % 8 < 4) && first.len() == 16 * 4);
    }
}
