//! What the lowering of a node may read and write: the graph, the layers so far, and what each name stands for.

use std::collections::HashMap;
use std::rc::Rc;

use beaa_ir::Shape;

use super::constant::Constant;
use super::graph::Graph;
use super::names;
use super::network::{Base, Network, Value};
use super::proto::NodeProto;
use crate::error::{Checked, defect};

/// What a name in the graph stands for.
#[derive(Debug, Clone)]
pub(crate) enum Slot {
    /// Numbers.
    Constant(Rc<Constant>),
    /// What is computed from the image.
    Value(Value),
    /// The result of a node that is not understood.
    Unknown,
}

/// What the lowering of a node may read and write.
pub(crate) struct Lowering<'g> {
    pub(crate) graph: &'g Graph<'g>,
    pub(crate) network: Network,
    pub(crate) slots: HashMap<&'g str, Slot>,
    pub(crate) notes: Vec<String>,
}

impl<'g> Lowering<'g> {
    /// A square that is read more than once becomes a layer, so that what follows starts from it.
    pub(crate) fn settle(&mut self, node: &NodeProto, mut value: Value) -> Checked<Value> {
        let uses = node.output.first().map_or(0, |name| self.graph.uses(name));
        value.label = names::of_layer(node, None);
        value.exclusive &= uses == 1;
        if uses > 1 && value.quadratic.degree() == 2 && value.pads == [0; 4] {
            let base = self.network.materialise(&value)?;
            return Ok(Value { label: value.label, ..Value::plain(base, value.shape) });
        }
        Ok(value)
    }

    /// The layer that `value`, known as input `index` of `node`, is; later readers start from it as well.
    pub(crate) fn layer_of(&mut self, node: &'g NodeProto, index: usize, value: &Value) -> Checked<Value> {
        let base = self.network.materialise(value)?;
        let shape = base.and_then(|b| self.network.shapes.get(b)).copied().unwrap_or(self.network.image);
        let alone = node.input.get(index).is_some_and(|name| self.graph.uses(name) == 1);
        let exclusive = alone && (value.exclusive || base != value.base);
        let plain = Value { exclusive, label: value.label.clone(), ..Value::plain(base, shape) };
        if let Some(name) = node.input.get(index) {
            self.slots.insert(name, Slot::Value(plain.clone()));
        }
        Ok(plain)
    }

    /// Input 0 of `node` as a layer's output, perhaps with zeros around it.
    pub(crate) fn padded_layer(&mut self, node: &'g NodeProto, inputs: &Inputs<'_>) -> Checked<Value> {
        match inputs.value(0)? {
            value if value.pads == [0; 4] => self.layer_of(node, 0, value),
            value => Ok(value.clone()),
        }
    }

    pub(crate) fn shape(&self, base: Base) -> Shape {
        base.and_then(|b| self.network.shapes.get(b)).copied().unwrap_or(self.network.image)
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
