//! Operators that move or reduce extents: to a vector, to one number per channel, with zeros
//! around. The order of elements stays, and no two images are mixed.

use beaa_ir::{LayerOp, Shape};

use super::attributes::Attributes;
use super::constant::Constant;
use super::context::{Inputs, Lowering};
use super::convolution;
use super::names;
use super::network::Value;
use super::proto::NodeProto;
use crate::error::{Checked, defect};

const FLATTEN: &str = "flatten with `torch.flatten(x, 1)` or `x.view(x.size(0), -1)`";

/// `Flatten`, `Reshape` and `Squeeze`, as far as they make vectors of feature maps or change
/// nothing.
pub(crate) fn reshape<'g>(lowering: &mut Lowering<'g>, node: &'g NodeProto, inputs: &Inputs<'_>) -> Checked<Value> {
    let x = inputs.value(0)?;
    let reshaped = match node.op_type.as_str() {
        "Flatten" => match (Attributes::of(node, &["axis"])?.int("axis", 1), rank(x)) {
            (1, _) | (-3, 4) | (-1, 2) => Reshaped::Vector,
            (axis, _) => return defect(format!("flattening from axis {axis}"), FLATTEN),
        },
        "Squeeze" => squeezed(x, &axes(node, inputs)?.unwrap_or_default())?,
        _ => {
            let copies = Attributes::of(node, &["allowzero"])?.int("allowzero", 0) == 0;
            to_extents(x, &inputs.constant(1)?.values, copies, lowering.graph.batch)?
        }
    };
    match (reshaped, x.shape) {
        (Reshaped::Unchanged, _) | (Reshaped::Vector, Shape::Flat { .. }) => Ok(x.clone()),
        (Reshaped::Vector, Shape::Map { .. }) => flatten(lowering, node, x),
        (Reshaped::Map(map), Shape::Flat { .. }) => unflatten(lowering, x, map),
        (Reshaped::Map(_), Shape::Map { .. }) => defect("other extents for a feature map", FLATTEN),
    }
}

/// What a change of extents comes to.
enum Reshaped {
    Unchanged,
    Vector,
    Map(Shape),
}

fn rank(x: &Value) -> usize {
    if matches!(x.shape, Shape::Map { .. }) { 4 } else { 2 }
}

/// The extents of a value, padding included, without the batch.
fn extents(x: &Value) -> Vec<usize> {
    match x.shape {
        Shape::Map { channels, height, width } => {
            vec![channels, height + x.pads[0] + x.pads[2], width + x.pads[1] + x.pads[3]]
        }
        Shape::Flat { features } => vec![features],
    }
}

/// What `Reshape` to `dims` does, in which 0 copies an extent (if `copies`), one may be left open
/// (-1), and the first must be the batch.
fn to_extents(x: &Value, dims: &[f64], copies: bool, batch: Option<i64>) -> Checked<Reshaped> {
    let extents = extents(x);
    let elements: usize = extents.iter().product();
    let shown = || format!("extents {dims:?} for [batch, {extents:?}]");
    let Some((&first, rest)) = dims.split_first() else { return defect(shown(), FLATTEN) };
    let first_is_batch =
        first.is_nan() || (first == 0.0 && copies) || first == -1.0 || batch.is_some_and(|b| first == b as f64);
    let mut sizes = Vec::with_capacity(rest.len());
    for (k, &d) in rest.iter().enumerate() {
        match d {
            0.0 if copies => sizes.push(extents.get(k).copied()),
            -1.0 => sizes.push(None),
            d if d >= 1.0 && d.fract() == 0.0 && d <= elements as f64 => sizes.push(Some(d as usize)),
            _ => return defect(shown(), FLATTEN),
        }
    }
    let known: usize = sizes.iter().flatten().fold(1, |n: usize, &d| n.saturating_mul(d));
    let open = sizes.iter().filter(|s| s.is_none()).count();
    // With -1 for the batch, what remains must be a whole image.
    let whole = match open {
        0 => known == elements,
        1 => first != -1.0 && known > 0 && elements.is_multiple_of(known),
        _ => false,
    };
    if !first_is_batch || !whole {
        return defect(shown(), FLATTEN);
    }
    let sizes: Vec<usize> = sizes.into_iter().map(|s| s.unwrap_or(elements / known)).collect();
    match sizes.as_slice() {
        sizes if sizes == extents => Ok(Reshaped::Unchanged),
        [_] => Ok(Reshaped::Vector),
        &[channels, height, width] => Ok(Reshaped::Map(Shape::Map { channels, height, width })),
        _ => defect(shown(), FLATTEN),
    }
}

fn squeezed(x: &Value, axes: &[i64]) -> Checked<Reshaped> {
    match (extents(x).as_slice(), sorted(axes, 4)?.as_slice()) {
        ([_, 1, 1], [2, 3]) => Ok(Reshaped::Vector),
        (extents, axes) => defect(format!("axes {axes:?} left out of [batch, {extents:?}]"), FLATTEN),
    }
}

/// The axes that a node names, as an attribute or, in later operator sets, as its second input.
fn axes(node: &NodeProto, inputs: &Inputs<'_>) -> Checked<Option<Vec<i64>>> {
    let a = Attributes::of(node, &["axes", "keepdims", "noop_with_empty_axes"])?;
    match (a.ints("axes"), inputs.maybe_constant(1)?) {
        (Some(axes), _) => Ok(Some(axes.to_vec())),
        (None, Some(constant)) => constant.integers().map(Some),
        (None, None) => Ok(None),
    }
}

