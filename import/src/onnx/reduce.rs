//! Sums and means along axes: average poolings of rows and columns, convolutions along channels,
//! else matrices.

use beaa_ir::{LayerOp, Pool2d, Shape};

use super::attributes::Attributes;
use super::budget::{axis, offsets, strides};
use super::constant::Constant;
use super::context::{Inputs, Lowering};
use super::contract::{Product, contract};
use super::fold::moves;
use super::layout::{Layout, MapAxis};
use super::names;
use super::network::Value;
use super::proto::NodeProto;
use super::quadratic::{Coefficient, Quadratic};
use super::shaping::shown;
use crate::error::{Checked, defect};

/// `ReduceMean` and `ReduceSum`.
pub(crate) fn reduce<'g>(lowering: &mut Lowering<'g>, node: &'g NodeProto, inputs: &Inputs<'_>) -> Checked<Value> {
    let x = lowering.layer_of(node, Some(0), inputs.value(0)?)?;
    let rank = x.layout.dims.len();
    let a = Attributes::of(node, &["axes", "keepdims", "noop_with_empty_axes"])?;
    let constants = [None, inputs.maybe_constant(1)?];
    let axes = match moves::axes(node, &constants, 1)? {
        Some(list) => list.iter().map(|&k| axis(k, rank)).collect::<Checked<Vec<_>>>()?,
        None => (0..rank).collect(),
    };
    if x.layout.batch.is_some_and(|b| axes.contains(&b)) {
        return defect(
            format!("a sum or mean over axes {axes:?} of {}, the batch among them", shown(&x.layout)),
            "leave the batch out: `x.mean((2, 3))`",
        );
    }
    let count: usize = axes.iter().map(|&k| x.layout.dims[k]).product();
    let mean = mean(lowering, node, &x, &axes)?;
    let kept = if a.int("keepdims", 1) != 0 { mean } else { without(mean, &axes) };
    match node.op_type.as_str() {
        "ReduceSum" if count != 1 => {
            let factor = Quadratic::constant(Coefficient::number(count as f64));
            Ok(Value { quadratic: kept.quadratic.times(&factor, kept.shape)?, ..kept })
        }
        _ => Ok(kept),
    }
}

/// The tensor without some extents of 1.
fn without(value: Value, axes: &[usize]) -> Value {
    let kept: Vec<usize> = (0..value.layout.dims.len()).filter(|k| !axes.contains(k)).collect();
    let dims = kept.iter().map(|&k| value.layout.dims[k]).collect();
    let batch = value.layout.batch.and_then(|b| kept.iter().position(|&k| k == b));
    Value { layout: value.layout.with_dims(dims, batch), ..value }
}

/// The means of `x`, a layer's output, along `axes`, whose extents become 1.
pub(crate) fn mean<'g>(lowering: &mut Lowering<'g>, node: &'g NodeProto, x: &Value, axes: &[usize]) -> Checked<Value> {
    let layout = &x.layout;
    let count: usize = axes.iter().map(|&k| layout.dims[k]).product();
    if count == 1 {
        return Ok(x.clone());
    }
    if let Some(pooled) = pooled(lowering, node, x, axes)? {
        return Ok(pooled);
    }
    // A product with the same weight for everything that is summed.
    let weight = Constant::scalar(1.0 / count as f64);
    let left: Vec<u8> = (0..layout.dims.len()).map(|k| k as u8).collect();
    let out: Vec<u8> = left.iter().map(|&l| if axes.contains(&usize::from(l)) { l + 100 } else { l }).collect();
    let product = Product { weights: &weight, left, right: Vec::new(), out };
    contract(lowering, x, &product, &names::of_layer(node, None))
}

/// Means over all rows, all columns or both, as a pooling.
fn pooled<'g>(lowering: &mut Lowering<'g>, node: &'g NodeProto, x: &Value, axes: &[usize]) -> Checked<Option<Value>> {
    let Some([channels, height, width]) = x.map() else { return Ok(None) };
    let Some(orientation) = pooling_axes(&x.layout, [channels, height, width], axes) else { return Ok(None) };
    let over = |axis: MapAxis| orientation.contains(&axis);
    let [high, wide] =
        [(over(MapAxis::Rows), height), (over(MapAxis::Columns), width)].map(|(o, n)| if o { n } else { 1 });
    let shape = Shape::Map { channels, height: height / high, width: width / wide };
    let pool = Pool2d { kernel: [high, wide], stride: [high, wide] };
    let base = lowering.network.push(x.base, &names::of_layer(node, None), LayerOp::AvgPool(pool), shape)?;
    let dims: Vec<usize> =
        x.layout.dims.iter().enumerate().map(|(k, &d)| if axes.contains(&k) { 1 } else { d }).collect();
    let steps = strides(&x.layout.dims);
    let pooled = |e: usize| {
        let (k, r, s) = (e / (height * width), e / width % height, e % width);
        (k * (height / high) + r / high) * (width / wide) + s / wide
    };
    let order = offsets(&dims, &steps).map(|at| pooled(x.layout.at(at) as usize) as u32).collect();
    let layout = Layout::ordered(dims, x.layout.batch, order, shape.len());
    Ok(Some(Value { layout, ..lowering.fresh(base) }))
}

/// Which of rows and columns the axes are, if they are nothing else.
fn pooling_axes(layout: &Layout, [c, h, w]: [usize; 3], axes: &[usize]) -> Option<Vec<MapAxis>> {
    if !layout.is_permutation(c * h * w) {
        return None;
    }
    let steps = layout.steps()?;
    let mut found = Vec::new();
    for &k in axes.iter().filter(|&&k| layout.dims[k] > 1) {
        match (layout.dims[k], steps[k]) {
            // Rows and columns as one extent.
            (d, 1) if d == h * w => found.extend([MapAxis::Rows, MapAxis::Columns]),
            (d, 1) if d == w => found.push(MapAxis::Columns),
            (d, s) if d == h && s == w => found.push(MapAxis::Rows),
            _ => return None,
        }
    }
    Some(found)
}
