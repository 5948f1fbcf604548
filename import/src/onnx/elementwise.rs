//! Sums, differences, products and powers of elements: with constants and with themselves they are quadratics, between
//! two branches only sums are. Must never multiply two feature maps.

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

/// One of the element-wise operators.
pub(crate) fn lower<'g>(this: &mut Lowering<'g>, node: &'g NodeProto, inputs: &Inputs<'_>) -> Checked<Value> {
    Attributes::of(node, &[])?;
    match (node.op_type.as_str(), inputs.slots.as_slice()) {
        ("Neg", [Some(Slot::Value(x))]) => {
            let x = unpadded(this, node, 0, x)?;
            Ok(Value { quadratic: x.quadratic.negated(), ..x })
        }
        ("Sum", slots) => {
            let Some((Some(first), rest)) = slots.split_first() else {
                return defect("a sum of nothing", "export the network again");
            };
            let mut sum = (first.clone(), Some(0));
            for (k, slot) in rest.iter().enumerate() {
                let Some(next) = slot else { return defect("a gap in a sum", "export the network again") };
                let value = pair(this, node, "Add", (&sum.0, sum.1), (next, Some(k + 1)))?;
                sum = (Slot::Value(value), None);
            }
            match sum.0 {
                Slot::Value(value) => Ok(value),
                _ => defect("a sum of constants", "export the network again"),
            }
        }
        (op, [Some(left), Some(right)]) => pair(this, node, op, (left, Some(0)), (right, Some(1))),
        (op, slots) => defect(format!("`{op}` of {} inputs", slots.len()), "export the network again"),
    }
}

/// An operator of two operands, each with the index of the input that it is, if it is one.
fn pair<'g>(
    this: &mut Lowering<'g>,
    node: &'g NodeProto,
    op: &str,
    left: (&Slot, Option<usize>),
    right: (&Slot, Option<usize>),
) -> Checked<Value> {
    match (left.0, right.0) {
        (Slot::Value(x), Slot::Constant(c)) => {
            let x = unpadded(this, node, left.1.unwrap_or(usize::MAX), x)?;
            match op {
                "Add" => shifted(this, x, c, 1.0),
                "Sub" => shifted(this, x, c, -1.0),
                "Mul" => scaled(this, x, c),
                "Div" => scaled(this, x, &reciprocal(c)?),
                _ => power(this, node, left.1, x, c),
            }
        }
        (Slot::Constant(c), Slot::Value(x)) => {
            let x = unpadded(this, node, right.1.unwrap_or(usize::MAX), x)?;
            match op {
                "Add" => shifted(this, x, c, 1.0),
                "Sub" => shifted(this, Value { exclusive: false, quadratic: x.quadratic.negated(), ..x }, c, 1.0),
                "Mul" => scaled(this, x, c),
                _ => defect(format!("`{op}` by what depends on the image"), NO_GATES),
            }
        }
        (Slot::Value(x), Slot::Value(y)) => {
            let x = unpadded(this, node, left.1.unwrap_or(usize::MAX), x)?;
            let y = if x.base == y.base && y.pads == [0; 4] {
                y.clone()
            } else {
                unpadded(this, node, right.1.unwrap_or(usize::MAX), y)?
            };
            match op {
                "Add" => sum(this, node, left.1, right.1, &x, &y),
                "Sub" => {
                    let y = Value { quadratic: y.quadratic.negated(), ..y };
                    sum(this, node, left.1, None, &x, &y)
                }
                "Mul" => product(this, node, left.1, right.1, x, y),
                _ => defect(format!("`{op}` by what depends on the image"), NO_GATES),
            }
        }
        _ => defect("constants only", "export the network again"),
    }
}

/// `value` without padding, which would not stay zero.
fn unpadded<'g>(this: &mut Lowering<'g>, node: &'g NodeProto, index: usize, value: &Value) -> Checked<Value> {
    match value.pads {
        [0, 0, 0, 0] => Ok(value.clone()),
        _ => this.layer_of(node, index, value),
    }
}

