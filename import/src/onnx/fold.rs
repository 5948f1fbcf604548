//! Operations on constants, which exporters leave in a network to compute shapes and transposed
//! weights. However small the file that asks for them, no more numbers are computed than a
//! [`Budget`] allows.

use super::attributes::Attributes;
use super::constant::{Constant, External, decode};
use super::proto::NodeProto;
use crate::error::{Checked, defect};

/// How many numbers may be computed from constants in one import.
#[derive(Debug)]
pub(crate) struct Budget(usize);

impl Budget {
    pub(crate) fn new() -> Self {
        Self(1 << 26)
    }

    /// Spends `count` numbers.
    pub(crate) fn take(&mut self, count: usize) -> Checked<()> {
        match self.0.checked_sub(count) {
            Some(left) => {
                self.0 = left;
                Ok(())
            }
            None => defect("more numbers than any sensible network has", "check that the file is the right one"),
        }
    }
}

/// The result of a node all of whose inputs are constants.
pub(crate) fn fold(
    node: &NodeProto,
    inputs: &[Option<&Constant>],
    external: &mut External,
    budget: &mut Budget,
) -> Checked<Constant> {
    let get = |i: usize| match inputs.get(i).copied().flatten() {
        Some(c) => Ok(c),
        None => defect(format!("no input {i}"), "export the network again"),
    };
    let result = match node.op_type.as_str() {
        "Constant" => constant(node, external)?,
        "Identity" | "Cast" => cast(node, get(0)?)?,
        "Shape" if node.attribute.is_empty() => Constant::list(get(0)?.dims.iter().map(|&d| d as f64).collect()),
        "Add" => arithmetic(get(0)?, get(1)?, budget, |a, b| a + b)?,
        "Sub" => arithmetic(get(0)?, get(1)?, budget, |a, b| a - b)?,
        "Mul" => arithmetic(get(0)?, get(1)?, budget, |a, b| a * b)?,
        "Div" if get(0)?.integer => arithmetic(get(0)?, get(1)?, budget, |a, b| (a / b).trunc())?,
        "Div" => arithmetic(get(0)?, get(1)?, budget, |a, b| a / b)?,
        "Pow" => arithmetic(get(0)?, get(1)?, budget, f64::powf)?,
        "Neg" => map(get(0)?, |v| -v),
        "Sqrt" => map(get(0)?, f64::sqrt),
        "Reciprocal" => map(get(0)?, f64::recip),
        "Transpose" => transpose(get(0)?, Attributes::of(node, &["perm"])?.ints("perm"))?,
        "Reshape" => reshape(get(0)?, &get(1)?.integers()?)?,
        "Unsqueeze" | "Squeeze" => squeeze(node, get(0)?)?,
        "Concat" => concat(node, inputs)?,
        "Gather" => gather(node, get(0)?, get(1)?, budget)?,
        "Slice" => slice(node, inputs)?,
        "ConstantOfShape" => filled(node, get(0)?, external, budget)?,
        other => return defect(format!("`{other}` of constants"), "compute it before the export"),
    };
    budget.take(result.values.len())?;
    Ok(result)
}

fn map(a: &Constant, f: impl Fn(f64) -> f64) -> Constant {
    Constant { values: a.values.iter().map(|&v| f(v)).collect(), ..a.clone() }
}

fn constant(node: &NodeProto, external: &mut External) -> Checked<Constant> {
    let a = Attributes::of(node, &["value", "value_float", "value_floats", "value_int", "value_ints"])?;
    if let Some(tensor) = a.tensor("value") {
        return decode(tensor, external);
    }
    if a.has("value_float") {
        return Ok(Constant::scalar(a.float("value_float", 0.0).into()));
    }
    if a.has("value_int") {
        return Ok(Constant { integer: true, ..Constant::scalar(a.int("value_int", 0) as f64) });
    }
    if let Some(list) = a.floats("value_floats") {
        return Ok(Constant { integer: false, ..Constant::list(list.iter().map(|&v| v.into()).collect()) });
    }
    match a.ints("value_ints") {
        Some(list) => Ok(Constant::list(list.iter().map(|&v| v as f64).collect())),
        None => defect("a constant without a value", "export the network again"),
    }
}

fn cast(node: &NodeProto, a: &Constant) -> Checked<Constant> {
    let integer = match node.op_type.as_str() {
        "Cast" => match Attributes::of(node, &["to", "saturate", "round_mode"])?.int("to", 0) {
            1 | 11 => false,
            6 | 7 => true,
            other => return defect(format!("a conversion to type {other}"), "export in float32"),
        },
        _ => a.integer,
    };
    let values = a.values.iter().map(|v| if integer { v.trunc() } else { *v }).collect();
    Ok(Constant { values, integer, dims: a.dims.clone() })
}

