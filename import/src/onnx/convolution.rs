//! Convolutions and average poolings of feature maps.

use beaa_ir::{LayerOp, Pool2d, Shape};

use super::attributes::Attributes;
use super::context::{Inputs, Lowering};
use super::names;
use super::network::{Base, Network, Value};
use super::proto::NodeProto;
use super::window::{Filter, Window, depthwise};
use crate::error::{Checked, defect};

/// `Conv` of a layer's output, perhaps with zeros around it.
pub(crate) fn conv<'g>(lowering: &mut Lowering<'g>, node: &'g NodeProto, inputs: &Inputs<'_>) -> Checked<Value> {
    let a = Attributes::of(node, &["auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"])?;
    let (kernel, bias) = (inputs.constant(1)?, inputs.maybe_constant(2)?);
    let x = lowering.padded_layer(node, inputs)?;
    let &[outs, per_group, rows, columns] = kernel.dims.as_slice() else {
        return defect(format!("a kernel of extents {:?}", kernel.dims), "use a two-dimensional convolution");
    };
    let (channels, ..) = map_of(&x)?;
    let groups = usize::try_from(a.int("group", 1)).unwrap_or(0);
    if groups == 0 || outs % groups != 0 || per_group.checked_mul(groups) != Some(channels) {
        return defect(
            format!("a kernel of extents {:?} in {groups} groups on {channels} channels", kernel.dims),
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
    let filter = Filter { kernel: kernel.clone(), bias, groups };
    let base = lowering.network.convolve(x.base, &names::of_weighted_layer(node), filter, window, x.shape)?;
    Ok(lowering.fresh(base))
}

/// `AveragePool` of a layer's output, as a convolution where a pooling of the model format cannot
/// say it.
pub(crate) fn average_pool<'g>(
    lowering: &mut Lowering<'g>,
    node: &'g NodeProto,
    inputs: &Inputs<'_>,
) -> Checked<Value> {
    let known = ["auto_pad", "ceil_mode", "count_include_pad", "dilations", "kernel_shape", "pads", "strides"];
    let a = Attributes::of(node, &known)?;
    let x = lowering.padded_layer(node, inputs)?;
    let (channels, height, width) = map_of(&x)?;
    let window = Window::of(a, None, x.shape, x.pads)?;
    if window.pads != x.pads && a.int("count_include_pad", 0) == 0 {
        return defect("padding that does not count", "use count_include_pad=True, or a pooling without padding");
    }
    let out = window.output(x.shape, channels)?;
    let rest = |axis: usize, size: usize| {
        (size + window.pads[axis] + window.pads[axis + 2] - window.extent(axis)) % window.stride[axis]
    };
    if a.int("ceil_mode", 0) != 0 && (rest(0, height) != 0 || rest(1, width) != 0) {
        return defect("windows that reach over the edge (`ceil_mode`)", "use ceil_mode=False");
    }
    let name = names::of_layer(node, None);
    let base = if window.pads == [0; 4] && window.dilation == [1; 2] {
        let pool = Pool2d { kernel: window.kernel, stride: window.stride };
        lowering.network.push(x.base, &name, LayerOp::AvgPool(pool), out)?
    } else {
        let [rows, columns] = window.kernel;
        let filter = depthwise(channels, window.kernel, 1.0 / (rows * columns) as f64)?;
        lowering.network.convolve(x.base, &name, filter, window, x.shape)?
    };
    Ok(lowering.fresh(base))
}

/// `GlobalAveragePool` of a layer's output.
pub(crate) fn global_average_pool<'g>(
    lowering: &mut Lowering<'g>,
    node: &'g NodeProto,
    inputs: &Inputs<'_>,
) -> Checked<Value> {
    Attributes::of(node, &[])?;
    let x = lowering.padded_layer(node, inputs)?;
    let base = global_average(&mut lowering.network, &x, &names::of_layer(node, None))?;
    Ok(lowering.fresh(base))
}

/// Appends the mean over all rows and columns of a layer's output.
pub(crate) fn global_average(network: &mut Network, x: &Value, name: &str) -> Checked<Base> {
    let (channels, height, width) = map_of(x)?;
    if x.pads != [0; 4] {
        return defect("a mean over padding", "take the mean of what is not padded");
    }
    let shape = Shape::Map { channels, height: 1, width: 1 };
    let pool = Pool2d { kernel: [height, width], stride: [height, width] };
    network.push(x.base, name, LayerOp::AvgPool(pool), shape)
}

/// Channels, height and width of a feature map.
fn map_of(x: &Value) -> Checked<(usize, usize, usize)> {
    match x.shape {
        Shape::Map { channels, height, width } => Ok((channels, height, width)),
        Shape::Flat { .. } => defect(format!("an input of {} numbers", x.shape), "use it on feature maps"),
    }
}
