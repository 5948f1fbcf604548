//! Sums, differences, products and powers of elements: with constants and with themselves they are
//! quadratics; of two branches only sums are accepted, since nothing multiplies two feature maps.

use super::attributes::Attributes;
use super::budget::broadcast;
use super::constant::Constant;
use super::context::{Inputs, Lowering, Slot};
use super::layout::Layout;
use super::names;
use super::network::Value;
use super::proto::NodeProto;
use super::quadratic::{Coefficient, Quadratic};
use super::rearrange::{as_map, as_vector};
use super::shaping::{grown, settled, shown};
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
        ("Mean", slots) => {
            let sum = sum_of_all(lowering, node, slots)?;
            scaled(lowering, node, sum, &Constant::scalar(1.0 / slots.len() as f64))
        }
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
                "Add" => shifted(lowering, node, x, c, 1.0),
                "Sub" => shifted(lowering, node, x, c, -1.0),
                "Mul" => scaled(lowering, node, x, c),
                "Div" => scaled(lowering, node, x, &reciprocal(c)?),
                _ => power(lowering, node, left.index, x, c),
            }
        }
        (Slot::Constant(c), Slot::Value(x)) => {
            let x = unpadded(lowering, node, right.index, x)?;
            match op {
                "Add" => shifted(lowering, node, x, c, 1.0),
                "Sub" => {
                    let negated = Value { exclusive: false, quadratic: x.quadratic.negated(), ..x };
                    shifted(lowering, node, negated, c, 1.0)
                }
                "Mul" => scaled(lowering, node, x, c),
                _ => defect(format!("`{op}` by what depends on the image"), NO_GATES),
            }
        }
        (Slot::Value(x), Slot::Value(y)) => {
            let same = x == y;
            let x = unpadded(lowering, node, left.index, x)?;
            let y = if same {
                x.clone()
            } else if x.base == y.base && y.pads == [0; 4] {
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
pub(crate) fn shifted<'g>(
    lowering: &mut Lowering<'g>,
    node: &'g NodeProto,
    x: Value,
    c: &Constant,
    sign: f64,
) -> Checked<Value> {
    let signed = Constant { values: c.values.iter().map(|v| sign * v).collect(), ..c.clone() };
    let (x, shift) = beside(lowering, node, x, &signed)?;
    if x.exclusive
        && x.quadratic.is_identity()
        && x.layout.is_permutation(x.shape.len())
        && let Some(bias) = shift.per_channel(x.shape)
        && lowering.network.add_bias(x.base, &bias)?
    {
        return Ok(x);
    }
    let quadratic = x.quadratic.plus(&Quadratic::constant(shift), x.shape);
    Ok(Value { quadratic, ..x })
}

pub(crate) fn scaled<'g>(lowering: &mut Lowering<'g>, node: &'g NodeProto, x: Value, c: &Constant) -> Checked<Value> {
    let (x, factor) = beside(lowering, node, x, c)?;
    let quadratic = x.quadratic.times(&Quadratic::constant(factor), x.shape)?;
    Ok(Value { quadratic, ..x })
}

/// `x` as large as it becomes beside `c`, and the numbers of `c` for the elements that it is made
/// of.
fn beside<'g>(
    lowering: &mut Lowering<'g>,
    node: &'g NodeProto,
    x: Value,
    c: &Constant,
) -> Checked<(Value, Coefficient)> {
    // Where both images and numbers of images could be meant, only one number for all is clear.
    let along_batch = |layout: &Layout| {
        layout.batch.and_then(|b| (b + c.dims.len()).checked_sub(layout.dims.len())).is_some_and(|k| c.dims[k] != 1)
    };
    let Some(dims) = broadcast(&x.layout.dims, &c.dims).filter(|_| !along_batch(&x.layout)) else {
        let found = format!("a constant of extents {:?} beside {}", c.dims, shown(&x.layout));
        return defect(found, "give it a shape that broadcasts, the same for all images");
    };
    if x.pads == [0; 4] && x.layout == Layout::natural(x.shape) && dims == x.layout.dims {
        let coefficient = Coefficient::of(c, x.shape, &mut lowering.network.budget)?;
        return Ok((x, coefficient));
    }
    let x = grown(lowering, &x, &dims)?;
    let scattered = |lowering: &mut Lowering<'_>, x: &Value| {
        Coefficient::scattered(c, &x.layout, x.shape, &mut lowering.network.budget)
    };
    if let Some(coefficient) = scattered(lowering, &x)? {
        return Ok((x, coefficient));
    }
    let x = settled(lowering, node, None, &x)?;
    match scattered(lowering, &x)? {
        Some(coefficient) => Ok((x, coefficient)),
        None => defect("a constant beside elements in no order", "export the network again"),
    }
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
        other => defect(
            other.map_or_else(|| "powers that differ".to_owned(), |p| format!("the power {p}")),
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
    if x.base != y.base || x.shape != y.shape || x.layout != y.layout {
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
    let (Term { value: left, index: left_index }, Term { value: right, index: right_index }) = (x, y);
    let shift = |v: &Value, rank: usize| v.layout.batch.map(|b| b + rank - v.layout.dims.len());
    let dims = broadcast(&left.layout.dims, &right.layout.dims);
    let Some(dims) = dims.filter(|d| shift(&left, d.len()) == shift(&right, d.len())) else {
        return defect(
            format!("a sum of {} and {}", shown(&left.layout), shown(&right.layout)),
            "add feature maps of the same shape",
        );
    };
    let (x, y) = (grown(lowering, &left, &dims)?, grown(lowering, &right, &dims)?);
    if x.base == y.base && x.shape == y.shape && x.layout.same_order(&y.layout) {
        let quadratic = x.quadratic.plus(&y.quadratic, x.shape);
        return Ok(Value { quadratic, exclusive: false, ..x });
    }
    // Later readers start from the layers as well, where these are not larger.
    let index = |before: &Value, after: &Value, i: Option<usize>| i.filter(|_| before.layout == after.layout);
    let (i, j) = (index(&left, &x, left_index), index(&right, &y, right_index));
    let x = lowering.layer_of(node, i, &x)?;
    let y = lowering.layer_of(node, j, &y)?;
    add(lowering, node, &x, &y)
}

/// The sum of two layers' outputs, whose tensors have the same extents.
pub(crate) fn add<'g>(lowering: &mut Lowering<'g>, node: &'g NodeProto, x: &Value, y: &Value) -> Checked<Value> {
    let name = names::of_layer(node, None);
    let (x, y) = if x.shape == y.shape && x.layout.same_order(&y.layout) {
        (x.clone(), y.clone())
    } else {
        let order = format!("{name}.order");
        match (as_map(lowering, x, &order)?, as_map(lowering, y, &order)?) {
            (Some(x), Some(y)) => (lowering.layer_of(node, None, &x)?, lowering.layer_of(node, None, &y)?),
            _ => (as_vector(lowering, x, &order)?, as_vector(lowering, y, &order)?),
        }
    };
    let base = if x.base.is_none() && y.base.is_none() {
        return defect("the image added to itself", "scale the input instead");
    } else {
        lowering.network.add(x.base, y.base, &name, x.shape)?
    };
    Ok(Value { layout: x.layout, ..lowering.fresh(base) })
}
