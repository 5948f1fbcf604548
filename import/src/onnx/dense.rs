//! Linear layers and batch normalisation.

use beaa_ir::{LayerOp, Shape};

use super::attributes::Attributes;
use super::constant::Constant;
use super::context::{Inputs, Lowering, Slot};
use super::contract::{Product, contract};
use super::elementwise::{scaled, shifted};
use super::names;
use super::network::Value;
use super::proto::NodeProto;
use super::shaping::shown;
use crate::error::{Checked, defect};

/// The batch and features of a matrix product as letters.
const ROWS: u8 = 200;
const COLUMNS: u8 = 201;
const INNER: u8 = 202;

/// `Gemm`: `alpha A B + beta C`, where one of A and B is a constant, each perhaps transposed.
pub(crate) fn gemm<'g>(lowering: &mut Lowering<'g>, node: &'g NodeProto, inputs: &Inputs<'_>) -> Checked<Value> {
    let a = Attributes::of(node, &["alpha", "beta", "transA", "transB"])?;
    let swapped = |name: &str, letters: [u8; 2]| {
        let [x, y] = letters;
        if a.int(name, 0) != 0 { vec![y, x] } else { vec![x, y] }
    };
    let (left, right) = (swapped("transA", [ROWS, INNER]), swapped("transB", [INNER, COLUMNS]));
    let (alpha, beta) = (f64::from(a.float("alpha", 1.0)), f64::from(a.float("beta", 1.0)));
    let product = product(lowering, node, inputs, [left, right], vec![ROWS, COLUMNS])?;
    let product = match alpha {
        1.0 => product,
        _ => scale_weights(lowering, node, product, alpha)?,
    };
    match inputs.slots.get(2) {
        None | Some(None) => Ok(product),
        Some(Some(Slot::Constant(c))) => {
            let weighted = Constant { values: c.values.iter().map(|v| beta * v).collect(), ..(**c).clone() };
            shifted(lowering, node, product, &weighted, 1.0)
        }
        Some(Some(_)) => defect("a `Gemm` that adds what depends on the image", "use MatMul and Add"),
    }
}

/// `MatMul` with a constant on either side.
pub(crate) fn matmul<'g>(lowering: &mut Lowering<'g>, node: &'g NodeProto, inputs: &Inputs<'_>) -> Checked<Value> {
    Attributes::of(node, &[])?;
    let rank = |slot: Option<&Option<Slot>>| match slot {
        Some(Some(Slot::Value(v))) => v.layout.dims.len(),
        Some(Some(Slot::Constant(c))) => c.dims.len(),
        _ => 0,
    };
    let (a, b) = (rank(inputs.slots.first()), rank(inputs.slots.get(1)));
    if a == 0 || b == 0 || a.max(b) > 16 {
        return defect("a product of scalars", "export the network again");
    }
    // Extents before the last two are counted from the end, so that they meet.
    let letters = |rank: usize, last: [u8; 2], single: u8| match rank {
        1 => vec![single],
        _ => (0..rank - 2).map(|k| (rank - 2 - k) as u8).chain(last).collect(),
    };
    let (left, right) = (letters(a, [ROWS, INNER], INNER), letters(b, [INNER, COLUMNS], INNER));
    let mut out: Vec<u8> = (0..a.max(b).saturating_sub(2)).map(|k| (a.max(b) - 2 - k) as u8).collect();
    out.extend((a > 1).then_some(ROWS));
    out.extend((b > 1).then_some(COLUMNS));
    product(lowering, node, inputs, [left, right], out)
}

/// `Einsum` of two operands, one of them a constant, without repeated letters in one of them.
pub(crate) fn einsum<'g>(lowering: &mut Lowering<'g>, node: &'g NodeProto, inputs: &Inputs<'_>) -> Checked<Value> {
    const REMEDY: &str = "write products with weights as linear layers";
    let equation: String = match Attributes::of(node, &["equation"])?.text("equation") {
        Some(text) => text.chars().filter(|c| !c.is_whitespace()).collect(),
        None => return defect("`Einsum` without an equation", "export the network again"),
    };
    let sides: Vec<&str> = equation.split("->").collect();
    let (&[operands, out], true) = (sides.as_slice(), equation.is_ascii()) else {
        return defect(format!("`Einsum` of `{equation}`"), REMEDY);
    };
    let operands: Vec<&str> = operands.split(',').collect();
    let plain = |s: &str| {
        s.bytes().all(|c| c.is_ascii_alphabetic())
            && s.bytes().enumerate().all(|(k, c)| !s.as_bytes()[..k].contains(&c))
    };
    let (&[left, right], true) = (operands.as_slice(), operands.iter().all(|s| plain(s)) && plain(out)) else {
        return defect(format!("`Einsum` of `{equation}`"), REMEDY);
    };
    product(lowering, node, inputs, [left.bytes().collect(), right.bytes().collect()], out.bytes().collect())
}

