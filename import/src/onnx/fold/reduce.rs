//! Sums, means, extremes and norms of constants along axes.

use super::super::attributes::Attributes;
use super::super::budget::{Budget, axis, offsets, strides};
use super::super::constant::Constant;
use super::super::proto::NodeProto;
use super::moves;
use crate::error::{Checked, defect};

/// Whether an operator reduces a tensor along axes.
pub(crate) fn is_reduction(operator: &str) -> bool {
    matches!(
        operator,
        "ReduceSum"
            | "ReduceMean"
            | "ReduceMax"
            | "ReduceMin"
            | "ReduceProd"
            | "ReduceL1"
            | "ReduceL2"
            | "ReduceSumSquare"
    )
}

/// The reduction of a constant.
pub(crate) fn reduce(node: &NodeProto, inputs: &[Option<&Constant>], budget: &mut Budget) -> Checked<Constant> {
    let Some(a) = inputs.first().copied().flatten() else { return defect("no input 0", "export the network again") };
    let rank = a.dims.len();
    let keep = Attributes::of(node, &["axes", "keepdims", "noop_with_empty_axes"])?.int("keepdims", 1) != 0;
    let axes = match moves::axes(node, inputs, 1)? {
        Some(list) => list.iter().map(|&k| axis(k, rank)).collect::<Checked<Vec<_>>>()?,
        None => (0..rank).collect(),
    };
    let gone = |k: usize| axes.contains(&k);
    let kept: Vec<usize> = (0..rank).map(|k| if gone(k) { 1 } else { a.dims[k] }).collect();
    let reduced: Vec<usize> = (0..rank).map(|k| if gone(k) { a.dims[k] } else { 1 }).collect();
    budget.take(a.values.len())?;
    let steps = strides(&a.dims);
    let inner: Vec<usize> = offsets(&reduced, &steps).collect();
    let values = offsets(&kept, &steps)
        .map(|start| of_values(&node.op_type, inner.iter().map(|&i| a.values[start + i])))
        .collect();
    let dims = if keep { kept } else { (0..rank).filter(|&k| !gone(k)).map(|k| a.dims[k]).collect() };
    Ok(Constant { dims, values, integer: a.integer })
}

fn of_values(operator: &str, values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    match operator {
        "ReduceSum" => values.sum(),
        "ReduceMean" => values.sum::<f64>() / count,
        "ReduceMax" => values.fold(f64::NEG_INFINITY, f64::max),
        "ReduceMin" => values.fold(f64::INFINITY, f64::min),
        // The number of rows of a whole batch is not known, and not the batch's own.
        "ReduceProd" => match values.product::<f64>() {
            unknown if unknown.is_nan() => f64::INFINITY,
            product => product,
        },
        "ReduceL1" => values.map(f64::abs).sum(),
        "ReduceL2" => values.map(|v| v * v).sum::<f64>().sqrt(),
        _ => values.map(|v| v * v).sum(),
    }
}
