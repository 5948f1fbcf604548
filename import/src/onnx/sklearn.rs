//! The operators of scikit-learn's exporter, beside ONNX's own: a scaling of columns, a linear
//! classifier or regressor, and what stands behind the scores.

use super::answer::{Answer, AnswerKind};
use super::attributes::Attributes;
use super::constant::Constant;
use super::context::{Inputs, Lowering, Slot};
use super::contract::{Product, contract};
use super::elementwise::{scaled, shifted};
use super::names;
use super::network::Value;
use super::proto::NodeProto;
use crate::error::{Checked, defect};

/// The operators' domain.
pub(crate) const DOMAIN: &str = "ai.onnx.ml";

/// An operator of [`DOMAIN`] on a value.
pub(crate) fn lower<'g>(lowering: &mut Lowering<'g>, node: &'g NodeProto, inputs: &Inputs<'_>) -> Checked<Vec<Slot>> {
    match node.op_type.as_str() {
        "Scaler" => scaler(lowering, node, inputs).map(|v| vec![Slot::Value(v)]),
        "LinearRegressor" => {
            let known = ["coefficients", "intercepts", "targets", "post_transform"];
            let a = Attributes::of(node, &known)?;
            let outs = usize::try_from(a.int("targets", 1)).unwrap_or(0);
            if !matches!(a.text("post_transform").unwrap_or("NONE"), "NONE") {
                return defect("a regressor with a function behind it", "export without post_transform");
            }
            linear(lowering, node, inputs, outs).map(|v| vec![Slot::Value(v)])
        }
        "LinearClassifier" => classifier(lowering, node, inputs),
        "ArrayFeatureExtractor" => defect(
            "columns chosen before the network",
            "choose the columns before the export, and export the network of the rest",
        ),
        _ => defect(
            "an operator of scikit-learn that has no counterpart",
            "use MLPClassifier, LogisticRegression or LinearRegression behind at most a StandardScaler or MinMaxScaler",
        ),
    }
}

fn wide(list: Option<&[f32]>) -> Vec<f64> {
    list.unwrap_or_default().iter().map(|&v| f64::from(v)).collect()
}

/// `(x - offset) scale`, per column.
fn scaler<'g>(lowering: &mut Lowering<'g>, node: &'g NodeProto, inputs: &Inputs<'_>) -> Checked<Value> {
    let a = Attributes::of(node, &["offset", "scale"])?;
    let row = |values: Vec<f64>| match values.len() {
        0 => None,
        1 => Some(Constant::scalar(values[0])),
        n => Some(Constant { dims: vec![1, n], values, integer: false }),
    };
    let mut x = inputs.value(0)?.clone();
    if let Some(offset) = row(wide(a.floats("offset"))) {
        x = shifted(lowering, node, x, &offset, -1.0)?;
    }
    match row(wide(a.floats("scale"))) {
        Some(scale) => scaled(lowering, node, x, &scale),
        None => Ok(x),
    }
}

/// `W x + b` with the coefficients of a node, `outs x columns`.
fn linear<'g>(lowering: &mut Lowering<'g>, node: &'g NodeProto, inputs: &Inputs<'_>, outs: usize) -> Checked<Value> {
    let a = Attributes::all(node);
    let (weights, bias) = (wide(a.floats("coefficients")), wide(a.floats("intercepts")));
    let x = lowering.layer_of(node, Some(0), inputs.value(0)?)?;
    let &[_, columns] = x.layout.dims.as_slice() else {
        return defect("coefficients for what is no row of columns", "export the network again");
    };
    if outs == 0 || weights.len() != outs * columns || !(bias.is_empty() || bias.len() == outs) {
        let found = format!("{} coefficients for {outs} scores of {columns} columns", weights.len());
        return defect(found, "export the network again");
    }
    let weights = Constant { dims: vec![outs, columns], values: weights, integer: false };
    let product = Product { weights: &weights, left: vec![0, 1], right: vec![2, 1], out: vec![0, 2] };
    let scores = contract(lowering, &x, &product, &names::of_layer(node, None))?;
    if bias.is_empty() {
        return Ok(scores);
    }
    shifted(lowering, node, scores, &Constant { dims: vec![1, outs], values: bias, integer: false }, 1.0)
}

/// The scores of each class; a function behind them that keeps their order is left out.
fn classifier<'g>(lowering: &mut Lowering<'g>, node: &'g NodeProto, inputs: &Inputs<'_>) -> Checked<Vec<Slot>> {
    let known =
        ["classlabels_ints", "classlabels_strings", "coefficients", "intercepts", "multi_class", "post_transform"];
    let a = Attributes::of(node, &known)?;
    let texts = a.texts("classlabels_strings");
    let classes = texts.len().max(a.ints("classlabels_ints").unwrap_or_default().len());
    let transform = a.text("post_transform").unwrap_or("NONE");
    if !matches!(transform, "NONE" | "LOGISTIC" | "SOFTMAX") {
        return defect(format!("scores behind {transform}"), "export with raw scores: options={'raw_scores': True}");
    }
    let x = inputs.value(0)?;
    let &[_, columns] = x.layout.dims.as_slice() else {
        return defect("a classifier of what is no row of columns", "export the network again");
    };
    let coefficients = a.floats("coefficients").unwrap_or_default().len();
    if coefficients != classes * columns || classes < 2 {
        let found = format!("{coefficients} coefficients for {classes} classes of {columns} columns");
        return defect(found, "export the network again");
    }
    let scores = linear(lowering, node, inputs, classes)?;
    let left_out = vec![(names::of_node(node), format!("{}, {transform}", node.op_type))];
    let answer = |kind| {
        let scores = scores.clone();
        Slot::Answer(Answer { scores, kind, left_out: left_out.clone(), threshold: 0.0, names: texts.clone() })
    };
    let second = if transform == "NONE" { Slot::Value(scores.clone()) } else { answer(AnswerKind::Shares) };
    Ok(vec![answer(AnswerKind::Class), second])
}
