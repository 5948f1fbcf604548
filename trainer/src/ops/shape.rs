//! The sizes of a convolution, and which convolutions are computed here: dilation, groups and
//! uneven padding are left to Burn.

use burn::nn::PaddingConfig2d;
use burn::nn::conv::Conv2d;

/// Images that are summed together.
pub(super) const CHUNK: usize = 8;

/// What a convolution is, but for its numbers. Two numbers are rows and columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ConvShape {
    /// Images.
    pub(super) images: usize,
    /// Channels in.
    pub(super) channels: usize,
    /// Extent of the input.
    pub(super) input: [usize; 2],
    /// Channels out.
    pub(super) out: usize,
    /// Extent of the window.
    pub(super) kernel: [usize; 2],
    /// Step of the window.
    pub(super) stride: [usize; 2],
    /// Zeros on either side.
    pub(super) padding: [usize; 2],
}

impl ConvShape {
    /// The shape of `conv` on images `[images, channels, rows, columns]`; none if it is left to
    /// Burn.
    pub(super) fn new(conv: &Conv2d, input: [usize; 4]) -> Option<Self> {
        let [images, channels, height, width] = input;
        let [out, per_group, rows, columns] = conv.weight.dims();
        let PaddingConfig2d::Explicit(top, left, bottom, right) = conv.padding else { return None };
        let supported = conv.groups == 1 && conv.dilation == [1, 1] && [top, left] == [bottom, right];
        let fits = per_group == channels && height + 2 * top >= rows && width + 2 * left >= columns;
        let sizes = [images, channels, out, rows, columns, conv.stride[0], conv.stride[1]];
        // Offsets within a chunk of images are 32 bits wide, also with a channel of zeros more.
        let small = |c: usize| {
            let area = (height + 2 * top + rows) * (width + 2 * left + columns);
            CHUNK.saturating_mul(area).saturating_mul(c) < u32::MAX as usize / 2
        };
        (supported && fits && !sizes.contains(&0) && small(channels) && small(out)).then_some(Self {
            images,
            channels,
            input: [height, width],
            out,
            kernel: [rows, columns],
            stride: conv.stride,
            padding: [top, left],
        })
    }

    /// Extent of the output.
    pub(super) fn output(&self) -> [usize; 2] {
        std::array::from_fn(|d| (self.input[d] + 2 * self.padding[d] - self.kernel[d]) / self.stride[d] + 1)
    }

    /// The number of elements of one image's input, and of its output.
    pub(super) fn elements(&self) -> [usize; 2] {
        let area = |[h, w]: [usize; 2]| h * w;
        [self.channels * area(self.input), self.out * area(self.output())]
    }

    /// `[images, out, rows, columns]`.
    pub(super) fn output_dims(&self) -> [usize; 4] {
        let [h, w] = self.output();
        [self.images, self.out, h, w]
    }

    /// `[images, channels, rows, columns]`.
    pub(super) fn input_dims(&self) -> [usize; 4] {
        let [h, w] = self.input;
        [self.images, self.channels, h, w]
    }

    /// `[out, channels, rows, columns]`.
    pub(super) fn weight_dims(&self) -> [usize; 4] {
        let [h, w] = self.kernel;
        [self.out, self.channels, h, w]
    }
}
