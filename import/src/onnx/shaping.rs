//! Operators that give a tensor other extents or move its elements: nothing is computed, only the
//! layout changes. The images of a batch stay apart.

use super::attributes::Attributes;
use super::budget::axis;
use super::constant::Constant;
use super::context::{Inputs, Lowering};
use super::fold::moves;
use super::layout::{Layout, MapAxis, ZERO};
use super::network::{MAX_ELEMENTS, Value, elements};
use super::proto::NodeProto;
use super::rearrange;
use crate::error::{Checked, defect};

/// Extents that a tensor of one image may not have.
const MIXED: &str = "keep the images of a batch apart: the first extent stays the batch's";

/// The numbers of the elements of `value`, as a constant of its extents.
pub(crate) fn numbers(lowering: &mut Lowering<'_>, value: &Value) -> Checked<Constant> {
    let bounded = elements(value.padded_shape()).is_some_and(|n| n <= MAX_ELEMENTS);
    if !bounded || value.layout.len() > MAX_ELEMENTS {
        return defect(
            format!("a tensor of extents {:?}", value.layout.dims),
            format!("use a network whose feature maps have at most {MAX_ELEMENTS} elements"),
        );
    }
    lowering.network.budget.take(value.layout.len())?;
    let values = (0..value.layout.len()).map(|i| f64::from(value.layout.at(i))).collect();
    Ok(Constant { dims: value.layout.dims.clone(), values, integer: true })
}

/// `value` with the elements whose numbers `moved` holds.
pub(crate) fn renumbered(value: &Value, moved: &Constant, batch: Option<usize>) -> Value {
    let order = moved.values.iter().map(|&v| v as u32).collect();
    let layout = Layout::ordered(moved.dims.clone(), batch, order, value.padded_shape().len());
    Value { layout, ..value.clone() }
}

/// An operator of [`moves`] on a value; a result for each output of the node.
pub(crate) fn moved(lowering: &mut Lowering<'_>, node: &NodeProto, inputs: &Inputs<'_>) -> Checked<Vec<Value>> {
    let x = inputs.value(0)?;
    let mut constants = vec![None; inputs.slots.len()];
    for (k, entry) in constants.iter_mut().enumerate().skip(1) {
        *entry = inputs.maybe_constant(k)?.cloned();
    }
    if matches!(node.op_type.as_str(), "Reshape" | "Flatten") {
        let (dims, batch) = if node.op_type == "Reshape" {
            let copies = Attributes::of(node, &["allowzero"])?.int("allowzero", 0) == 0;
            reshaped(&x.layout, &inputs.constant(1)?.values, copies, lowering.graph.batch)?
        } else {
            flattened(&x.layout, Attributes::of(node, &["axis"])?.int("axis", 1))?
        };
        let layout = x.layout.with_dims(dims, batch);
        return Ok(vec![Value { layout, ..x.clone() }]);
    }
    let references: Vec<Option<&Constant>> = constants.iter().map(Option::as_ref).collect();
    let batch = batch_after(node, &references, &x.layout, lowering.graph.batch)?;
    let numbers = numbers(lowering, x)?;
    let mut changed: Vec<Option<Constant>> = constants.clone();
    if let Some(first) = changed.first_mut() {
        *first = Some(numbers);
    }
    if let ("Squeeze", Some(b)) = (node.op_type.as_str(), batch.0) {
        // Without axes all extents of 1 go, but not the batch, which is 1 here only for one image.
        if moves::axes(node, &references, 1)?.is_none() {
            let before = x.layout.batch.map_or(0, |old| old - b);
            let gone = (0..x.layout.dims.len()).filter(|&k| Some(k) != x.layout.batch && x.layout.dims[k] == 1);
            let gone: Vec<f64> = gone.map(|k| k as f64).collect();
            assert!(before <= gone.len(), "extents before the batch");
            changed.resize(2, None);
            changed[1] = Some(Constant::list(gone));
        }
    }
    let references: Vec<Option<&Constant>> = changed.iter().map(Option::as_ref).collect();
    let results = moves::apply(node, &references, &mut lowering.network.budget)?;
    Ok(results.iter().map(|r| renumbered(x, r, batch.0)).collect())
}

