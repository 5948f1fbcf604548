//! Images with channels last and zeros around them, and weights in panels: the order in which the
//! kernel reads.

use rayon::prelude::*;

use super::kernel::{LANES, Number, WIDTH};
use super::shape::ConvShape;

/// How a feature map lies in memory with channels last and zeros around it: element `(y, x, c)` is
/// at `((y + top) * width + x + left) * pixel + c`.
#[derive(Debug, Clone, Copy)]
pub(super) struct PaddedNhwc {
    pub(super) channels: usize,
    /// From one pixel to the next: the channels, and zeros up to a whole group of [`Number`].
    pub(super) pixel: usize,
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) top: usize,
    pub(super) left: usize,
}

impl PaddedNhwc {
    /// The input of a convolution of `T` with its zeros.
    pub(super) fn input<T: Number>(shape: &ConvShape) -> Self {
        let [[h, w], [top, left]] = [shape.input, shape.padding];
        let pixel = shape.channels.next_multiple_of(T::GROUP);
        Self { channels: shape.channels, pixel, height: h + 2 * top, width: w + 2 * left, top, left }
    }

    /// The output of a convolution of `T` with the zeros that the gradient of its input asks for:
    /// each [`Phase`] reads up to `taps - 1` elements before the first and as many as there are
    /// input positions.
    pub(super) fn output<T: Number>(shape: &ConvShape) -> Self {
        let [h, w] = shape.output();
        let taps: [usize; 2] = std::array::from_fn(|d| shape.kernel[d].div_ceil(shape.stride[d]));
        let last = |d: usize| (shape.input[d] - 1 + shape.padding[d]) / shape.stride[d] + 1;
        let [top, left] = taps.map(|r| r - 1);
        let (height, width) = (top + h.max(last(0)), left + w.max(last(1)));
        Self { channels: shape.out, pixel: shape.out.next_multiple_of(T::GROUP), height, width, top, left }
    }

    /// Elements of one image.
    pub(super) fn len(&self) -> usize {
        self.height * self.width * self.pixel
    }

    /// Elements of one row.
    pub(super) fn row(&self) -> usize {
        self.width * self.pixel
    }

    /// Copies one image `[channels, rows, columns]` of extent `[rows, columns]` into `padded`,
    /// whose zeros stay.
    pub(super) fn fill<T: Number>(&self, image: &[f32], extent: [usize; 2], padded: &mut [T]) {
        let [h, w] = extent;
        assert_eq!(image.len(), self.channels * h * w, "elements of an image");
        assert_eq!(padded.len(), self.len(), "elements of a padded image");
        let fits = self.top + h <= self.height && self.left + w <= self.width;
        assert!(fits, "{extent:?} from {:?} in {:?}", [self.top, self.left], [self.height, self.width]);
        let image = T::round(image);
        for (y, line) in padded.chunks_mut(self.row()).skip(self.top).take(h).enumerate() {
            for c in 0..self.channels {
                let from = &image[(c * h + y) * w..][..w];
                let targets = &mut line[self.left * self.pixel + c..];
                targets.iter_mut().step_by(self.pixel).zip(from).for_each(|(to, v)| *to = *v);
            }
        }
    }
}

/// `(first column, width)` of tiles that cover `columns`.
pub(super) fn tiles(columns: usize) -> Vec<(usize, usize)> {
    let width = |first: usize| if columns - first > LANES { WIDTH } else { LANES };
    (0..columns).step_by(WIDTH).map(|first| (first, width(first))).collect()
}

/// A matrix as panels, one per tile of `columns`: the tile's columns line by line, zeros beyond the
/// last, lines of a group interleaved ([`Number::GROUP`]). Element `(line, c)` is
/// `weight[lines[line] + c * stride]`, or 0 where there is no such line.
pub(super) fn panels<T: Number>(weight: &[f32], lines: &[Option<usize>], stride: usize, columns: usize) -> Vec<Vec<T>> {
    let panel = |(first, width): (usize, usize)| {
        let mut panel = vec![T::default(); lines.len() * width];
        for (targets, lines) in panel.chunks_mut(T::GROUP * width).zip(lines.chunks(T::GROUP)) {
            for (k, line) in lines.iter().enumerate().filter_map(|(k, line)| line.map(|line| (k, line))) {
                let values = weight[line + first * stride..].iter().step_by(stride);
                let targets = targets.iter_mut().skip(k).step_by(T::GROUP);
                targets.zip(values).take(columns - first).for_each(|(to, v)| *to = T::rounded(*v));
            }
        }
        panel
    };
    tiles(columns).into_par_iter().map(panel).collect()
}

