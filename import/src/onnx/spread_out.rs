//! Convolutions written out as matrices: where the elements do not lie as in a feature map, or go
//! back to larger maps. Only for small ones.

use beaa_ir::Shape;

use super::attributes::Attributes;
use super::constant::Constant;
use super::context::{Inputs, Lowering};
use super::layout::{Layout, ZERO};
use super::names;
use super::network::Value;
use super::proto::NodeProto;
use super::rearrange::{as_map, matrix};
use super::window::{Filter, Window};
use crate::error::{Checked, defect};

/// A convolution of a tensor whose elements lie in any order.
pub(crate) fn convolution(
    lowering: &mut Lowering<'_>,
    x: &Value,
    filter: &Filter,
    window: &Window,
    name: &str,
) -> Checked<Value> {
    let Some([channels, height, width]) = x.layout.map_extents() else {
        return defect("a convolution of a vector", "use it on feature maps");
    };
    assert_eq!(x.pads, [0; 4], "a value that is no map has no padding");
    let &[outs, per_group, rows, columns] = filter.kernel.dims.as_slice() else {
        return defect("a kernel that is not two-dimensional", "use a two-dimensional convolution");
    };
    let out = window.output(Shape::Map { channels, height, width }, outs)?;
    let Shape::Map { height: high, width: wide, .. } = out else { return defect("an empty map", "use larger maps") };
    let (layout, outs_per_group) = (x.layout.clone(), outs / filter.groups);
    let source = |k: usize, i: usize, r: usize, s: usize| {
        let (u, v) = (i / columns % rows, i % columns);
        let row = (r * window.stride[0] + u * window.dilation[0]).checked_sub(window.pads[0])?;
        let column = (s * window.stride[1] + v * window.dilation[1]).checked_sub(window.pads[1])?;
        let channel = k / outs_per_group * per_group + i / (rows * columns);
        let inside = row < height && column < width;
        let number = || layout.at((channel * height + row) * width + column);
        inside.then(number).filter(|&e| e != ZERO)
    };
    let taps = per_group * rows * columns;
    let weights = &filter.kernel.values;
    let terms = (0..outs * high * wide).flat_map(|o| {
        let (k, r, s) = (o / (high * wide), o / wide % high, o % wide);
        let term = move |i: usize| (o, i, k, r, s);
        (0..taps).map(term)
    });
    let terms = terms.filter_map(|(o, i, k, r, s)| source(k, i, r, s).map(|e| (o, e as usize, weights[k * taps + i])));
    let base = matrix(lowering, x.base, name, outs * high * wide, terms)?;
    if let Some(bias) = &filter.bias {
        let all: Vec<f64> = (0..outs * high * wide).map(|o| f64::from(bias.data()[o / (high * wide)])).collect();
        assert!(lowering.network.add_bias(base, &all)?, "a linear layer has a bias");
    }
    let layout = Layout::in_order(vec![1, outs, high, wide], Some(0));
    Ok(Value { layout, ..lowering.fresh(base) })
}

