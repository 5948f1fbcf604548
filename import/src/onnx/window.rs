//! The geometry of convolutions and poolings: where their windows lie and what comes out. Sizes,
//! steps and paddings are bounded, so that no sum or product of them overflows.

use beaa_ir::{Shape, Tensor};

use super::attributes::Attributes;
use super::constant::Constant;
use crate::error::{Checked, defect};

/// Sizes of windows, steps and paddings beyond this are refused.
const MAX_SIZE: i64 = 1 << 16;

/// The weights of a convolution.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Filter {
    /// `[out][in / groups][row][column]`.
    pub(crate) kernel: Constant,
    /// `[out]`.
    pub(crate) bias: Option<Tensor>,
    pub(crate) groups: usize,
}

/// Where the windows of a convolution or pooling lie, each pair as rows and columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) kernel: [usize; 2],
    pub(crate) stride: [usize; 2],
    pub(crate) dilation: [usize; 2],
    /// Above, left, below, right.
    pub(crate) pads: [usize; 4],
}

impl Window {
    /// From the attributes of a node on a feature map of `shape`, with `outer` zeros already around
    /// it.
    pub(crate) fn of(a: Attributes<'_>, kernel: Option<[usize; 2]>, shape: Shape, outer: [usize; 4]) -> Checked<Self> {
        let stated = pair(a, "kernel_shape")?;
        let Some(kernel) = kernel.or(stated) else {
            return defect("no `kernel_shape`", "export the network again");
        };
        let window = if kernel.contains(&0) {
            Self { kernel, stride: [1; 2], dilation: [1; 2], pads: outer }
        } else {
            Self { pads: outer, ..Self::sizes(a, kernel)? }
        };
        let pads = match a.ints("pads") {
            // A signal is a map of one row.
            Some(&[before, after]) => Some(vec![0, before, 0, after]),
            other => other.map(<[i64]>::to_vec),
        };
        let inner = match (a.text("auto_pad").unwrap_or("NOTSET"), pads.as_deref()) {
            ("NOTSET" | "", None) | ("VALID", _) => [0; 4],
            ("NOTSET" | "", Some(&[t, l, b, r])) if [t, l, b, r].iter().all(|p| (0..=MAX_SIZE).contains(p)) => {
                [t as usize, l as usize, b as usize, r as usize]
            }
            (mode @ ("SAME_UPPER" | "SAME_LOWER"), _) => window.same(mode, shape)?,
            (mode, pads) => {
                let found = format!("`auto_pad` {mode} with `pads` {:?}", pads.unwrap_or_default());
                return defect(found, "use four numbers of zeros");
            }
        };
        let pads = std::array::from_fn(|i| inner[i] + outer[i]);
        Ok(Self { pads, ..window })
    }

    /// Kernel, stride and dilation alone.
    pub(crate) fn sizes(a: Attributes<'_>, kernel: [usize; 2]) -> Checked<Self> {
        let stated = pair(a, "kernel_shape")?;
        if stated.is_some_and(|s| s != kernel) || kernel.contains(&0) {
            let found = format!("`kernel_shape` of {:?}", a.ints("kernel_shape").unwrap_or_default());
            return defect(found, "export the network again");
        }
        let stride = pair(a, "strides")?.unwrap_or([1; 2]);
        let dilation = pair(a, "dilations")?.unwrap_or([1; 2]);
        Ok(Self { kernel, stride, dilation, pads: [0; 4] })
    }

    /// The shape of the result.
    pub(crate) fn output(&self, input: Shape, channels: usize) -> Checked<Shape> {
        let Shape::Map { height, width, .. } = input else {
            return defect(
                format!("an input of {input} numbers"),
                "use it on feature maps: [batch, channels, rows, columns]",
            );
        };
        let [height, width] = [self.positions(0, height)?, self.positions(1, width)?];
        Ok(Shape::Map { channels, height, width })
    }

    fn positions(&self, axis: usize, size: usize) -> Checked<usize> {
        let padded = size + self.pads[axis] + self.pads[axis + 2];
        match padded.checked_sub(self.extent(axis)) {
            Some(travel) => Ok(travel / self.stride[axis] + 1),
            None => defect(
                format!("a window of {} on {padded} rows or columns", self.extent(axis)),
                "use a window that fits into the feature map",
            ),
        }
    }

