//! Lowering: each node of the graph becomes a constant, a choice of elements, a quadratic of an
//! earlier value, or layers. It goes on after a node that it does not understand, so that all of
//! them are listed at once.

use std::collections::HashMap;
use std::rc::Rc;

use beaa_ir::{Activation, Layer, Shape};

use super::answer::{Answer, AnswerKind};
use super::constant::{Constant, External, decode};
use super::context::{Inputs, Lowering, Slot};
use super::graph::{Graph, is_standard};
use super::network::{Network, Value};
use super::producer::Producer;
use super::proto::NodeProto;
use super::unsupported::unsupported_hint;
use super::{
    behind_scores, concat, convolution, dense, elementwise, fold, names, passing, rearrange, reduce, resize, shaping,
    sklearn, spread_out,
};
use crate::Problem;
use crate::error::{Checked, Defect, defect};

/// The layers of a network, and what was left out.
#[derive(Debug)]
pub(crate) struct Lowered {
    pub(crate) layers: Vec<Layer>,
    pub(crate) notes: Vec<String>,
    /// The number of scores.
    pub(crate) outputs: usize,
    /// What follows from the scores of the network, if something was left out behind them.
    pub(crate) head: Option<Head>,
}

/// What was left out behind the scores.
#[derive(Debug)]
pub(crate) struct Head {
    /// The score above which the second of two classes wins.
    pub(crate) threshold: f64,
    /// The names of the classes, if the graph has them.
    pub(crate) names: Vec<String>,
}

/// What was found wrong so far.
struct Problems(Vec<Problem>);

impl Problems {
    fn note(&mut self, name: String, kind: &str, Defect { found, remedy }: Defect) {
        let problem = Problem { name, kind: kind.to_owned(), found, remedy };
        if !self.0.contains(&problem) {
            self.0.push(problem);
        }
    }
}

/// Lowers all nodes, or says what is wrong with each of those that cannot be lowered.
pub(crate) fn lower(graph: &Graph<'_>, producer: Producer, external: &mut External) -> Result<Lowered, Vec<Problem>> {
    let [channels, height, width] = graph.image;
    let map = Shape::Map { channels, height, width };
    let notes = graph.note.iter().cloned().collect();
    let mut lowering = Lowering { graph, network: Network::new(map), slots: HashMap::new(), notes, producer };
    let mut problems = Problems(Vec::new());
    let image = Value { layout: graph.layout.clone(), ..Value::plain(None, map) };
    lowering.slots.insert(graph.input, Slot::Value(image));
    for name in graph.nodes.iter().flat_map(|n| &n.input).map(String::as_str).chain([graph.output]) {
        if let Some(tensor) = graph.constants.get(name).filter(|_| !lowering.slots.contains_key(name)) {
            let slot = match decode(tensor, external) {
                Ok(constant) => Slot::Constant(Rc::new(constant)),
                Err(e) => {
                    problems.note(name.to_owned(), "constant", e);
                    Slot::Unknown
                }
            };
            lowering.slots.insert(name, slot);
        }
    }
    for &node in &graph.nodes {
        let slots = lower_node(&mut lowering, node, external).unwrap_or_else(|e| {
            match misplaced(&lowering, node, &e) {
                Some((name, kind, e)) => problems.note(name, &kind, e),
                None => problems.note(names::of_node(node), &node.op_type, e),
            }
            vec![Slot::Unknown; node.output.len()]
        });
        for (k, name) in node.output.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
            let slot = slots.get(k).cloned();
            if slot.is_none() && graph.uses(name) > 0 {
                let found = format!("a second result, `{name}`, that is used");
                let remedy = "export the network for inference, where only the first result of this operator is used";
                problems.note(names::of_node(node), &node.op_type, Defect { found, remedy: remedy.into() });
            }
            lowering.slots.insert(name, slot.unwrap_or(Slot::Unknown));
        }
    }
    let head = end(&mut lowering).unwrap_or_else(|(name, kind, e)| {
        problems.note(name, &kind, e);
        None
    });
    match problems.0 {
        found if found.is_empty() => {
            let outputs = lowering.network.shapes.last().map_or(map.len(), |s| s.len());
            Ok(Lowered { layers: lowering.network.layers, notes: lowering.notes, outputs, head })
        }
        found => Err(found),
    }
}

type Misplaced = (String, String, Defect);