/// Where the batch is after a move; moves along the batch itself are refused.
struct BatchAfter(Option<usize>);

fn batch_after(
    node: &NodeProto,
    inputs: &[Option<&Constant>],
    layout: &Layout,
    fixed: Option<i64>,
) -> Checked<BatchAfter> {
    let Some(b) = layout.batch else { return Ok(BatchAfter(None)) };
    let rank = layout.dims.len();
    let one_image = fixed == Some(1) && layout.dims[b] == 1;
    let along = || defect(format!("`{}` along the batch", node.op_type), MIXED);
    let named = |name: &str, default: i64| axis(Attributes::all(node).int(name, default), rank);
    let input = |i: usize| inputs.get(i).copied().flatten();
    Ok(BatchAfter(match node.op_type.as_str() {
        "Transpose" => {
            let order = moves::permutation(Attributes::of(node, &["perm"])?.ints("perm"), rank)?;
            order.iter().position(|&k| k == b)
        }
        "Squeeze" => match moves::axes(node, inputs, 1)? {
            Some(list) => {
                let gone = list.iter().map(|&k| axis(k, rank)).collect::<Checked<Vec<_>>>()?;
                match gone.contains(&b) {
                    true if one_image => None,
                    true => return along(),
                    false => Some(b - gone.iter().filter(|&&k| k < b).count()),
                }
            }
            None if one_image => None,
            None => Some(b - (0..b).filter(|&k| layout.dims[k] == 1).count()),
        },
        "Unsqueeze" => {
            let list = moves::axes(node, inputs, 1)?.unwrap_or_default();
            let new = list.iter().map(|&k| axis(k, rank + list.len())).collect::<Checked<Vec<_>>>()?;
            (0..rank + list.len()).filter(|k| !new.contains(k)).nth(b)
        }
        "Gather" => match (named("axis", 0)?, input(1).map_or(0, |c| c.dims.len())) {
            (k, _) if k == b && !one_image => return along(),
            (k, 0) if k == b => None,
            (k, which) if k < b => Some(b + which - 1),
            _ => Some(b),
        },
        "Split" if named("axis", 0)? == b => return along(),
        "Slice" => {
            for range in moves::ranges(node, inputs)? {
                let whole = range.start == 0 && range.step == 1 && (range.end >= i64::from(i32::MAX) || one_image);
                if axis(range.axis, rank)? == b && !whole {
                    return along();
                }
            }
            Some(b)
        }
        "Tile" if input(1).is_some_and(|c| c.values.get(b) != Some(&1.0)) => return along(),
        "Expand" => {
            let sizes = input(1).map(|c| c.values.clone()).unwrap_or_default();
            let shift = sizes.len().saturating_sub(rank);
            let at = (b + sizes.len()).checked_sub(rank).and_then(|k| sizes.get(k));
            match at {
                Some(&v) if !v.is_nan() && v != 1.0 && Some(v as i64) != fixed => return along(),
                _ => Some(b + shift),
            }
        }
        "DepthToSpace" | "SpaceToDepth" if b != 0 => return along(),
        _ => Some(b),
    }))
}

/// The extents for one image of `Flatten` before axis `k`.
fn flattened(layout: &Layout, k: i64) -> Checked<(Vec<usize>, Option<usize>)> {
    let rank = layout.dims.len();
    let k = if k == rank as i64 { rank } else { axis(k, rank)? };
    let dims = vec![layout.dims[..k].iter().product(), layout.dims[k..].iter().product()];
    match layout.batch {
        Some(b) if layout.dims[..b].iter().any(|&d| d > 1) => defect("flattening behind the features", MIXED),
        Some(b) => Ok((dims, Some(usize::from(b >= k)))),
        None => Ok((dims, None)),
    }
}

