//! Lowering: each node of the graph becomes a constant, a quadratic of an earlier value, or layers.
//! It goes on after a node that it does not understand, so that all of them are listed at once.

use std::collections::HashMap;
use std::rc::Rc;

use beaa_ir::{Activation, Layer, LayerOp, Shape};

use super::constant::{Constant, External, decode};
use super::context::{Inputs, Lowering, Slot};
use super::graph::{Graph, is_standard};
use super::network::{Network, Value};
use super::proto::NodeProto;
use super::unsupported::unsupported_hint;
use super::{convolution, dense, elementwise, fold, names, passing, reshape};
use crate::Problem;
use crate::error::{Checked, Defect, defect};

/// The layers of a network, and what was left out.
#[derive(Debug)]
pub(crate) struct Lowered {
    pub(crate) layers: Vec<Layer>,
    pub(crate) notes: Vec<String>,
}

/// Lowers all nodes, or says what is wrong with each of those that cannot be lowered.
pub(crate) fn lower(graph: &Graph<'_>, external: &mut External) -> Result<Lowered, Vec<Problem>> {
    let [channels, height, width] = graph.image;
    let map = Shape::Map { channels, height, width };
    let mut lowering = Lowering { graph, network: Network::new(map), slots: HashMap::new(), notes: Vec::new() };
    let mut problems = Vec::new();
    let mut note = |name: String, kind: &str, Defect { found, remedy }: Defect| {
        problems.push(Problem { name, kind: kind.to_owned(), found, remedy });
    };
    match image(&mut lowering, map) {
        Ok(value) => lowering.slots.insert(graph.input, Slot::Value(value)),
        Err(e) => {
            note(graph.input.to_owned(), "input", e);
            lowering.slots.insert(graph.input, Slot::Unknown)
        }
    };
    for &node in &graph.nodes {
        for name in &node.input {
            if let Some(tensor) =
                graph.constants.get(name.as_str()).filter(|_| !lowering.slots.contains_key(name.as_str()))
            {
                let slot = match decode(tensor, external) {
                    Ok(constant) => Slot::Constant(Rc::new(constant)),
                    Err(e) => {
                        note(name.clone(), "constant", e);
                        Slot::Unknown
                    }
                };
                lowering.slots.insert(name, slot);
            }
        }
        let slot = lower_node(&mut lowering, node, external).unwrap_or_else(|e| {
            note(names::of_node(node), &node.op_type, e);
            Slot::Unknown
        });
        if let Some(name) = node.output.first() {
            lowering.slots.insert(name, slot);
        }
    }
    let end = match lowering.slots.get(graph.output).cloned() {
        Some(Slot::Value(value)) => lowering.network.materialise(&value).map(|base| lowering.network.go_to(base)),
        Some(Slot::Constant(_)) | None => {
            defect("a result that does not depend on the image", "export the network again")
        }
        Some(Slot::Unknown) => Ok(()),
    };
    if let Err(e) = end {
        note(graph.output.to_owned(), "output", e);
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Lowered { layers: lowering.network.layers, notes: lowering.notes })
}

/// The image as the network takes it.
fn image(lowering: &mut Lowering<'_>, map: Shape) -> Checked<Value> {
    if !lowering.graph.flat {
        return Ok(Value::plain(None, map));
    }
    let flat = Shape::Flat { features: map.len() };
    Ok(Value::plain(lowering.network.push(None, "flatten", LayerOp::Flatten, flat)?, flat))
}

fn lower_node<'g>(lowering: &mut Lowering<'g>, node: &'g NodeProto, external: &mut External) -> Checked<Slot> {
    if !is_standard(&node.domain) {
        return defect(
            format!("an operator of `{}`", node.domain),
            "export with the operators of ONNX alone, functions inlined",
        );
    }
    if let Some(remedy) = unsupported_hint(&node.op_type) {
        return defect("an operator that has no counterpart", remedy);
    }
    if node.output.iter().skip(1).any(|o| lowering.graph.uses(o) > 0) {
        return defect("more than one result that is used", "use the first result only");
    }
    let slots: Vec<Option<Slot>> = node.input.iter().map(|name| lowering.slots.get(name.as_str()).cloned()).collect();
    if slots.iter().flatten().any(|s| matches!(s, Slot::Unknown)) {
        return Ok(Slot::Unknown);
    }
    if slots.iter().flatten().all(|s| matches!(s, Slot::Constant(_))) {
        let inputs: Vec<Option<&Constant>> =
            slots.iter().map(|s| if let Some(Slot::Constant(c)) = s { Some(&**c) } else { None }).collect();
        let constant = fold::fold(node, &inputs, external, &mut lowering.network.budget)?;
        return Ok(Slot::Constant(Rc::new(constant)));
    }
    let inputs = Inputs { node, slots };
    if node.op_type == "Shape" {
        return Ok(Slot::Constant(Rc::new(reshape::shape_of(node, &inputs)?)));
    }
    let value = operator(lowering, node, &inputs)?;
    lowering.materialise_shared(node, value).map(Slot::Value)
}

/// What a node computes from the image: an arm per operator.
fn operator<'g>(lowering: &mut Lowering<'g>, node: &'g NodeProto, inputs: &Inputs<'_>) -> Checked<Value> {
    match node.op_type.as_str() {
        "Add" | "Sub" | "Mul" | "Div" | "Pow" | "Neg" | "Sum" => elementwise::lower(lowering, node, inputs),
        "Conv" => convolution::conv(lowering, node, inputs),
        "AveragePool" => convolution::average_pool(lowering, node, inputs),
        "GlobalAveragePool" => convolution::global_average_pool(lowering, node, inputs),
        "ReduceMean" => reshape::mean(lowering, node, inputs),
        "Gemm" | "MatMul" => dense::linear(lowering, node, inputs),
        "BatchNormalization" => dense::batch_norm(lowering, node, inputs),
        "Relu" => relu(lowering, node, inputs),
        "Flatten" | "Reshape" | "Squeeze" => reshape::reshape(lowering, node, inputs),
        "Pad" => reshape::pad(lowering, node, inputs),
        "Identity" => Ok(inputs.value(0)?.clone()),
        "Cast" => passing::cast(node, inputs),
        "Dropout" => passing::dropout(node, inputs),
        "Softmax" | "LogSoftmax" => passing::softmax(lowering, node, inputs),
        _ => defect("an operator that has no counterpart", "build the network from the layers of docs/import.md"),
    }
}

fn relu<'g>(lowering: &mut Lowering<'g>, node: &'g NodeProto, inputs: &Inputs<'_>) -> Checked<Value> {
    let x = lowering.input_layer(node, inputs)?;
    let base = lowering.network.activation(x.base, &names::of_layer(node, None), Activation::Relu, x.shape)?;
    Ok(lowering.fresh(base))
}