fn sorted(axes: &[i64], rank: i64) -> Checked<Vec<i64>> {
    if axes.iter().any(|a| !(-rank..rank).contains(a)) {
        return defect(format!("axes {axes:?}"), "export the network again");
    }
    let mut sorted: Vec<i64> = axes.iter().map(|&a| if a < 0 { a + rank } else { a }).collect();
    sorted.sort_unstable();
    Ok(sorted)
}

fn flatten<'g>(lowering: &mut Lowering<'g>, node: &'g NodeProto, x: &Value) -> Checked<Value> {
    let x = lowering.layer_of(node, Some(0), x)?;
    let shape = Shape::Flat { features: x.shape.len() };
    let base = lowering.network.push(x.base, &names::of_layer(node, None), LayerOp::Flatten, shape)?;
    Ok(lowering.fresh(base))
}

/// A vector becomes a feature map only where it was that very map before.
fn unflatten(lowering: &Lowering<'_>, x: &Value, map: Shape) -> Checked<Value> {
    let layers = &lowering.network.layers;
    let before = match x.base {
        Some(b) if layers[b].op == LayerOp::Flatten => {
            let base = b.checked_sub(1);
            Some((base, lowering.network.shape(base)))
        }
        _ => None,
    };
    match before {
        Some((base, shape)) if shape == map && x.quadratic.is_identity() => Ok(Value::plain(base, shape)),
        _ => defect(format!("a vector made into a feature map of {map}"), "keep feature maps until they are flattened"),
    }
}

/// `ReduceMean` over all rows and columns.
pub(crate) fn mean<'g>(lowering: &mut Lowering<'g>, node: &'g NodeProto, inputs: &Inputs<'_>) -> Checked<Value> {
    let x = inputs.value(0)?;
    let keep = Attributes::of(node, &["axes", "keepdims", "noop_with_empty_axes"])?.int("keepdims", 1) != 0;
    let axes = sorted(&axes(node, inputs)?.unwrap_or_default(), rank(x) as i64)?;
    if !matches!((x.shape, axes.as_slice()), (Shape::Map { .. }, [2, 3])) {
        return defect(format!("a mean over axes {axes:?}"), "take means over rows and columns: `x.mean((2, 3))`");
    }
    let name = names::of_layer(node, None);
    let x = lowering.padded_layer(node, inputs)?;
    let base = convolution::global_average(&mut lowering.network, &x, &name)?;
    if keep {
        return Ok(lowering.fresh(base));
    }
    let shape = Shape::Flat { features: lowering.network.shape(base).len() };
    let base = lowering.network.push(base, &format!("{name}.flatten"), LayerOp::Flatten, shape)?;
    Ok(lowering.fresh(base))
}

/// `Pad` with zeros around rows and columns.
pub(crate) fn pad<'g>(lowering: &mut Lowering<'g>, node: &'g NodeProto, inputs: &Inputs<'_>) -> Checked<Value> {
    const REMEDY: &str = "pad rows and columns with zeros, or use the padding of the convolution";
    let a = Attributes::of(node, &["mode", "pads", "value"])?;
    let x = inputs.value(0)?;
    let mode = a.text("mode").unwrap_or("constant");
    let value = inputs.maybe_constant(2)?.and_then(Constant::single).unwrap_or(f64::from(a.float("value", 0.0)));
    if mode != "constant" || value != 0.0 || rank(x) != 4 {
        return defect(format!("`{mode}` padding with {value}"), REMEDY);
    }
    let widths = match a.ints("pads") {
        Some(pads) => pads.to_vec(),
        None => inputs.constant(1)?.integers()?,
    };
    let axes = match inputs.maybe_constant(3)? {
        Some(axes) => axes.integers()?,
        None => (0..4).collect(),
    };
    let mut pads = [0_usize; 4];
    for (k, axis) in axes.iter().enumerate() {
        let axis = if *axis < 0 { axis + 4 } else { *axis };
        for (side, at) in [(0, k), (1, k + axes.len())] {
            let number = widths.get(at).and_then(|&p| usize::try_from(p).ok()).filter(|&p| p < 1 << 16);
            match (axis, number) {
                (2 | 3, Some(p)) => pads[2 * side + axis as usize - 2] = p,
                (0 | 1, Some(0)) => {}
                _ => return defect(format!("padding {widths:?} of axes {axes:?}"), REMEDY),
            }
        }
    }
    let inner = lowering.padded_layer(node, inputs)?;
    let pads = std::array::from_fn(|i| inner.pads[i] + pads[i]);
    Ok(Value { pads, exclusive: false, ..inner })
}

/// `Shape`: the extents of a value, the batch open.
pub(crate) fn shape_of(node: &NodeProto, inputs: &Inputs<'_>) -> Checked<Constant> {
    let a = Attributes::of(node, &["start", "end"])?;
    let mut all = vec![f64::NAN];
    all.extend(extents(inputs.value(0)?).iter().map(|&d| d as f64));
    let rank = all.len() as i64;
    let position = |v: i64| (if v < 0 { v.saturating_add(rank) } else { v }).clamp(0, rank) as usize;
    let (start, end) = (position(a.int("start", 0)), position(a.int("end", rank)));
    Ok(Constant::list(all[start..end.max(start)].to_vec()))
}
