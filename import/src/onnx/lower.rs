//! Lowering: each node of the graph becomes a constant, a quadratic of an earlier value, or layers. Must never stop at the
//! first node that it does not understand: all of them are listed at once.

use std::collections::HashMap;
use std::rc::Rc;

use beaa_ir::{Activation, Layer, LayerOp, Shape};

use super::attributes::Attributes;
use super::constant::{Constant, External, decode};
use super::context::{Inputs, Lowering, Slot};
use super::graph::{Graph, standard};
use super::network::{Network, Value};
use super::proto::NodeProto;
use super::{convolution, dense, elementwise, fold, names, reshape};
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
    let mut this = Lowering { graph, network: Network::new(map), slots: HashMap::new(), notes: Vec::new() };
    let mut problems = Vec::new();
    let mut note = |name: String, kind: &str, Defect { found, remedy }: Defect| {
        problems.push(Problem { name, kind: kind.to_owned(), found, remedy });
    };
    match this.input(map) {
        Ok(value) => this.slots.insert(graph.input, Slot::Value(value)),
        Err(e) => {
            note(graph.input.to_owned(), "input", e);
            this.slots.insert(graph.input, Slot::Unknown)
        }
    };
    for &node in &graph.nodes {
        for name in &node.input {
            if let Some(tensor) = graph.constants.get(name.as_str()).filter(|_| !this.slots.contains_key(name.as_str()))
            {
                let slot = match decode(tensor, external) {
                    Ok(constant) => Slot::Constant(Rc::new(constant)),
                    Err(e) => {
                        note(name.clone(), "constant", e);
                        Slot::Unknown
                    }
                };
                this.slots.insert(name, slot);
            }
        }
        let slot = this.node(node, external).unwrap_or_else(|e| {
            note(names::of_node(node), &node.op_type, e);
            Slot::Unknown
        });
        if let Some(name) = node.output.first() {
            this.slots.insert(name, slot);
        }
    }
    let end = match this.slots.get(graph.output).cloned() {
        Some(Slot::Value(value)) => this.network.materialise(&value).map(|base| this.network.go_to(base)),
        Some(Slot::Constant(_)) | None => {
            defect("a result that does not depend on the image", "export the network again")
        }
        Some(Slot::Unknown) => Ok(()),
    };
    if let Err(e) = end {
        note(graph.output.to_owned(), "output", e);
    }
    match problems.is_empty() {
        true => Ok(Lowered { layers: this.network.layers, notes: this.notes }),
        false => Err(problems),
    }
}

impl<'g> Lowering<'g> {
    fn input(&mut self, map: Shape) -> Checked<Value> {
        if !self.graph.flat {
            return Ok(Value::plain(None, map));
        }
        let flat = Shape::Flat { features: map.len() };
        Ok(Value::plain(self.network.push(None, "flatten", LayerOp::Flatten, flat)?, flat))
    }

    fn node(&mut self, node: &'g NodeProto, external: &mut External) -> Checked<Slot> {
        if !standard(&node.domain) {
            return defect(
                format!("an operator of `{}`", node.domain),
                "export with the operators of ONNX alone, functions inlined",
            );
        }
        if let Some(remedy) = never(&node.op_type) {
            return defect("an operator that has no counterpart", remedy);
        }
        if node.output.iter().skip(1).any(|o| self.graph.uses(o) > 0) {
            return defect("more than one result that is used", "use the first result only");
        }
        let slots: Vec<Option<Slot>> = node.input.iter().map(|name| self.slots.get(name.as_str()).cloned()).collect();
        if slots.iter().flatten().any(|s| matches!(s, Slot::Unknown)) {
            return Ok(Slot::Unknown);
        }
        if slots.iter().flatten().all(|s| matches!(s, Slot::Constant(_))) {
            let inputs: Vec<Option<&Constant>> =
                slots.iter().map(|s| if let Some(Slot::Constant(c)) = s { Some(&**c) } else { None }).collect();
            let constant = fold::fold(node, &inputs, external, &mut self.network.budget)?;
            return Ok(Slot::Constant(Rc::new(constant)));
        }
        let slot = self.operator(node, &Inputs { node, slots })?;
        Ok(match slot {
            Slot::Value(value) => Slot::Value(self.settle(node, value)?),
            other => other,
        })
    }