/// `ConvTranspose`: with stride 1 a convolution with the mirrored kernel, else a matrix.
pub(crate) fn transposed<'g>(lowering: &mut Lowering<'g>, node: &'g NodeProto, inputs: &Inputs<'_>) -> Checked<Value> {
    const REMEDY: &str = "use a plain convolution, or a transposed one on small maps";
    let known = ["auto_pad", "dilations", "group", "kernel_shape", "output_padding", "output_shape", "pads", "strides"];
    let a = Attributes::of(node, &known)?;
    let x = lowering.layer_of(node, Some(0), inputs.value(0)?)?;
    let weights = inputs.constant(1)?;
    let (&[ins, outs, rows, columns], Some([channels, height, width])) =
        (weights.dims.as_slice(), x.layout.map_extents())
    else {
        return defect(format!("a transposed kernel of extents {:?}", weights.dims), REMEDY);
    };
    let auto = a.text("auto_pad").unwrap_or("NOTSET");
    if a.int("group", 1) != 1 || a.has("output_shape") || !matches!(auto, "NOTSET" | "VALID") || ins != channels {
        return defect(format!("`ConvTranspose` with groups, `output_shape` or `auto_pad` {auto}"), REMEDY);
    }
    let shape = Shape::Map { channels, height, width };
    // Window::of checks the bounds of all sizes; the padding of the result is read apart.
    let window = Window::sizes(a, [rows, columns])?;
    let list = |name: &str, count: usize| match a.ints(name) {
        None => Ok(vec![0; count]),
        Some(l) if l.len() == count && l.iter().all(|p| (0..1 << 16).contains(p)) => {
            Ok(l.iter().map(|&p| p as usize).collect::<Vec<_>>())
        }
        Some(l) => defect(format!("`{name}` of {l:?}"), REMEDY),
    };
    let (crop, more) = (list("pads", 4)?, list("output_padding", 2)?);
    let size = |axis: usize, n: usize| {
        ((n - 1) * window.stride[axis] + window.extent(axis) + more[axis])
            .checked_sub(crop[axis] + crop[axis + 2])
            .filter(|&n| n > 0)
    };
    let (Some(high), Some(wide)) = (size(0, height), size(1, width)) else {
        return defect(format!("`pads` of {crop:?}"), REMEDY);
    };
    let bias = match inputs.maybe_constant(2)? {
        Some(b) if b.dims == [outs] => Some(b.tensor(&[outs])?),
        Some(b) => return defect(format!("a bias of extents {:?} for {outs} channels", b.dims), "export again"),
        None => None,
    };
    let name = names::of_weighted_layer(node);
    let mirrored = (0..4).map(|k| (window.extent(k % 2) - 1).checked_sub(crop[k])).collect::<Option<Vec<_>>>();
    if let (Some(pads), [1, 1], true) = (mirrored, window.stride, more == [0, 0]) {
        let taps = rows * columns;
        let at = |i: usize| {
            let (o, c, t) = (i / (ins * taps), i / taps % ins, i % taps);
            weights.values[(c * outs + o) * taps + (taps - 1 - t)]
        };
        let values = (0..weights.values.len()).map(at).collect();
        let kernel = Constant { dims: vec![outs, ins, rows, columns], values, integer: false };
        let window = Window { pads: [pads[0], pads[1], pads[2], pads[3]], ..window };
        let filter = Filter { kernel, bias, groups: 1 };
        return match as_map(lowering, &x, &format!("{name}.order"))? {
            Some(map) => {
                let map = lowering.layer_of(node, None, &map)?;
                let base = lowering.network.convolve(map.base, &name, filter, window, shape)?;
                Ok(lowering.fresh(base))
            }
            None => convolution(lowering, &x, &filter, &window, &name),
        };
    }
    let layout = x.layout.clone();
    let count = lowering.network.budget.take_array(&[outs, high, wide])?;
    let taps = weights.values.len() / ins.max(1);
    let terms = (0..layout.len()).filter(|&i| layout.at(i) != ZERO).flat_map(|i| (0..taps).map(move |t| (i, t)));
    let terms = terms.filter_map(|(i, t)| {
        let (c, r, s) = (i / (height * width), i / width % height, i % width);
        let (o, u, v) = (t / (rows * columns), t / columns % rows, t % columns);
        let row = (r * window.stride[0] + u * window.dilation[0]).checked_sub(crop[0])?;
        let column = (s * window.stride[1] + v * window.dilation[1]).checked_sub(crop[1])?;
        let inside = row < high && column < wide;
        inside.then(|| ((o * high + row) * wide + column, layout.at(i) as usize, weights.values[c * taps + t]))
    });
    let base = matrix(lowering, x.base, &name, count, terms)?;
    if let Some(bias) = &bias {
        let all: Vec<f64> = (0..count).map(|o| f64::from(bias.data()[o / (high * wide)])).collect();
        assert!(lowering.network.add_bias(base, &all)?, "a linear layer has a bias");
    }
    let layout = Layout::in_order(vec![1, outs, high, wide], Some(0));
    Ok(Value { layout, ..lowering.fresh(base) })
}