/// Element by element with the broadcasting of NumPy.
fn arithmetic(a: &Constant, b: &Constant, budget: &mut Budget, f: impl Fn(f64, f64) -> f64) -> Checked<Constant> {
    let rank = a.dims.len().max(b.dims.len());
    let mut dims = Vec::with_capacity(rank);
    for k in 0..rank {
        let of = |c: &Constant| (k + c.dims.len()).checked_sub(rank).and_then(|i| c.dims.get(i)).copied().unwrap_or(1);
        match (of(a), of(b)) {
            (x, y) if x == y || y == 1 => dims.push(x),
            (1, y) => dims.push(y),
            _ => return defect(format!("extents {:?} beside {:?}", a.dims, b.dims), "export the network again"),
        }
    }
    let (a_all, b_all) = (spread(a, &dims, budget)?, spread(b, &dims, budget)?);
    let values = a_all.iter().zip(&b_all).map(|(&x, &y)| f(x, y)).collect();
    Ok(Constant { dims, values, integer: a.integer && b.integer })
}

/// The numbers of `c` repeated to fill `dims`, aligned at the last extent.
pub(crate) fn spread(c: &Constant, dims: &[usize], budget: &mut Budget) -> Checked<Vec<f64>> {
    let fits = c.dims.len() <= dims.len()
        && c.dims.iter().rev().zip(dims.iter().rev()).all(|(&from, &to)| from == to || from == 1);
    let count = dims.iter().try_fold(1_usize, |n, &d| n.checked_mul(d));
    let (true, Some(count)) = (fits, count) else {
        return defect(
            format!("a constant of extents {:?} beside {dims:?}", c.dims),
            "give it a shape that broadcasts",
        );
    };
    if c.values.len() == count {
        return Ok(c.values.clone());
    }
    budget.take(count)?;
    let strides = strides(&c.dims);
    Ok((0..count)
        .map(|index| {
            let (mut rest, mut at) = (index, 0);
            for (k, &d) in dims.iter().rev().enumerate() {
                let axis = c.dims.len().checked_sub(k + 1);
                let (extent, stride) = axis.map_or((1, 0), |i| (c.dims[i], strides[i]));
                at += if extent == 1 { 0 } else { rest % d * stride };
                rest /= d;
            }
            c.values[at]
        })
        .collect())
}

fn strides(dims: &[usize]) -> Vec<usize> {
    let mut strides = vec![1_usize; dims.len()];
    for k in (1..dims.len()).rev() {
        strides[k - 1] = strides[k].saturating_mul(dims[k]);
    }
    strides
}

fn transpose(a: &Constant, order: Option<&[i64]>) -> Checked<Constant> {
    let rank = a.dims.len();
    let order: Vec<usize> = match order {
        None => (0..rank).rev().collect(),
        Some(order) => {
            let mut sorted = order.to_vec();
            sorted.sort_unstable();
            if !sorted.into_iter().eq(0..rank as i64) {
                return defect(format!("the order {order:?} for {rank} extents"), "export the network again");
            }
            order.iter().map(|&k| k as usize).collect()
        }
    };
    let from = strides(&a.dims);
    let dims: Vec<usize> = order.iter().map(|&k| a.dims[k]).collect();
    let to: Vec<usize> = order.iter().map(|&k| from[k]).collect();
    let values = (0..a.values.len())
        .map(|index| {
            let (mut rest, mut at) = (index, 0);
            for (d, s) in dims.iter().zip(&to).rev() {
                at += rest % d * s;
                rest /= d;
            }
            a.values[at]
        })
        .collect();
    Ok(Constant { dims, values, integer: a.integer })
}

fn reshape(a: &Constant, target: &[i64]) -> Checked<Constant> {
    let bad = || defect(format!("extents {:?} made into {target:?}", a.dims), "export the network again");
    let mut dims: Vec<usize> = Vec::with_capacity(target.len());
    let mut open = None;
    for (k, &d) in target.iter().enumerate() {
        match (usize::try_from(d), d, a.dims.get(k)) {
            (Ok(0), _, Some(&copied)) => dims.push(copied),
            (Ok(1..), ..) => dims.push(d as usize),
            (_, -1, _) if open.is_none() => {
                open = Some(k);
                dims.push(1);
            }
            _ => return bad(),
        }
    }
    let known = dims.iter().try_fold(1_usize, |n, &d| n.checked_mul(d));
    if let (Some(k), Some(known)) = (open, known.filter(|&n| n > 0)) {
        dims[k] = a.values.len() / known;
    }
    if dims.iter().try_fold(1_usize, |n, &d| n.checked_mul(d)) != Some(a.values.len()) {
        return bad();
    }
    Ok(Constant { dims, ..a.clone() })
}