/// The extents for one image of `Reshape` to `target`, in which 0 copies an extent (if `copies`),
/// -1 is what is left, and NaN stands for the size of the batch. The elements of an image stay
/// together, and in their order.
fn reshaped(layout: &Layout, target: &[f64], copies: bool, fixed: Option<i64>) -> Checked<(Vec<usize>, Option<usize>)> {
    let (elements, rank) = (layout.len(), layout.dims.len());
    let bad = |remedy: &str| defect(format!("{} made into {}", shown(layout), wanted(target)), remedy);
    let first = layout.batch.is_none_or(|b| layout.dims[..b].iter().all(|&d| d == 1));
    if !first || target.len() > 16 {
        return bad(MIXED);
    }
    let images = match (layout.batch, fixed) {
        (Some(_), Some(n)) => usize::try_from(n).unwrap_or(1),
        _ => 1,
    };
    // What is known of each extent, and which one is the batch's.
    let mut known: Vec<Option<usize>> = Vec::with_capacity(target.len());
    let mut batch = None;
    for (k, &d) in target.iter().enumerate() {
        let whole = d >= 1.0 && d.fract() == 0.0 && d <= 1e15;
        known.push(match d {
            0.0 if copies && k < rank && layout.batch == Some(k) && fixed.is_none() => {
                batch = Some(k);
                Some(layout.dims[k])
            }
            0.0 if copies && k < rank => Some(layout.dims[k] * if layout.batch == Some(k) { images } else { 1 }),
            d if d.is_nan() && batch.is_none() => {
                batch = Some(k);
                Some(1)
            }
            d if d.is_infinite() && batch.is_none() => {
                batch = Some(k);
                None
            }
            -1.0 => None,
            d if whole => Some(d as usize),
            _ => return bad("export the network again"),
        });
    }
    let total = elements.saturating_mul(images);
    let product = known.iter().flatten().try_fold(1_usize, |n, &d| n.checked_mul(d)).unwrap_or(0);
    let open: Vec<usize> = (0..known.len()).filter(|&k| known[k].is_none()).collect();
    match open.as_slice() {
        [] if product == total => {}
        &[k] if product > 0 && total.is_multiple_of(product) => known[k] = Some(total / product),
        _ => return bad("let no extent but the batch be dynamic in the export, and keep the images apart"),
    }
    let mut dims: Vec<usize> = known.into_iter().flatten().collect();
    if layout.batch.is_none() || images == 1 && fixed.is_some() {
        let batch = (dims.first() == Some(&1)).then_some(0);
        return Ok((dims, batch));
    }
    // The batch is the first extent that is not 1: the one that is marked, or the open one, or, in
    // a file of a fixed batch, one that is a multiple of it.
    let batch = match (batch, open.as_slice()) {
        (Some(k), _) => k,
        (None, &[k]) if fixed.is_none() => k,
        (None, _) if fixed.is_some() => match dims.iter().position(|&d| d > 1) {
            Some(k) if dims[k].is_multiple_of(images) => {
                dims[k] /= images;
                k
            }
            _ => return bad(MIXED),
        },
        _ => return bad(MIXED),
    };
    if dims[..batch].iter().any(|&d| d > 1) {
        return bad(MIXED);
    }
    Ok((dims, Some(batch)))
}

/// The extents of a tensor for people.
pub(crate) fn shown(layout: &Layout) -> String {
    let of = |(k, d): (usize, &usize)| match (layout.batch == Some(k), d) {
        (true, 1) => "batch".to_owned(),
        (true, d) => format!("batch x {d}"),
        (false, d) => d.to_string(),
    };
    format!("[{}]", layout.dims.iter().enumerate().map(of).collect::<Vec<_>>().join(", "))
}

