//! Operations on constants, which exporters leave in a network to compute shapes and to prepare
//! weights. However small the file that asks for them, no more numbers are computed than a
//! [`Budget`] allows.

pub(crate) mod moves;
mod reduce;

use super::attributes::Attributes;
use super::budget::{Budget, broadcast, spread};
use super::constant::{Constant, External, decode};
use super::proto::NodeProto;
use crate::error::{Checked, defect};

/// The results of a node all of whose inputs are constants.
pub(crate) fn fold(
    node: &NodeProto,
    inputs: &[Option<&Constant>],
    external: &mut External,
    budget: &mut Budget,
) -> Checked<Vec<Constant>> {
    let get = |i: usize| match inputs.get(i).copied().flatten() {
        Some(c) => Ok(c),
        None => defect(format!("no input {i}"), "export the network again"),
    };
    let result = match node.op_type.as_str() {
        "Constant" => constant(node, external)?,
        "Identity" | "Cast" => cast(node, get(0)?)?,
        "CastLike" => {
            let integer = get(1)?.integer;
            Constant { integer, ..if integer { map(get(0)?, f64::trunc) } else { get(0)?.clone() } }
        }
        "Shape" => shape(node, get(0)?)?,
        "Size" => Constant { integer: true, ..Constant::scalar(get(0)?.values.len() as f64) },
        "ConstantOfShape" => filled(node, get(0)?, external, budget)?,
        "Range" => range(get(0)?, get(1)?, get(2)?, budget)?,
        "Where" => choice(get(0)?, get(1)?, get(2)?, budget)?,
        "Sum" | "Max" | "Min" | "Mean" => variadic(node, inputs, budget)?,
        "MatMul" | "Gemm" => product(node, inputs, budget)?,
        other => {
            if let Some(f) = unary(other) {
                map(get(0)?, f)
            } else if let Some(f) = binary(other, inputs.first().copied().flatten().is_some_and(|c| c.integer)) {
                let (a, b) = (get(0)?, get(1)?);
                let known = |c: &Constant| c.values.iter().all(|v| v.is_finite());
                let mut result = arithmetic(a, b, budget, f)?;
                if result.integer && !(known(a) && known(b)) {
                    unknown_sizes(other, &mut result);
                }
                result
            } else if moves::is_move(other) {
                let results = moves::apply(node, inputs, budget)?;
                budget.take(results.iter().map(|r| r.values.len()).sum())?;
                return Ok(results);
            } else if reduce::is_reduction(other) {
                reduce::reduce(node, inputs, budget)?
            } else {
                return defect(format!("`{other}` of constants"), "compute it before the export");
            }
        }
    };
    budget.take(result.values.len())?;
    Ok(vec![result])
}

/// Sizes that are computed from that of the batch are not known, and not the batch's own.
fn unknown_sizes(operator: &str, result: &mut Constant) {
    if !matches!(operator, "Max" | "Min") {
        result.values.iter_mut().filter(|v| !v.is_finite()).for_each(|v| *v = f64::INFINITY);
    }
}

fn unary(operator: &str) -> Option<fn(f64) -> f64> {
    Some(match operator {
        "Neg" => |v: f64| -v,
        "Abs" => f64::abs,
        "Sqrt" => f64::sqrt,
        "Exp" => f64::exp,
        "Log" => f64::ln,
        "Reciprocal" => f64::recip,
        "Floor" => f64::floor,
        "Ceil" => f64::ceil,
        "Round" => f64::round_ties_even,
        "Tanh" => f64::tanh,
        "Sigmoid" => |v: f64| 1.0 / (1.0 + (-v).exp()),
        "Relu" => |v: f64| v.max(0.0),
        "Softplus" => |v: f64| v.exp().ln_1p(),
        "Not" => |v: f64| f64::from(u8::from(v == 0.0)),
        _ => return None,
    })
}

