//! Convolutions and average poolings of feature maps, and of signals as maps of one row.

use beaa_ir::{LayerOp, Pool2d, Shape};

use super::attributes::Attributes;
use super::constant::Constant;
use super::context::{Inputs, Lowering};
use super::layout::Layout;
use super::names;
use super::network::Value;
use super::proto::NodeProto;
use super::rearrange::padded_layer;
use super::spread_out;
use super::window::{Filter, Window, depthwise};
use crate::error::{Checked, defect};

/// `Conv` of a layer's output, perhaps with zeros around it.
pub(crate) fn conv<'g>(lowering: &mut Lowering<'g>, node: &'g NodeProto, inputs: &Inputs<'_>) -> Checked<Value> {
    let a = Attributes::of(node, &["auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"])?;
    let (kernel, bias) = (inputs.constant(1)?, inputs.maybe_constant(2)?);
    let x = padded_layer(lowering, node, inputs)?;
    let kernel = two_dimensional(kernel, &x)?;
    let &[outs, per_group, rows, columns] = kernel.dims.as_slice() else {
        return defect(format!("a kernel of extents {:?}", kernel.dims), "use a convolution in one or two dimensions");
    };
    let [channels, height, width] = extents(&x)?;
    let groups = usize::try_from(a.int("group", 1)).unwrap_or(0);
    if groups == 0 || outs % groups != 0 || per_group.checked_mul(groups) != Some(channels) {
        return defect(
            format!("a kernel of extents {:?} in {groups} groups on {channels} channels", kernel.dims),
            "export the network again",
        );
    }
    let shape = Shape::Map { channels, height, width };
    let window = Window::of(a, Some([rows, columns]), shape, x.pads)?;
    if window.kernel.contains(&0) {
        return defect("an empty kernel", "export the network again");
    }
    let bias = match bias {
        None => None,
        Some(b) if b.dims == [outs] => Some(b.tensor(&[outs])?),
        Some(b) => return defect(format!("a bias of extents {:?} for {outs} channels", b.dims), "export again"),
    };
    apply(lowering, node, &x, Filter { kernel, bias, groups }, window)
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
    let x = padded_layer(lowering, node, inputs)?;
    let [channels, height, width] = extents(&x)?;
    let shape = Shape::Map { channels, height, width };
    let window = Window::of(a, None, shape, x.pads)?;
    if window.pads != x.pads && a.int("count_include_pad", 0) == 0 {
        let remedy = lowering.producer.uncounted_padding();
        return defect("padding that does not count", remedy);
    }
    let out = window.output(shape, channels)?;
    let rest = |axis: usize, size: usize| {
        (size + window.pads[axis] + window.pads[axis + 2] - window.extent(axis)) % window.stride[axis]
    };
    if a.int("ceil_mode", 0) != 0 && (rest(0, height) != 0 || rest(1, width) != 0) {
        return defect("windows that reach over the edge (`ceil_mode`)", "use ceil_mode=False");
    }
    if x.is_map() && window.pads == [0; 4] && window.dilation == [1; 2] {
        let pool = Pool2d { kernel: window.kernel, stride: window.stride };
        let base = lowering.network.push(x.base, &names::of_layer(node, None), LayerOp::AvgPool(pool), out)?;
        return Ok(like(lowering.fresh(base), &x));
    }
    let [rows, columns] = window.kernel;
    let filter = depthwise(channels, window.kernel, 1.0 / (rows * columns) as f64)?;
    apply(lowering, node, &x, filter, window)
}

/// `GlobalAveragePool` of a layer's output, and means over all rows and columns.
pub(crate) fn global_average_pool<'g>(
    lowering: &mut Lowering<'g>,
    node: &'g NodeProto,
    inputs: &Inputs<'_>,
) -> Checked<Value> {
    Attributes::of(node, &[])?;
    let x = lowering.layer_of(node, Some(0), inputs.value(0)?)?;
    let axes = (2..x.layout.dims.len()).collect::<Vec<_>>();
    super::reduce::mean(lowering, node, &x, &axes)
}

/// The convolution as a layer, or as a matrix where the elements lie in another order than in a
/// feature map.
fn apply<'g>(
    lowering: &mut Lowering<'g>,
    node: &'g NodeProto,
    x: &Value,
    filter: Filter,
    window: Window,
) -> Checked<Value> {
    let name = names::of_weighted_layer(node);
    if x.is_map() {
        let base = lowering.network.convolve(x.base, &name, filter, window, x.shape)?;
        return Ok(like(lowering.fresh(base), x));
    }
    let value = spread_out::convolution(lowering, x, &filter, &window, &name)?;
    Ok(like(value, x))
}

/// A new map read as the one that it was computed from: a signal stays `[batch, channels, length]`.
pub(crate) fn like(value: Value, x: &Value) -> Value {
    match (x.layout.dims.len(), value.layout.map_extents()) {
        (3, Some([c, 1, length])) => Value { layout: Layout::in_order(vec![1, c, length], Some(0)), ..value },
        _ => value,
    }
}

/// A kernel of one dimension as one of a single row.
fn two_dimensional(kernel: &Constant, x: &Value) -> Checked<Constant> {
    match (kernel.dims.as_slice(), x.layout.dims.len()) {
        (&[outs, ins, length], 3) => Ok(Constant { dims: vec![outs, ins, 1, length], ..kernel.clone() }),
        ([_, _, _, _], 4) => Ok(kernel.clone()),
        (dims, rank) => defect(
            format!("a kernel of extents {dims:?} on a value of {rank} extents"),
            "use convolutions in one or two dimensions",
        ),
    }
}

/// Channels, height and width without the padding that is still to be done.
fn extents(x: &Value) -> Checked<[usize; 3]> {
    match x.layout.map_extents() {
        Some([c, h, w]) => Ok([c, h - x.pads[0] - x.pads[2], w - x.pads[1] - x.pads[3]]),
        None => defect(
            format!("an input of extents {}", super::shaping::shown(&x.layout)),
            "use it on feature maps: [batch, channels, rows, columns]",
        ),
    }
}