fn wanted(target: &[f64]) -> String {
    let of = |d: &f64| if d.is_finite() { d.to_string() } else { "batch".to_owned() };
    format!("[{}]", target.iter().map(of).collect::<Vec<_>>().join(", "))
}

/// `Shape`: the extents of a value, the batch open.
pub(crate) fn shape_of(lowering: &Lowering<'_>, node: &NodeProto, inputs: &Inputs<'_>) -> Checked<Constant> {
    let layout = &inputs.value(0)?.layout;
    let extent = |(k, &d): (usize, &usize)| match (layout.batch == Some(k), lowering.graph.batch) {
        (true, Some(n)) => n as f64 * d as f64,
        (true, None) if d == 1 => f64::NAN,
        (true, None) => f64::INFINITY,
        (false, _) => d as f64,
    };
    let all: Vec<f64> = layout.dims.iter().enumerate().map(extent).collect();
    Ok(Constant::list(super::fold::shape_slice(node, &all)?))
}

/// `Pad` with zeros.
pub(crate) fn pad<'g>(lowering: &mut Lowering<'g>, node: &'g NodeProto, inputs: &Inputs<'_>) -> Checked<Value> {
    const REMEDY: &str = "pad with zeros, or use the padding of the convolution";
    let a = Attributes::of(node, &["mode", "pads", "value"])?;
    let x = inputs.value(0)?;
    let rank = x.layout.dims.len();
    let mode = a.text("mode").unwrap_or("constant");
    let value = match inputs.maybe_constant(2)? {
        Some(constant) => constant.single(),
        None => Some(f64::from(a.float("value", 0.0))),
    };
    if mode != "constant" || value != Some(0.0) {
        let with = value.filter(|_| mode == "constant").map(|v| format!(" with {v}")).unwrap_or_default();
        return defect(format!("`{mode}` padding{with}"), REMEDY);
    }
    let widths = match a.ints("pads") {
        Some(pads) => pads.to_vec(),
        None => inputs.constant(1)?.integers()?,
    };
    let axes = match inputs.maybe_constant(3)? {
        Some(axes) => axes.integers()?.iter().map(|&k| axis(k, rank)).collect::<Checked<Vec<_>>>()?,
        None => (0..rank).collect(),
    };
    let shown = || format!("padding {widths:?} of axes {axes:?}");
    if widths.len() != 2 * axes.len() {
        return defect(shown(), REMEDY);
    }
    let mut around = vec![[0_usize; 2]; rank];
    for (k, &axis) in axes.iter().enumerate() {
        for (side, at) in [(0, k), (1, k + axes.len())] {
            match usize::try_from(widths[at]) {
                Ok(p) if p < 1 << 16 && (p == 0 || x.layout.batch != Some(axis)) => around[axis][side] = p,
                _ => return defect(shown(), REMEDY),
            }
        }
    }
    if around.iter().all(|a| *a == [0; 2]) {
        return Ok(x.clone());
    }
    let inner = if x.pads == [0; 4] { lowering.layer_of(node, Some(0), x)? } else { x.clone() };
    match padded_map(lowering, &inner, &around)? {
        Some(padded) => Ok(padded),
        None => padded_elements(lowering, &inner, &around),
    }
}