fn binary(operator: &str, integer: bool) -> Option<fn(f64, f64) -> f64> {
    Some(match operator {
        "Add" => |a, b| a + b,
        "Sub" => |a, b| a - b,
        "Mul" => |a, b| a * b,
        "Div" if integer => |a: f64, b: f64| (a / b).trunc(),
        "Div" => |a, b| a / b,
        "Mod" if integer => f64::rem_euclid,
        "Pow" => f64::powf,
        "Equal" => |a, b| f64::from(u8::from(a == b)),
        "Greater" => |a, b| f64::from(u8::from(a > b)),
        "Less" => |a, b| f64::from(u8::from(a < b)),
        _ => return None,
    })
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

/// Half-precision weights become what they are: widening is exact. A conversion to a narrower type
/// would round, which is refused unless it changes nothing.
fn cast(node: &NodeProto, a: &Constant) -> Checked<Constant> {
    if node.op_type != "Cast" {
        return Ok(a.clone());
    }
    let to = Attributes::of(node, &["to", "saturate", "round_mode"])?.int("to", 0);
    let (integer, values): (bool, Vec<f64>) = match to {
        1 => (false, a.values.iter().map(|&v| f64::from(v as f32)).collect()),
        10 | 11 | 16 => (false, a.values.clone()),
        6 | 7 => (true, a.values.iter().map(|v| v.trunc()).collect()),
        9 => (true, a.values.iter().map(|v| f64::from(u8::from(*v != 0.0))).collect()),
        other => {
            let found = format!("a conversion to {}", super::constant::type_name(other as i32));
            return defect(found, "export in float32");
        }
    };
    Ok(Constant { values, integer, dims: a.dims.clone() })
}

fn shape(node: &NodeProto, a: &Constant) -> Checked<Constant> {
    let all: Vec<f64> = a.dims.iter().map(|&d| d as f64).collect();
    Ok(Constant::list(shape_slice(node, &all)?))
}

/// What `Shape` of a tensor of these extents gives.
pub(crate) fn shape_slice(node: &NodeProto, all: &[f64]) -> Checked<Vec<f64>> {
    let a = Attributes::of(node, &["start", "end"])?;
    let rank = all.len() as i64;
    let position = |v: i64| (if v < 0 { v.saturating_add(rank) } else { v }).clamp(0, rank) as usize;
    let (start, end) = (position(a.int("start", 0)), position(a.int("end", rank)));
    Ok(all[start..end.max(start)].to_vec())
}

/// Element by element with the broadcasting of NumPy.
fn arithmetic(a: &Constant, b: &Constant, budget: &mut Budget, f: impl Fn(f64, f64) -> f64) -> Checked<Constant> {
    let Some(dims) = broadcast(&a.dims, &b.dims) else {
        return defect(format!("extents {:?} beside {:?}", a.dims, b.dims), "export the network again");
    };
    let (a_all, b_all) = (spread(a, &dims, budget)?, spread(b, &dims, budget)?);
    let values = a_all.iter().zip(&b_all).map(|(&x, &y)| f(x, y)).collect();
    Ok(Constant { dims, values, integer: a.integer && b.integer })
}

fn variadic(node: &NodeProto, inputs: &[Option<&Constant>], budget: &mut Budget) -> Checked<Constant> {
    let parts: Vec<&Constant> = inputs.iter().flatten().copied().collect();
    let Some((&first, rest)) = parts.split_first() else {
        return defect(format!("`{}` of nothing", node.op_type), "export the network again");
    };
    let f: fn(f64, f64) -> f64 = match node.op_type.as_str() {
        "Max" => f64::max,
        "Min" => f64::min,
        _ => |a, b| a + b,
    };
    let sum = rest.iter().try_fold(first.clone(), |sum, next| arithmetic(&sum, next, budget, f))?;
    let share = if node.op_type == "Mean" { 1.0 / parts.len() as f64 } else { 1.0 };
    Ok(map(&sum, |v| v * share))
}

fn choice(which: &Constant, yes: &Constant, no: &Constant, budget: &mut Budget) -> Checked<Constant> {
    let marked = arithmetic(which, yes, budget, |w, y| if w != 0.0 { y } else { f64::NEG_INFINITY })?;
    let mut result = arithmetic(&marked, no, budget, |m, n| if m == f64::NEG_INFINITY { n } else { m })?;
    result.integer = yes.integer && no.integer;
    Ok(result)
}

fn range(start: &Constant, end: &Constant, step: &Constant, budget: &mut Budget) -> Checked<Constant> {
    let (Some(a), Some(b), Some(s)) = (start.single(), end.single(), step.single()) else {
        return defect("a range of more than one number", "export the network again");
    };
    let count = ((b - a) / s).ceil();
    if !(0.0..=f64::from(1 << 26)).contains(&count) {
        return defect("a range without a known end", "export with fixed sizes but for the batch");
    }
    budget.take(count as usize)?;
    let values = (0..count as usize).map(|k| a + s * k as f64).collect();
    Ok(Constant { integer: start.integer, ..Constant::list(values) })
}

/// A product of two matrices of weights.
fn product(node: &NodeProto, inputs: &[Option<&Constant>], budget: &mut Budget) -> Checked<Constant> {
    let (Some(Some(a)), Some(Some(b))) = (inputs.first(), inputs.get(1)) else {
        return defect("a product of nothing", "export the network again");
    };
    let plain = node.op_type == "MatMul" && Attributes::of(node, &[]).is_ok();
    match (a.dims.as_slice(), b.dims.as_slice()) {
        (&[rows, inner], &[also_inner, columns]) if plain && inner == also_inner => {
            budget.take_array(&[rows, columns, inner.max(1)])?;
            let entry = |r: usize, c: usize| {
                (0..inner).map(|k| a.values[r * inner + k] * b.values[k * columns + c]).sum::<f64>()
            };
            let values = (0..rows * columns).map(|i| entry(i / columns, i % columns)).collect();
            Ok(Constant { dims: vec![rows, columns], values, integer: false })
        }
        _ => defect(format!("`{}` of constants", node.op_type), "compute it before the export"),
    }
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
    let dims: Option<Vec<usize>> =
        moves::with_one_image(dims).integers()?.iter().map(|&d| usize::try_from(d).ok()).collect();
    let Some(dims) = dims else { return defect("extents that are no sizes", "export the network again") };
    let count = budget.take_array(&dims)?;
    Ok(Constant { dims, values: vec![one; count], integer: value.integer })
}
