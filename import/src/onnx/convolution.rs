//! Convolutions and poolings of feature maps.

use beaa_ir::{LayerOp, Pool2d, Shape};

use super::attributes::Attributes;
use super::constant::Constant;
use super::network::{Base, Network, Value};
use super::window::{Window, depthwise};
use crate::error::{Checked, defect};

/// `Conv` of a layer's output, perhaps with zeros around it.
pub(crate) fn convolution(
    network: &mut Network,
    a: Attributes<'_>,
    x: &Value,
    weight: &Constant,
    bias: Option<&Constant>,
    name: &str,
) -> Checked<Base> {
    let &[outs, per_group, rows, columns] = weight.dims.as_slice() else {
        return defect(format!("a kernel of extents {:?}", weight.dims), "use a two-dimensional convolution");
    };
    let Shape::Map { channels, .. } = x.shape else {
        return defect(format!("an input of {} numbers", x.shape), "use it on feature maps");
    };
    let groups = usize::try_from(a.int("group", 1)).unwrap_or(0);
    if groups == 0 || outs % groups != 0 || per_group.checked_mul(groups) != Some(channels) {
        return defect(
            format!("a kernel of extents {:?} in {groups} groups on {channels} channels", weight.dims),
            "export the network again",
        );
    }
    let window = Window::of(a, Some([rows, columns]), x.shape, x.pads)?;
    if window.kernel.contains(&0) {
        return defect("an empty kernel", "export the network again");
    }
    let bias = match bias {
        None => None,
        Some(b) if b.dims == [outs] => Some(b.tensor(&[outs])?),
        Some(b) => return defect(format!("a bias of extents {:?} for {outs} channels", b.dims), "export again"),
    };
    network.convolve(x.base, name, (weight.clone(), bias), groups, window, x.shape)
}

/// `AveragePool` of a layer's output, as a convolution where a pooling of the model format cannot say it.
pub(crate) fn average_pool(network: &mut Network, a: Attributes<'_>, x: &Value, name: &str) -> Checked<Base> {
    let Shape::Map { channels, height, width } = x.shape else {
        return defect(format!("an input of {} numbers", x.shape), "use it on feature maps");
    };
    let window = Window::of(a, None, x.shape, x.pads)?;
    if window.pads != x.pads && a.int("count_include_pad", 0) == 0 {
        return defect("padding that does not count", "use count_include_pad=True, or a pooling without padding");
    }
    let out = window.output(x.shape, channels)?;
    let rest = |axis: usize, size: usize| {
        (size + window.pads[axis] + window.pads[axis + 2] - window.reach(axis)) % window.stride[axis]
    };
    if a.int("ceil_mode", 0) != 0 && (rest(0, height) != 0 || rest(1, width) != 0) {
        return defect("windows that reach over the edge (`ceil_mode`)", "use ceil_mode=False");
    }
    if window.pads == [0; 4] && window.dilation == [1; 2] {
        let pool = Pool2d { kernel: window.kernel, stride: window.stride };
        return network.push(x.base, name, LayerOp::AvgPool(pool), out);
    }
    let [rows, columns] = window.kernel;
    let weights = depthwise(channels, window.kernel, 1.0 / (rows * columns) as f64)?;
    network.convolve(x.base, name, weights, channels, window, x.shape)
}

/// The mean of all rows and columns of a layer's output.
pub(crate) fn global_average(network: &mut Network, x: &Value, name: &str) -> Checked<(Base, Shape)> {
    let Shape::Map { channels, height, width } = x.shape else {
        return defect(format!("an input of {} numbers", x.shape), "use it on feature maps");
    };
    if x.pads != [0; 4] {
        return defect("a mean over padding", "take the mean of what is not padded");
    }
    let shape = Shape::Map { channels, height: 1, width: 1 };
    let pool = Pool2d { kernel: [height, width], stride: [height, width] };
    Ok((network.push(x.base, name, LayerOp::AvgPool(pool), shape)?, shape))
}