/// Extents of 1 more or fewer. Only lists and numbers occur among shapes, so the axes hardly
/// matter.
fn squeeze(node: &NodeProto, a: &Constant) -> Checked<Constant> {
    match (node.op_type.as_str(), a.dims.as_slice()) {
        ("Unsqueeze", []) => Ok(Constant { dims: vec![1], ..a.clone() }),
        ("Squeeze", [1]) => Ok(Constant { dims: Vec::new(), ..a.clone() }),
        (op, dims) => defect(format!("`{op}` of a constant of extents {dims:?}"), "compute it before the export"),
    }
}

fn concat(node: &NodeProto, inputs: &[Option<&Constant>]) -> Checked<Constant> {
    let axis = Attributes::of(node, &["axis"])?.int("axis", 0);
    let parts: Vec<&Constant> = inputs.iter().flatten().copied().collect();
    if parts.iter().any(|p| p.dims.len() != 1) || !matches!(axis, 0 | -1) {
        return defect("`Concat` of constants that are no lists", "compute it before the export");
    }
    Ok(Constant::list(parts.iter().flat_map(|p| p.values.iter().copied()).collect()))
}

fn gather(node: &NodeProto, a: &Constant, which: &Constant, budget: &mut Budget) -> Checked<Constant> {
    let axis = Attributes::of(node, &["axis"])?.int("axis", 0);
    if a.dims.len() != 1 || !matches!(axis, 0 | -1) {
        return defect(format!("`Gather` from a constant of extents {:?}", a.dims), "compute it before the export");
    }
    budget.take(which.values.len())?;
    let n = a.values.len() as i64;
    let pick = |&i: &i64| usize::try_from(if i < 0 { i + n } else { i }).ok().and_then(|i| a.values.get(i)).copied();
    match which.integers()?.iter().map(pick).collect() {
        Some(values) => Ok(Constant { dims: which.dims.clone(), values, integer: a.integer }),
        None => defect("`Gather` beyond the end of a list", "export the network again"),
    }
}

/// A slice along the first axis, with any step.
fn slice(node: &NodeProto, inputs: &[Option<&Constant>]) -> Checked<Constant> {
    Attributes::of(node, &[])?;
    let number = |i: usize, default: i64| match inputs.get(i).copied().flatten() {
        None => Ok(default),
        Some(c) => match c.integers()?.as_slice() {
            [one] => Ok(*one),
            _ => defect("`Slice` along several axes", "compute it before the export"),
        },
    };
    let (Some(a), start, end, axis, step) =
        (inputs.first().copied().flatten(), number(1, 0)?, number(2, 0)?, number(3, 0)?, number(4, 1)?)
    else {
        return defect("no input 0", "export the network again");
    };
    let Some((&rows, rest)) = a.dims.split_first().filter(|_| axis == 0 && step != 0 && !a.values.is_empty()) else {
        return defect(format!("`Slice` along axis {axis} in steps of {step}"), "compute it before the export");
    };
    let (n, width) = (rows as i64, rest.iter().product::<usize>());
    // ONNX: negative positions count from the end; then both are clamped to what exists.
    let (low, high) = if step > 0 { (0, n) } else { (-1, n - 1) };
    let clamp = |v: i64| (if v < 0 { v + n } else { v }).clamp(low, high);
    let (mut at, end) = (clamp(start), clamp(end));
    let mut values = Vec::new();
    let mut count = 0;
    while (step > 0 && at < end) || (step < 0 && at > end) {
        let row = at as usize * width;
        values.extend(&a.values[row..row + width]);
        count += 1;
        at = at.saturating_add(step);
    }
    let dims = std::iter::once(count).chain(rest.iter().copied()).collect();
    Ok(Constant { dims, values, integer: a.integer })
}

fn filled(node: &NodeProto, dims: &Constant, external: &mut External, budget: &mut Budget) -> Checked<Constant> {
    let value = match Attributes::of(node, &["value"])?.tensor("value") {
        Some(tensor) => decode(tensor, external)?,
        None => Constant::scalar(0.0),
    };
    let Some(one) = value.single() else {
        let found = format!("`ConstantOfShape` with a value of {} numbers", value.values.len());
        return defect(found, "export the network again");
    };
    let dims: Option<Vec<usize>> = dims.integers()?.iter().map(|&d| usize::try_from(d).ok()).collect();
    let count = dims.as_ref().and_then(|d| d.iter().try_fold(1_usize, |n, &d| n.checked_mul(d)));
    let (Some(dims), Some(count)) = (dims, count) else {
        return defect("extents that are no sizes", "export the network again");
    };
    budget.take(count)?;
    Ok(Constant { dims, values: vec![one; count], integer: value.integer })
}
