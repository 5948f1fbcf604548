//! Operators that hand their input on: `Cast` and `Dropout` as inference sees them, and a softmax
//! over the scores.

use beaa_ir::Shape;

use super::attributes::Attributes;
use super::constant::Constant;
use super::context::{Inputs, Lowering};
use super::names;
use super::network::Value;
use super::proto::NodeProto;
use crate::error::{Checked, defect};

/// `Cast` between floating-point types.
pub(crate) fn cast(node: &NodeProto, inputs: &Inputs<'_>) -> Checked<Value> {
    match Attributes::of(node, &["to", "saturate", "round_mode"])?.int("to", 0) {
        1 | 11 => Ok(inputs.value(0)?.clone()),
        other => defect(format!("a conversion to type {other}"), "export in float32"),
    }
}

/// `Dropout`, which does nothing outside training.
pub(crate) fn dropout(node: &NodeProto, inputs: &Inputs<'_>) -> Checked<Value> {
    Attributes::of(node, &["ratio", "seed"])?;
    match inputs.maybe_constant(2)?.and_then(Constant::single).unwrap_or(0.0) {
        0.0 => Ok(inputs.value(0)?.clone()),
        _ => defect("dropout in training", "call model.eval() before the export"),
    }
}

/// `Softmax` and `LogSoftmax` at the end: they change no order of scores, and whoever decrypts can
/// compute them.
pub(crate) fn softmax(lowering: &mut Lowering<'_>, node: &NodeProto, inputs: &Inputs<'_>) -> Checked<Value> {
    let (graph, x) = (lowering.graph, inputs.value(0)?);
    let default = if graph.opset < 13 { 1 } else { -1 };
    let axis = Attributes::of(node, &["axis"])?.int("axis", default);
    let last = node.output.first().is_some_and(|o| o == graph.output && graph.uses(o) == 1);
    match (last, x.shape, axis) {
        (true, Shape::Flat { .. }, 1 | -1) => {
            let name = names::of_node(node);
            let note =
                format!("`{name}` ({}) at the end is left out: the model gives the scores before it", node.op_type);
            lowering.notes.push(note);
            Ok(x.clone())
        }
        _ => defect(
            "a softmax that is not over the scores at the very end",
            "it cannot be evaluated under encryption; leave it out, or use a quadratic",
        ),
    }
}
