//! Sums, differences, products and powers of elements: with constants and with themselves they are
//! quadratics; of two branches only sums are accepted, since nothing multiplies two feature maps.

use super::attributes::Attributes;
use super::constant::Constant;
use super::context::{Inputs, Lowering, Slot};
use super::names;
use super::network::Value;
use super::proto::NodeProto;
use super::quadratic::{Coefficient, Quadratic};
use crate::error::{Checked, defect};

const PRODUCT: &str = "a product of two different feature maps";
const NO_GATES: &str = "use sums of branches, and products of a value with itself or with constants";

/// An operand, and which input of the node it is; a partial sum is none.
#[derive(Clone, Copy)]
struct Operand<'a> {
    slot: &'a Slot,
    index: Option<usize>,
}

/// A value that is added, and the input of the node whose later readers may start from the layer it
/// becomes.
struct Term {
    value: Value,
    index: Option<usize>,
}

/// One of the element-wise operators.
pub(crate) fn lower<'g>(lowering: &mut Lowering<'g>, node: &'g NodeProto, inputs: &Inputs<'_>) -> Checked<Value> {
    Attributes::of(node, &[])?;
    match (node.op_type.as_str(), inputs.slots.as_slice()) {
        ("Neg", [Some(Slot::Value(x))]) => {
            let x = unpadded(lowering, node, Some(0), x)?;
            Ok(Value { quadratic: x.quadratic.negated(), ..x })
        }
        ("Sum", slots) => sum_of_all(lowering, node, slots),
        (op, [Some(left), Some(right)]) => {
            let (left, right) = (Operand { slot: left, index: Some(0) }, Operand { slot: right, index: Some(1) });
            pair(lowering, node, op, left, right)
        }
        (op, slots) => defect(format!("`{op}` of {} inputs", slots.len()), "export the network again"),
    }
}

fn sum_of_all<'g>(lowering: &mut Lowering<'g>, node: &'g NodeProto, slots: &[Option<Slot>]) -> Checked<Value> {
    let Some((Some(first), rest)) = slots.split_first() else {
        return defect("a sum of nothing", "export the network again");
    };
    let (mut sum, mut index) = (first.clone(), Some(0));
    for (k, slot) in rest.iter().enumerate() {
        let Some(next) = slot else { return defect("a gap in a sum", "export the network again") };
        let (left, right) = (Operand { slot: &sum, index }, Operand { slot: next, index: Some(k + 1) });
        (sum, index) = (Slot::Value(pair(lowering, node, "Add", left, right)?), None);
    }
    match sum {
        Slot::Value(value) => Ok(value),
        _ => defect("a sum of constants", "export the network again"),
    }
}

fn pair<'g>(
    lowering: &mut Lowering<'g>,
    node: &'g NodeProto,
    op: &str,
    left: Operand<'_>,
    right: Operand<'_>,
) -> Checked<Value> {
    match (left.slot, right.slot) {
        (Slot::Value(x), Slot::Constant(c)) => {
            let x = unpadded(lowering, node, left.index, x)?;
            match op {
                "Add" => shifted(lowering, x, c, 1.0),
                "Sub" => shifted(lowering, x, c, -1.0),
                "Mul" => scaled(lowering, x, c),
                "Div" => scaled(lowering, x, &reciprocal(c)?),
                _ => power(lowering, node, left.index, x, c),
            }
        }
        (Slot::Constant(c), Slot::Value(x)) => {
            let x = unpadded(lowering, node, right.index, x)?;
            match op {
                "Add" => shifted(lowering, x, c, 1.0),
                "Sub" => shifted(lowering, Value { exclusive: false, quadratic: x.quadratic.negated(), ..x }, c, 1.0),
                "Mul" => scaled(lowering, x, c),
                _ => defect(format!("`{op}` by what depends on the image"), NO_GATES),
            }
        }
        (Slot::Value(x), Slot::Value(y)) => {
            let x = unpadded(lowering, node, left.index, x)?;
            let y = if x.base == y.base && y.pads == [0; 4] {
                y.clone()
            } else {
                unpadded(lowering, node, right.index, y)?
            };
            match op {
                "Add" => {
                    let (x, y) = (Term { value: x, index: left.index }, Term { value: y, index: right.index });
                    sum(lowering, node, x, y)
                }
                "Sub" => {
                    let y = Value { quadratic: y.quadratic.negated(), ..y };
                    sum(lowering, node, Term { value: x, index: left.index }, Term { value: y, index: None })
                }
                "Mul" => product(lowering, node, left.index.or(right.index), x, y),
                _ => defect(format!("`{op}` by what depends on the image"), NO_GATES),
            }
        }
        _ => defect("constants only", "export the network again"),
    }
}

