//! The sizes of a convolution, and which convolutions the own operation takes. Must never admit one that it would compute
//! wrongly: dilation and groups are left to Burn.

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
    /// The shape of a convolution of `[images, channels, rows, columns]` with `[out, channels, rows, columns]`; none if the
    /// own operation does not take it.
    pub(super) fn new(
        input: [usize; 4],
        weight: [usize; 4],
        stride: [usize; 2],
        padding: [usize; 2],
        dilation: [usize; 2],
        groups: usize,
    ) -> Option<Self> {
        let [images, channels, height, width] = input;
        let [out, per_group, rows, columns] = weight;
        let fits = height + 2 * padding[0] >= rows && width + 2 * padding[1] >= columns;
        let some = images > 0 && channels > 0 && out > 0 && rows > 0 && columns > 0 && stride[0] > 0 && stride[1] > 0;
        // Offsets within a chunk of images are 32 bits wide.
        let small = |c: usize| {
            let area = (height + 2 * padding[0] + rows) * (width + 2 * padding[1] + columns);
            super::conv::CHUNK.saturating_mul(area).saturating_mul(c) < u32::MAX as usize / 2
        };
        let supported = groups == 1 && dilation == [1, 1] && per_group == channels;
        (supported && fits && some && small(channels) && small(out)).then_some(Self {
            images,
            channels,
            input: [height, width],
            out,
            kernel: [rows, columns],
            stride,
            padding,
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