/// Zeros around the rows and columns of a feature map, whatever the order of its axes: the next
/// convolution takes them into its padding.
fn padded_map(lowering: &mut Lowering<'_>, x: &Value, around: &[[usize; 2]]) -> Checked<Option<Value>> {
    let Some(orientation) = x.map().and_then(|map| x.layout.orientation(map)) else { return Ok(None) };
    let mut pads = x.pads;
    for (axis, widths) in orientation.iter().zip(around) {
        let at = match axis {
            Some(MapAxis::Rows) => 0,
            Some(MapAxis::Columns) => 1,
            _ if *widths == [0; 2] => continue,
            _ => return Ok(None),
        };
        pads[at] += widths[0];
        pads[at + 2] += widths[1];
    }
    let padded = Value { pads, exclusive: false, ..x.clone() };
    let Some([c, h, w]) = padded.map() else { return Ok(None) };
    let mut dims = x.layout.dims.clone();
    dims.iter_mut().zip(around).for_each(|(d, w)| *d += w[0] + w[1]);
    let layout = if x.layout.is_in_order() {
        Layout::in_order(dims, x.layout.batch)
    } else {
        numbers(lowering, &Value { layout: Layout::in_order(dims, x.layout.batch), ..padded.clone() })?;
        Layout::oriented(&orientation, x.layout.batch, [c, h, w])
    };
    Ok(Some(Value { layout, ..padded }))
}

/// Zeros around any extents.
fn padded_elements(lowering: &mut Lowering<'_>, x: &Value, around: &[[usize; 2]]) -> Checked<Value> {
    let dims: Vec<usize> = x.layout.dims.iter().zip(around).map(|(d, w)| d + w[0] + w[1]).collect();
    let start: Vec<usize> = around.iter().map(|w| w[0]).collect();
    placed(lowering, x, dims, &start)
}

/// The elements of `x` from position `start` on in a tensor of extents `dims` that is zero
/// elsewhere.
pub(crate) fn placed(lowering: &mut Lowering<'_>, x: &Value, dims: Vec<usize>, start: &[usize]) -> Checked<Value> {
    let numbers = numbers(lowering, x)?;
    let count = lowering.network.budget.take_array(&dims)?;
    let mut order = vec![ZERO; count];
    let steps = super::budget::strides(&dims);
    let first: usize = start.iter().zip(&steps).map(|(s, step)| s * step).sum();
    for (at, number) in super::budget::offsets(&x.layout.dims, &steps).zip(&numbers.values) {
        order[first + at] = *number as u32;
    }
    let layout = Layout::ordered(dims, x.layout.batch, order, x.padded_shape().len());
    Ok(Value { layout, exclusive: x.exclusive, ..x.clone() })
}

/// `value` as large as a constant that it meets, if they broadcast: repeated along extents of 1.
pub(crate) fn grown(lowering: &mut Lowering<'_>, value: &Value, dims: &[usize]) -> Checked<Value> {
    if value.layout.dims == dims {
        return Ok(value.clone());
    }
    let shift = dims.len().checked_sub(value.layout.dims.len());
    let (Some(shift), Some(true)) =
        (shift, shift.map(|s| value.layout.batch.is_none_or(|b| dims[b + s] == value.layout.dims[b])))
    else {
        return defect(format!("{} beside extents {dims:?}", shown(&value.layout)), MIXED);
    };
    let batch = value.layout.batch.map(|b| b + shift);
    if value.layout.len() == dims.iter().product::<usize>() {
        return Ok(Value { layout: value.layout.with_dims(dims.to_vec(), batch), ..value.clone() });
    }
    let numbers = numbers(lowering, value)?;
    let values = super::budget::spread(&numbers, dims, &mut lowering.network.budget)?;
    let moved = Constant { dims: dims.to_vec(), values, integer: true };
    Ok(renumbered(value, &moved, batch))
}

/// `value` in the order of its tensor, as a layer's output.
pub(crate) fn settled<'g>(
    lowering: &mut Lowering<'g>,
    node: &'g NodeProto,
    index: Option<usize>,
    value: &Value,
) -> Checked<Value> {
    let name = if value.label.is_empty() { super::names::of_layer(node, None) } else { value.label.clone() };
    let settled = rearrange::settle(lowering, value, &name)?;
    let settled = if settled.pads == [0; 4] { settled } else { lowering.layer_of(node, None, &settled)? };
    lowering.remember(node, index, &settled);
    Ok(Value { label: value.label.clone(), ..settled })
}