/// An operator that would only be left out at the end is itself what is wrong in the middle.
fn misplaced(lowering: &Lowering<'_>, node: &NodeProto, defect: &Defect) -> Option<Misplaced> {
    let answer = node.input.iter().find_map(|name| match lowering.slots.get(name.as_str()) {
        Some(Slot::Answer(answer)) => Some(answer),
        _ => None,
    })?;
    let (name, operator) = answer.origin().clone();
    let remedy = unsupported_hint(&operator, lowering.producer).unwrap_or(&defect.remedy).to_owned();
    Some((name, operator, Defect { found: answer.kind.in_the_middle().to_owned(), remedy }))
}

/// Makes the scores the last layer's output.
fn end(lowering: &mut Lowering<'_>) -> Result<Option<Head>, Misplaced> {
    let output = lowering.graph.output;
    let fault = |e: Defect| (output.to_owned(), "output".to_owned(), e);
    match lowering.slots.get(output).cloned() {
        Some(Slot::Value(value)) => {
            finish(lowering, &value).map_err(fault)?;
            Ok(None)
        }
        Some(Slot::Answer(answer)) => {
            check_end(&answer)?;
            finish(lowering, &answer.scores).map_err(fault)?;
            lowering.notes.push(note(&answer));
            Ok(Some(Head { threshold: answer.threshold, names: answer.names }))
        }
        Some(Slot::Unknown) => Ok(None),
        Some(Slot::Constant(_)) | None => {
            let found = "a result that does not depend on the image".to_owned();
            Err(fault(Defect {
                found,
                remedy: "export the network again, or name another output with --output".into(),
            }))
        }
    }
}

fn check_end(answer: &Answer) -> Result<(), Misplaced> {
    let wrong = match answer.kind {
        AnswerKind::Labels => (
            "a sigmoid for each of several scores: every class has a threshold of its own, and none wins alone",
            "import the scores before it (--output NAME, or leave it out of the export) if the largest one counts; \
             else export one network for each class",
        ),
        AnswerKind::Common => ("one number for all classes", "name the output that holds the scores with --output"),
        AnswerKind::Complement => (
            "the probability of the first class alone",
            "export the probability of the second class, the sigmoid itself",
        ),
        _ => return Ok(()),
    };
    let (name, operator) = answer.origin().clone();
    Err((name, operator, Defect { found: wrong.0.to_owned(), remedy: wrong.1.to_owned() }))
}

fn note(answer: &Answer) -> String {
    let plain = |op: &str| matches!(op, "Identity" | "Cast" | "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze");
    let parts: Vec<String> = answer
        .left_out
        .iter()
        .enumerate()
        .filter(|(k, (_, op))| *k == 0 || !plain(op))
        .map(|(_, (name, operator))| format!("`{name}` ({operator})"))
        .collect();
    let verb = if parts.len() == 1 { "is" } else { "are" };
    format!("{} at the end {verb} left out: the model gives the scores before it", parts.join(", "))
}

/// Makes `value`, its elements in their order, the last layer's output.
fn finish(lowering: &mut Lowering<'_>, value: &Value) -> Checked<()> {
    let settled =
        if value.layout.is_in_order() { value.clone() } else { rearrange::settle(lowering, value, "output.order")? };
    let base = lowering.network.materialise(&settled)?;
    lowering.network.go_to(base);
    Ok(())
}