    fn operator(&mut self, node: &'g NodeProto, inputs: &Inputs<'_>) -> Checked<Slot> {
        let name =
            |weight: Option<usize>| names::of_layer(node, weight.and_then(|i| node.input.get(i)).map(String::as_str));
        let fresh = |base, shape| Slot::Value(Value { exclusive: true, ..Value::plain(base, shape) });
        match node.op_type.as_str() {
            "Add" | "Sub" | "Mul" | "Div" | "Pow" | "Neg" | "Sum" => {
                elementwise::lower(self, node, inputs).map(Slot::Value)
            }
            "Conv" => {
                let known = ["auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"];
                let a = Attributes::of(node, &known)?;
                let (weight, bias) = (inputs.constant(1)?, inputs.maybe_constant(2)?);
                let x = self.padded_layer(node, inputs)?;
                let base = convolution::convolution(&mut self.network, a, &x, weight, bias, &name(Some(1)))?;
                Ok(fresh(base, self.shape(base)))
            }
            "Gemm" | "MatMul" => {
                let x = self.layer_of(node, 0, inputs.value(0)?)?;
                let base = dense::linear(&mut self.network, node, inputs, &x, &name(Some(1)))?;
                Ok(fresh(base, self.shape(base)))
            }
            "BatchNormalization" => {
                let x = self.layer_of(node, 0, inputs.value(0)?)?;
                let base = dense::batch_norm(&mut self.network, node, inputs, &x, &name(Some(1)))?;
                Ok(fresh(base, x.shape))
            }
            "AveragePool" => {
                let known =
                    ["auto_pad", "ceil_mode", "count_include_pad", "dilations", "kernel_shape", "pads", "strides"];
                let a = Attributes::of(node, &known)?;
                let x = self.padded_layer(node, inputs)?;
                let base = convolution::average_pool(&mut self.network, a, &x, &name(None))?;
                Ok(fresh(base, self.shape(base)))
            }
            "GlobalAveragePool" => {
                Attributes::of(node, &[])?;
                let x = self.padded_layer(node, inputs)?;
                let (base, shape) = convolution::global_average(&mut self.network, &x, &name(None))?;
                Ok(fresh(base, shape))
            }
            "ReduceMean" => reshape::mean(self, node, inputs).map(Slot::Value),
            "Flatten" | "Reshape" | "Squeeze" => reshape::reshape(self, node, inputs).map(Slot::Value),
            "Pad" => reshape::pad(self, node, inputs).map(Slot::Value),
            "Shape" => reshape::shape_of(inputs.value(0)?, node).map(|c| Slot::Constant(Rc::new(c))),
            "Relu" => {
                let x = self.layer_of(node, 0, inputs.value(0)?)?;
                let base = self.network.activation(x.base, &name(None), Activation::Relu, x.shape)?;
                Ok(fresh(base, x.shape))
            }
            "Identity" => Ok(Slot::Value(inputs.value(0)?.clone())),
            "Cast" => match Attributes::of(node, &["to", "saturate", "round_mode"])?.int("to", 0) {
                1 | 11 => Ok(Slot::Value(inputs.value(0)?.clone())),
                other => defect(format!("a conversion to type {other}"), "export in float32"),
            },
            "Dropout" => {
                Attributes::of(node, &["ratio", "seed"])?;
                match inputs.maybe_constant(2)?.and_then(Constant::single).unwrap_or(0.0) {
                    0.0 => Ok(Slot::Value(inputs.value(0)?.clone())),
                    _ => defect("dropout in training", "call model.eval() before the export"),
                }
            }
            "Softmax" | "LogSoftmax" => self.softmax(node, inputs.value(0)?).map(Slot::Value),
            _ => defect("an operator that has no counterpart", "build the network from the layers of docs/import.md"),
        }
    }

    /// At the end a softmax changes no order of scores, and whoever decrypts can compute it.
    fn softmax(&mut self, node: &NodeProto, x: &Value) -> Checked<Value> {
        let default = if self.graph.opset < 13 { 1 } else { -1 };
        let axis = Attributes::of(node, &["axis"])?.int("axis", default);
        let last = node.output.first().is_some_and(|o| o == self.graph.output && self.graph.uses(o) == 1);
        match (last, x.shape, axis) {
            (true, Shape::Flat { .. }, 1 | -1) => {
                self.notes.push(format!(
                    "`{}` ({}) at the end is left out: the model gives the scores before it",
                    names::of_node(node),
                    node.op_type
                ));
                Ok(x.clone())
            }
            _ => defect(
                "a softmax that is not over the scores at the very end",
                "it cannot be evaluated under encryption; leave it out, or use a quadratic",
            ),
        }
    }
}

/// What to do about operators for which there is more to say than that they are not known.
fn never(operator: &str) -> Option<&'static str> {
    Some(match operator {
        "Sigmoid" | "Tanh" | "HardSigmoid" | "HardSwish" | "LeakyRelu" | "PRelu" | "Elu" | "Selu" | "Celu" | "Gelu"
        | "Mish" | "Softplus" | "Softsign" | "Clip" | "Erf" | "Exp" | "Log" | "ThresholdedRelu" | "Swish" => {
            "train with a quadratic `a*x**2 + b*x + c` in its place"
        }
        "MaxPool" | "GlobalMaxPool" | "LpPool" | "GlobalLpPool" => "train with average pooling in its place",
        "LayerNormalization"
        | "InstanceNormalization"
        | "GroupNormalization"
        | "LpNormalization"
        | "MeanVarianceNormalization"
        | "LRN"
        | "RMSNormalization" => "train with batch normalisation in its place: its statistics are constants",
        "LSTM" | "GRU" | "RNN" | "Loop" | "If" | "Scan" | "Attention" => "use a network without loops and conditions",
        "QuantizeLinear"
        | "DequantizeLinear"
        | "DynamicQuantizeLinear"
        | "QLinearConv"
        | "QLinearMatMul"
        | "ConvInteger"
        | "MatMulInteger" => "export the network in float32; the compiler chooses integer weights itself",
        _ => return None,
    })
}