/// The product of a value and a constant, in either order, their axes named by letters.
fn product<'g>(
    lowering: &mut Lowering<'g>,
    node: &'g NodeProto,
    inputs: &Inputs<'_>,
    [left, right]: [Vec<u8>; 2],
    out: Vec<u8>,
) -> Checked<Value> {
    let (index, value, weights, [tensor, matrix]) = match (inputs.slots.first(), inputs.slots.get(1)) {
        (Some(Some(Slot::Value(x))), Some(Some(Slot::Constant(w)))) => (0, x, w, [left, right]),
        (Some(Some(Slot::Constant(w))), Some(Some(Slot::Value(x)))) => (1, x, w, [right, left]),
        _ => {
            return defect(
                "a product of two values that depend on the image",
                "use products with constants; attention between values has no counterpart",
            );
        }
    };
    if tensor.len() != value.layout.dims.len() || matrix.len() != weights.dims.len() {
        return defect(
            format!("a product of {} and weights of extents {:?}", shown(&value.layout), weights.dims),
            "export the network again",
        );
    }
    // An extent of 1 in the weights is repeated along that of the value.
    let kept: Vec<usize> =
        (0..matrix.len()).filter(|&k| weights.dims[k] != 1 || !tensor.contains(&matrix[k])).collect();
    let inner = |k: &usize| matrix[*k] == INNER;
    let narrowed = |k: usize| {
        let at = tensor.iter().position(|l| *l == matrix[k]);
        at.is_some_and(|a| value.layout.dims[a] != 1)
    };
    if (0..matrix.len()).any(|k| !kept.contains(&k) && inner(&k) && narrowed(k)) {
        return defect(
            format!("weights of extents {:?} for {}", weights.dims, shown(&value.layout)),
            "export the network again",
        );
    }
    let weights = Constant { dims: kept.iter().map(|&k| weights.dims[k]).collect(), ..(**weights).clone() };
    let right = kept.iter().map(|&k| matrix[k]).collect();
    let x = lowering.layer_of(node, Some(index), value)?;
    let weight_name = node.input.get(1 - index).map(String::as_str);
    contract(
        lowering,
        &x,
        &Product { weights: &weights, left: tensor, right, out },
        &names::of_layer(node, weight_name),
    )
}

/// Scales the weights of the layer that was just appended.
fn scale_weights<'g>(lowering: &mut Lowering<'g>, node: &'g NodeProto, x: Value, alpha: f64) -> Checked<Value> {
    let layer = x.base.and_then(|b| lowering.network.layers.get_mut(b));
    if let Some(LayerOp::Linear(linear)) = layer.map(|l| &mut l.op)
        && linear.bias.is_none()
    {
        let values = linear.weight.data().iter().map(|&w| (alpha * f64::from(w)) as f32).collect();
        linear.weight = beaa_ir::Tensor::new(linear.weight.shape().to_vec(), values)?;
        return Ok(x);
    }
    scaled(lowering, node, x, &Constant::scalar(alpha))
}

/// `BatchNormalization` with the statistics of the training.
pub(crate) fn batch_norm<'g>(lowering: &mut Lowering<'g>, node: &'g NodeProto, inputs: &Inputs<'_>) -> Checked<Value> {
    let x = lowering.layer_of(node, Some(0), inputs.value(0)?)?;
    let a = Attributes::of(node, &["epsilon", "momentum", "spatial", "training_mode"])?;
    if a.int("training_mode", 0) != 0 || a.int("spatial", 1) != 1 {
        return defect("statistics of the batch (`training_mode`)", lowering.producer.inference());
    }
    let rank = x.layout.dims.len();
    let (Some(&channels), true) = (x.layout.dims.get(1), x.layout.batch != Some(1)) else {
        return defect(format!("a batch norm of {}", shown(&x.layout)), "use it on feature maps or vectors");
    };
    let numbers = |index: usize| {
        let constant = inputs.constant(index)?;
        match constant.dims.as_slice() {
            [n] if *n == channels => Ok(constant),
            dims => defect(format!("input {index} of extents {dims:?} for {channels} channels"), "export again"),
        }
    };
    let eps = a.float("epsilon", 1e-5);
    let shape_channels = match x.shape {
        Shape::Map { channels, .. } => channels,
        Shape::Flat { features } => features,
    };
    let plain = x.is_map() || (matches!(x.shape, Shape::Flat { .. }) && x.layout.is_in_order() && rank == 2);
    if plain && shape_channels == channels {
        let get = |index: usize| numbers(index)?.tensor(&[channels]);
        let op = LayerOp::BatchNorm { gamma: get(1)?, beta: get(2)?, mean: get(3)?, var: get(4)?, eps };
        let base = lowering.network.push(x.base, &names::of_weighted_layer(node), op, x.shape)?;
        return Ok(Value { layout: x.layout, ..lowering.fresh(base) });
    }
    // In another order of the axes it is a factor and a shift for each channel.
    let [gamma, beta, mean, variance] = [numbers(1)?, numbers(2)?, numbers(3)?, numbers(4)?];
    let spread: Vec<f64> = variance.values.iter().map(|v| v + f64::from(eps)).collect();
    if spread.iter().any(|v| *v <= 0.0 || !v.is_finite()) {
        return defect("a variance that is not positive", "check the numbers of the trained network");
    }
    let factor: Vec<f64> = gamma.values.iter().zip(&spread).map(|(g, v)| g / v.sqrt()).collect();
    let shift = (0..channels).map(|k| beta.values[k] - mean.values[k] * factor[k]).collect();
    let mut dims = vec![1; rank - 1];
    dims[0] = channels;
    let constant = |values| Constant { dims: dims.clone(), values, integer: false };
    let scaled = scaled(lowering, node, x, &constant(factor))?;
    shifted(lowering, node, scaled, &constant(shift), 1.0)
}