/// What each output of a node stands for.
fn lower_node<'g>(lowering: &mut Lowering<'g>, node: &'g NodeProto, external: &mut External) -> Checked<Vec<Slot>> {
    let learned = node.domain == sklearn::DOMAIN;
    if !is_standard(&node.domain) && !learned {
        return defect(
            format!("an operator of `{}`", node.domain),
            "export with the operators of ONNX alone, functions inlined",
        );
    }
    let slots: Vec<Option<Slot>> = node.input.iter().map(|name| lowering.slots.get(name.as_str()).cloned()).collect();
    if slots.iter().flatten().any(|s| matches!(s, Slot::Unknown)) {
        // What is wrong with it itself is said all the same.
        return match unsupported_hint(&node.op_type, lowering.producer) {
            Some(remedy) if !learned => defect("an operator that has no counterpart", remedy),
            _ => Ok(vec![Slot::Unknown; node.output.len()]),
        };
    }
    if slots.iter().flatten().all(|s| matches!(s, Slot::Constant(_))) && !learned {
        let inputs: Vec<Option<&Constant>> =
            slots.iter().map(|s| if let Some(Slot::Constant(c)) = s { Some(&**c) } else { None }).collect();
        let constants = fold::fold(node, &inputs, external, &mut lowering.network.budget)?;
        return Ok(constants.into_iter().map(|c| Slot::Constant(Rc::new(c))).collect());
    }
    let inputs = Inputs { node, slots };
    if node.op_type == "Shape" && !inputs.slots.iter().flatten().any(|s| matches!(s, Slot::Answer(_))) {
        return Ok(vec![Slot::Constant(Rc::new(shaping::shape_of(lowering, node, &inputs)?))]);
    }
    if let Some(shares) = behind_scores::less_the_common(node, &inputs) {
        return Ok(vec![shares]);
    }
    if inputs.slots.iter().flatten().any(|s| matches!(s, Slot::Answer(_))) {
        return behind_scores::of_answers(node, &inputs);
    }
    if let Some(answers) = behind_scores::of_scores(lowering, node, &inputs)? {
        return Ok(answers);
    }
    if learned {
        return sklearn::lower(lowering, node, &inputs);
    }
    if node.op_type == "Split" || (fold::moves::is_move(&node.op_type) && node.op_type != "Concat") {
        let shared = node.output.len() > 1;
        let parts = shaping::moved(lowering, node, &inputs)?;
        let parts = parts.into_iter().map(|v| Value { exclusive: v.exclusive && !shared, ..v });
        return parts.map(|v| lowering.materialise_shared(node, v).map(Slot::Value)).collect();
    }
    if let Some(remedy) = unsupported_hint(&node.op_type, lowering.producer)
        .filter(|_| node.op_type != "Clip" || !relu_like(node, &inputs))
    {
        return defect("an operator that has no counterpart", remedy);
    }
    let value = operator(lowering, node, &inputs)?;
    Ok(vec![lowering.materialise_shared(node, value).map(Slot::Value)?])
}

fn relu_like(node: &NodeProto, inputs: &Inputs<'_>) -> bool {
    passing::is_relu(node, inputs).unwrap_or(false)
}

/// What a node computes from the image: an arm per operator.
fn operator<'g>(lowering: &mut Lowering<'g>, node: &'g NodeProto, inputs: &Inputs<'_>) -> Checked<Value> {
    match node.op_type.as_str() {
        "Add" | "Sub" | "Mul" | "Div" | "Pow" | "Neg" | "Sum" | "Mean" => elementwise::lower(lowering, node, inputs),
        "Conv" => convolution::conv(lowering, node, inputs),
        "ConvTranspose" => spread_out::transposed(lowering, node, inputs),
        "AveragePool" => convolution::average_pool(lowering, node, inputs),
        "GlobalAveragePool" => convolution::global_average_pool(lowering, node, inputs),
        "ReduceMean" | "ReduceSum" => reduce::reduce(lowering, node, inputs),
        "Gemm" => dense::gemm(lowering, node, inputs),
        "MatMul" => dense::matmul(lowering, node, inputs),
        "Einsum" => dense::einsum(lowering, node, inputs),
        "BatchNormalization" => dense::batch_norm(lowering, node, inputs),
        "Relu" => relu(lowering, node, inputs),
        "Clip" | "Max" if passing::is_relu(node, inputs)? => relu(lowering, node, inputs),
        "Concat" => concat::concat(lowering, node, inputs),
        "Pad" => shaping::pad(lowering, node, inputs),
        "Resize" | "Upsample" => resize::resize(lowering, node, inputs),
        "Identity" => Ok(inputs.value(0)?.clone()),
        "Cast" => passing::cast(lowering, node, inputs),
        "CastLike" => Ok(inputs.value(0)?.clone()),
        "Dropout" => passing::dropout(lowering, node, inputs),
        _ => defect("an operator that has no counterpart", "build the network from the operators of docs/import.md"),
    }
}

fn relu<'g>(lowering: &mut Lowering<'g>, node: &'g NodeProto, inputs: &Inputs<'_>) -> Checked<Value> {
    let x = lowering.layer_of(node, Some(0), inputs.value(0)?)?;
    let base = lowering.network.activation(x.base, &names::of_layer(node, None), Activation::Relu, x.shape)?;
    Ok(Value { layout: x.layout, ..lowering.fresh(base) })
}
