//! What the lowering of a node reads and writes: the graph, the layers so far, and what each name
//! stands for.

use std::collections::HashMap;
use std::rc::Rc;

use super::answer::Answer;
use super::constant::Constant;
use super::fold::moves::is_move;
use super::graph::Graph;
use super::names;
use super::network::{Base, Network, Value};
use super::producer::Producer;
use super::proto::NodeProto;
use crate::error::{Checked, defect};

/// What a name in the graph stands for.
#[derive(Debug, Clone)]
pub(crate) enum Slot {
    /// Numbers.
    Constant(Rc<Constant>),
    /// What is computed from the image.
    Value(Value),
    /// What is computed from the scores without changing which class is the largest.
    Answer(Answer),
    /// The result of a node that is not understood.
    Unknown,
}

/// The state of an import between two nodes.
pub(crate) struct Lowering<'g> {
    pub(crate) graph: &'g Graph<'g>,
    pub(crate) network: Network,
    pub(crate) slots: HashMap<&'g str, Slot>,
    pub(crate) notes: Vec<String>,
    pub(crate) producer: Producer,
}

impl<'g> Lowering<'g> {
    /// Turns a square that is read more than once into a layer, so that what follows starts from
    /// it.
    pub(crate) fn materialise_shared(&mut self, node: &NodeProto, mut value: Value) -> Checked<Value> {
        let uses = node.output.first().map_or(0, |name| self.graph.uses(name));
        // What only moves a quadratic is not what computes it.
        if !is_move(&node.op_type) || value.quadratic.is_identity() {
            value.label = names::of_layer(node, None);
        }
        value.exclusive &= uses == 1;
        if uses > 1 && value.quadratic.degree() == 2 && value.pads == [0; 4] {
            let base = self.network.materialise(&value)?;
            return Ok(Value { label: value.label, layout: value.layout, ..Value::plain(base, value.shape) });
        }
        Ok(value)
    }

    /// Turns `value` into the output of a layer. If it is input `index` of `node`, later readers of
    /// that input start from the layer as well.
    pub(crate) fn layer_of(&mut self, node: &'g NodeProto, index: Option<usize>, value: &Value) -> Checked<Value> {
        let base = self.network.materialise(value)?;
        let name = index.and_then(|i| node.input.get(i));
        let only_reader = name.is_some_and(|name| self.graph.uses(name) == 1);
        let exclusive = only_reader && (value.exclusive || base != value.base);
        let shape = self.network.shape(base);
        let (layout, label) = (value.layout.clone(), value.label.clone());
        let plain = Value { exclusive, label, layout, ..Value::plain(base, shape) };
        self.remember(node, index, &plain);
        Ok(plain)
    }

    /// Lets later readers of input `index` of `node` start from `value`, which means the same.
    pub(crate) fn remember(&mut self, node: &'g NodeProto, index: Option<usize>, value: &Value) {
        if let Some(name) = index.and_then(|i| node.input.get(i)) {
            self.slots.insert(name, Slot::Value(value.clone()));
        }
    }

    /// The output of the layer `base`, which was appended for this node and has no other reader.
    pub(crate) fn fresh(&self, base: Base) -> Value {
        Value { exclusive: true, ..Value::plain(base, self.network.shape(base)) }
    }
}

/// The inputs of a node.
pub(crate) struct Inputs<'a> {
    pub(crate) node: &'a NodeProto,
    pub(crate) slots: Vec<Option<Slot>>,
}

impl Inputs<'_> {
    /// What is computed from the image.
    pub(crate) fn value(&self, index: usize) -> Checked<&Value> {
        match self.slots.get(index) {
            Some(Some(Slot::Value(value))) => Ok(value),
            _ => defect(format!("input {index}, which does not depend on the image"), "export the network again"),
        }
    }

    /// All that are computed from the image.
    pub(crate) fn values(&self) -> impl Iterator<Item = &Value> {
        self.slots.iter().flatten().filter_map(|s| if let Slot::Value(v) = s { Some(v) } else { None })
    }

    /// Numbers.
    pub(crate) fn constant(&self, index: usize) -> Checked<&Constant> {
        match self.maybe_constant(index)? {
            Some(constant) => Ok(constant),
            None => defect(format!("no input {index}"), "export the network again"),
        }
    }

    /// Numbers, if the input is there.
    pub(crate) fn maybe_constant(&self, index: usize) -> Checked<Option<&Constant>> {
        match self.slots.get(index) {
            None | Some(None) => Ok(None),
            Some(Some(Slot::Constant(constant))) => Ok(Some(constant)),
            Some(Some(_)) => defect(
                format!("input {index} (`{}`) computed from the image", self.node.input.get(index).map_or("", |n| n)),
                "weights and settings must be constants",
            ),
        }
    }
}