    /// Rows or columns from the first to the last that a window reads.
    pub(crate) fn extent(&self, axis: usize) -> usize {
        (self.kernel[axis] - 1) * self.dilation[axis] + 1
    }

    /// The padding with which an output has as many elements as the input has steps (ONNX
    /// `auto_pad`), beside the zeros that are around the input already.
    fn same(&self, mode: &str, shape: Shape) -> Checked<[usize; 4]> {
        let Shape::Map { height, width, .. } = shape else {
            return defect(format!("an input of {shape} numbers"), "use it on feature maps");
        };
        let mut pads = [0; 4];
        for (axis, size) in [height, width].into_iter().enumerate() {
            let size = size + self.pads[axis] + self.pads[axis + 2];
            let steps = size.div_ceil(self.stride[axis]).max(1) - 1;
            let total = (steps * self.stride[axis] + self.extent(axis)).saturating_sub(size);
            let (less, more) = (total / 2, total.div_ceil(2));
            (pads[axis], pads[axis + 2]) = if mode == "SAME_UPPER" { (less, more) } else { (more, less) };
        }
        Ok(pads)
    }

    /// The kernel and the padding that do the same with as much padding on either side.
    pub(crate) fn symmetric(&self, weight: Constant) -> Checked<(Constant, [usize; 2])> {
        let [top, left, bottom, right] = self.pads;
        let padding = [top.max(bottom), left.max(right)];
        if (top, left) == (bottom, right) {
            return Ok((weight, padding));
        }
        let before = [padding[0] - top, padding[1] - left];
        let after = [padding[0] - bottom, padding[1] - right];
        if (0..2).any(|k| before[k] % self.dilation[k] != 0 || after[k] % self.dilation[k] != 0) {
            return defect(
                format!("padding {:?} with dilation {:?}", self.pads, self.dilation),
                "pad as much on either side",
            );
        }
        let &[outs, ins, rows, columns] = weight.dims.as_slice() else {
            return defect(format!("a kernel of extents {:?}", weight.dims), "use a two-dimensional convolution");
        };
        let size = |k: usize, inner: usize| inner + (before[k] + after[k]) / self.dilation[k];
        let (high, wide) = (size(0, rows), size(1, columns));
        let [first_row, first_column] = std::array::from_fn(|k| before[k] / self.dilation[k]);
        let count = [outs, ins, high, wide].iter().try_fold(1_usize, |n, &d| n.checked_mul(d));
        let Some(count) = count.filter(|&n| n <= 1 << 24) else {
            return defect(format!("padding {:?}", self.pads), "pad less, or as much on either side");
        };
        let mut values = vec![0.0; count];
        for (i, v) in weight.values.iter().enumerate() {
            let (plane, row, column) = (i / (rows * columns), i / columns % rows, i % columns);
            values[(plane * high + row + first_row) * wide + column + first_column] = *v;
        }
        Ok((Constant { dims: vec![outs, ins, high, wide], values, integer: false }, padding))
    }
}

/// Rows and columns of an attribute; of a signal the one number, as columns.
fn pair(a: Attributes<'_>, name: &str) -> Checked<Option<[usize; 2]>> {
    match a.ints(name) {
        None => Ok(None),
        Some(&[c]) if (1..=MAX_SIZE).contains(&c) => Ok(Some([1, c as usize])),
        Some(&[r, c]) if (1..=MAX_SIZE).contains(&r) && (1..=MAX_SIZE).contains(&c) => {
            Ok(Some([r as usize, c as usize]))
        }
        Some(other) => defect(format!("`{name}` of {other:?}"), "use two positive sizes: images have two dimensions"),
    }
}

/// A depthwise kernel of one weight 1 per channel.
pub(crate) fn identity(channels: usize) -> Checked<Filter> {
    depthwise(channels, [1; 2], 1.0)
}

/// A depthwise kernel of `weight` everywhere.
pub(crate) fn depthwise(channels: usize, [rows, columns]: [usize; 2], weight: f64) -> Checked<Filter> {
    let count = channels.checked_mul(rows).and_then(|n| n.checked_mul(columns)).filter(|&n| n <= 1 << 24);
    match count {
        Some(n) => {
            let dims = vec![channels, 1, rows, columns];
            let kernel = Constant { dims, values: vec![weight; n], integer: false };
            Ok(Filter { kernel, bias: None, groups: channels })
        }
        None => defect(format!("a window of {rows} x {columns}"), "use a smaller window"),
    }
}
