//! Operators that hand their input on: `Cast` and `Dropout` as inference sees them, and limits that
//! are none.

use super::attributes::Attributes;
use super::constant::{Constant, type_name};
use super::context::{Inputs, Lowering};
use super::network::Value;
use super::proto::NodeProto;
use crate::error::{Checked, defect};

/// `Cast` between floating-point types. Half precision would only round what is computed: the model
/// does without, which a note says.
pub(crate) fn cast(lowering: &mut Lowering<'_>, node: &NodeProto, inputs: &Inputs<'_>) -> Checked<Value> {
    match Attributes::of(node, &["to", "saturate", "round_mode"])?.int("to", 0) {
        1 | 11 => Ok(inputs.value(0)?.clone()),
        10 | 16 => {
            let note = "the network computes in half precision, the model without that rounding".to_owned();
            if !lowering.notes.contains(&note) {
                lowering.notes.push(note);
            }
            Ok(inputs.value(0)?.clone())
        }
        other => {
            let found = format!("a conversion to {} in the middle of the network", type_name(other as i32));
            defect(found, "export in float32")
        }
    }
}

/// Whether `Clip` or `Max` is a ReLU: no less than 0, and no upper limit.
pub(crate) fn is_relu(node: &NodeProto, inputs: &Inputs<'_>) -> Checked<bool> {
    if node.op_type == "Max" {
        return Ok(inputs.slots.len() == 2 && inputs.maybe_constant(1)?.and_then(Constant::single) == Some(0.0));
    }
    let a = Attributes::of(node, &["min", "max"])?;
    let low = inputs.maybe_constant(1)?.and_then(Constant::single).or(a.has("min").then(|| a.float("min", 0.0).into()));
    let high =
        inputs.maybe_constant(2)?.and_then(Constant::single).or(a.has("max").then(|| a.float("max", 0.0).into()));
    Ok(low == Some(0.0) && high.is_none_or(|h| h >= f64::from(f32::MAX)))
}

/// `Dropout`, which does nothing outside training.
pub(crate) fn dropout(lowering: &Lowering<'_>, node: &NodeProto, inputs: &Inputs<'_>) -> Checked<Value> {
    Attributes::of(node, &["ratio", "seed"])?;
    match inputs.maybe_constant(2)?.and_then(Constant::single).unwrap_or(0.0) {
        0.0 => Ok(inputs.value(0)?.clone()),
        _ => defect("dropout in training", lowering.producer.inference()),
    }
}