/// `x + sign c`; joins the bias of a layer that nothing else reads.
fn shifted(this: &mut Lowering<'_>, x: Value, c: &Constant, sign: f64) -> Checked<Value> {
    let signed = Constant { values: c.values.iter().map(|v| sign * v).collect(), ..c.clone() };
    let shift = Coefficient::of(&signed, x.shape, &mut this.network.budget)?;
    if x.exclusive
        && x.quadratic.is_identity()
        && let Some(bias) = shift.per_channel(x.shape)
        && this.network.add_bias(x.base, &bias)?
    {
        return Ok(x);
    }
    let quadratic = x.quadratic.plus(&Quadratic::constant(shift), x.shape);
    Ok(Value { quadratic, ..x })
}

fn scaled(this: &mut Lowering<'_>, x: Value, c: &Constant) -> Checked<Value> {
    let factor = Quadratic::constant(Coefficient::of(c, x.shape, &mut this.network.budget)?);
    let quadratic = x.quadratic.times(&factor, x.shape)?;
    Ok(Value { quadratic, ..x })
}

fn reciprocal(c: &Constant) -> Checked<Constant> {
    match c.values.contains(&0.0) {
        false => Ok(Constant { values: c.values.iter().map(|v| 1.0 / v).collect(), ..c.clone() }),
        true => defect("a division by zero", "check the numbers of the trained network"),
    }
}

/// `x^1` and `x^2`.
fn power<'g>(
    this: &mut Lowering<'g>,
    node: &'g NodeProto,
    index: Option<usize>,
    x: Value,
    exponent: &Constant,
) -> Checked<Value> {
    match exponent.values.first() {
        Some(first) if *first == 1.0 && exponent.values.len() == 1 => Ok(x),
        Some(first) if *first == 2.0 && exponent.values.len() == 1 => product(this, node, index, index, x.clone(), x),
        _ => defect(
            format!("the power {:?}", exponent.values.get(..4).unwrap_or(&exponent.values)),
            "train with quadratics; a higher degree costs levels that nothing else needs",
        ),
    }
}

fn product<'g>(
    this: &mut Lowering<'g>,
    node: &'g NodeProto,
    left: Option<usize>,
    right: Option<usize>,
    x: Value,
    y: Value,
) -> Checked<Value> {
    if x.base != y.base || x.shape != y.shape {
        return defect(PRODUCT, NO_GATES);
    }
    // The square of a square starts from the layer that the inner one becomes.
    if x.quadratic == y.quadratic && x.quadratic.degree() == 2 {
        let Some(index) = left.or(right) else { return defect(PRODUCT, NO_GATES) };
        let x = this.layer_of(node, index, &x)?;
        return Ok(Value { quadratic: x.quadratic.times(&x.quadratic, x.shape)?, exclusive: false, ..x });
    }
    let quadratic = x.quadratic.times(&y.quadratic, x.shape)?;
    Ok(Value { quadratic, exclusive: false, ..x })
}

fn sum<'g>(
    this: &mut Lowering<'g>,
    node: &'g NodeProto,
    left: Option<usize>,
    right: Option<usize>,
    x: &Value,
    y: &Value,
) -> Checked<Value> {
    if x.shape != y.shape {
        return defect(format!("a sum of {} and {}", x.shape, y.shape), "add feature maps of the same shape");
    }
    if x.base == y.base {
        let quadratic = x.quadratic.plus(&y.quadratic, x.shape);
        return Ok(Value { quadratic, exclusive: false, ..x.clone() });
    }
    let mut layer = |index: Option<usize>, v: &Value| match index {
        Some(index) => this.layer_of(node, index, v).map(|v| v.base),
        None => this.network.materialise(v),
    };
    let (x_base, y_base) = (layer(left, x)?, layer(right, y)?);
    let base = this.network.add(x_base, y_base, &names::of_layer(node, None), x.shape)?;
    Ok(Value { exclusive: true, ..Value::plain(base, x.shape) })
}