/// Along one direction, input positions that meet the same elements of the window.
#[derive(Debug, Clone)]
pub(super) struct Phase {
    /// Elements of the window, in the order in which the output is read.
    pub(super) window: Vec<usize>,
    /// `(input position, first position of the padded output)`.
    pub(super) positions: Vec<(usize, usize)>,
}

/// The phases of direction `d`: input position `i` meets window element `k` at output position `(i
/// + padding - k) / stride` where that is a whole number.
pub(super) fn phases(shape: &ConvShape, d: usize) -> Vec<Phase> {
    let (stride, kernel) = (shape.stride[d], shape.kernel[d]);
    let taps = kernel.div_ceil(stride);
    (0..stride)
        .map(|r| {
            let window: Vec<usize> = (r..kernel).step_by(stride).rev().collect();
            // The padded output begins `taps - 1` before the output, and the first read is
            // `window.len() - 1` before the last.
            let skip = taps - window.len();
            let position = |i: usize| (i, (i + shape.padding[d] - r) / stride + skip);
            let meets = |i: &usize| (i + shape.padding[d]) % stride == r;
            Phase { window, positions: (0..shape.input[d]).filter(meets).map(position).collect() }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use half::bf16;

    use super::*;

    #[test]
    fn tiles_cover_every_column_once() {
        for columns in 1..100 {
            let tiles = tiles(columns);
            assert_eq!(tiles[0].0, 0);
            assert!(tiles.windows(2).all(|t| t[0].0 + t[0].1 == t[1].0));
            let (first, width) = tiles[tiles.len() - 1];
            assert!(first < columns && columns <= first + width && (width == LANES || width == WIDTH));
        }
    }

    #[test]
    fn panels_hold_every_element_and_zeros_beyond() {
        let weight: Vec<f32> = (0..50 * 6).map(|i| i as f32).collect();
        for columns in [1, 16, 17, 50] {
            let lines = [Some(4), Some(0), None, Some(5)];
            let expected = |line: usize, c: usize| match lines[line] {
                Some(line) if c < columns => (c * 6 + line) as f32,
                _ => 0.0,
            };
            let plain = panels::<f32>(&weight, &lines, 6, columns);
            let pairs = panels::<bf16>(&weight, &lines, 6, columns);
            for ((plain, pairs), (first, width)) in plain.iter().zip(&pairs).zip(tiles(columns)) {
                assert_eq!([plain.len(), pairs.len()], [lines.len() * width; 2]);
                for (i, &v) in plain.iter().enumerate() {
                    assert_eq!(v, expected(i / width, first + i % width));
                }
                for (i, &v) in pairs.iter().enumerate() {
                    let (line, column) = (i / (2 * width) * 2 + i % 2, i % (2 * width) / 2);
                    assert_eq!(v, bf16::from_f32(expected(line, first + column)));
                }
            }
        }
    }

    #[test]
    fn padding_puts_channels_last() {
        for pixel in [2, 3] {
            let layout = PaddedNhwc { channels: 2, pixel, height: 4, width: 5, top: 1, left: 2 };
            let image: Vec<f32> = (1..=8).map(|i| i as f32).collect();
            let mut found = vec![0.0; layout.len()];
            layout.fill(&image, [2, 2], &mut found);
            for (i, v) in found.iter().enumerate() {
                let (c, x, y) = (i % pixel, i / pixel % 5, i / (5 * pixel));
                let inside = c < 2 && (1..3).contains(&y) && (2..4).contains(&x);
                let expected = if inside { image[c * 4 + (y - 1) * 2 + x - 2] } else { 0.0 };
                assert_eq!(*v, expected, "{y} {x} {c}");
            }
        }
    }
}