/// `value` without padding, which would not stay zero.
fn unpadded<'g>(
    lowering: &mut Lowering<'g>,
    node: &'g NodeProto,
    index: Option<usize>,
    value: &Value,
) -> Checked<Value> {
    match value.pads {
        [0, 0, 0, 0] => Ok(value.clone()),
        _ => lowering.layer_of(node, index, value),
    }
}

/// `x + sign c`; joins the bias of a layer that nothing else reads.
fn shifted(lowering: &mut Lowering<'_>, x: Value, c: &Constant, sign: f64) -> Checked<Value> {
    let signed = Constant { values: c.values.iter().map(|v| sign * v).collect(), ..c.clone() };
    let shift = Coefficient::of(&signed, x.shape, &mut lowering.network.budget)?;
    if x.exclusive
        && x.quadratic.is_identity()
        && let Some(bias) = shift.per_channel(x.shape)
        && lowering.network.add_bias(x.base, &bias)?
    {
        return Ok(x);
    }
    let quadratic = x.quadratic.plus(&Quadratic::constant(shift), x.shape);
    Ok(Value { quadratic, ..x })
}

fn scaled(lowering: &mut Lowering<'_>, x: Value, c: &Constant) -> Checked<Value> {
    let factor = Quadratic::constant(Coefficient::of(c, x.shape, &mut lowering.network.budget)?);
    let quadratic = x.quadratic.times(&factor, x.shape)?;
    Ok(Value { quadratic, ..x })
}

fn reciprocal(c: &Constant) -> Checked<Constant> {
    if c.values.contains(&0.0) {
        return defect("a division by zero", "check the numbers of the trained network");
    }
    Ok(Constant { values: c.values.iter().map(|v| 1.0 / v).collect(), ..c.clone() })
}

/// `x^1` and `x^2`.
fn power<'g>(
    lowering: &mut Lowering<'g>,
    node: &'g NodeProto,
    index: Option<usize>,
    x: Value,
    exponent: &Constant,
) -> Checked<Value> {
    match exponent.single() {
        Some(1.0) => Ok(x),
        Some(2.0) => product(lowering, node, index, x.clone(), x),
        _ => defect(
            format!("the power {:?}", exponent.values.get(..4).unwrap_or(&exponent.values)),
            "train with quadratics; a higher degree costs levels that nothing else needs",
        ),
    }
}

/// `x y`, where both are quadratics of the same layer; `index` is the input of `node` that one of
/// them is.
fn product<'g>(
    lowering: &mut Lowering<'g>,
    node: &'g NodeProto,
    index: Option<usize>,
    x: Value,
    y: Value,
) -> Checked<Value> {
    if x.base != y.base || x.shape != y.shape {
        return defect(PRODUCT, NO_GATES);
    }
    // The square of a square starts from the layer that the inner one becomes.
    if x.quadratic == y.quadratic && x.quadratic.degree() == 2 {
        let Some(index) = index else { return defect(PRODUCT, NO_GATES) };
        let x = lowering.layer_of(node, Some(index), &x)?;
        return Ok(Value { quadratic: x.quadratic.times(&x.quadratic, x.shape)?, exclusive: false, ..x });
    }
    let quadratic = x.quadratic.times(&y.quadratic, x.shape)?;
    Ok(Value { quadratic, exclusive: false, ..x })
}

fn sum<'g>(lowering: &mut Lowering<'g>, node: &'g NodeProto, x: Term, y: Term) -> Checked<Value> {
    let (left, right) = (&x.value, &y.value);
    if left.shape != right.shape {
        return defect(format!("a sum of {} and {}", left.shape, right.shape), "add feature maps of the same shape");
    }
    if left.base == right.base {
        let quadratic = left.quadratic.plus(&right.quadratic, left.shape);
        return Ok(Value { quadratic, exclusive: false, ..x.value });
    }
    let left = lowering.layer_of(node, x.index, left)?.base;
    let right = lowering.layer_of(node, y.index, right)?.base;
    let base = lowering.network.add(left, right, &names::of_layer(node, None), x.value.shape)?;
    Ok(lowering.fresh(base))
}
