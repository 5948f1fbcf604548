//! The variables of the search: the numbers of a choice that may be changed one step at a time.

use crate::network::graph::NodeId;
use crate::options::{Options, SCALE_BITS};
use crate::plan::graph_summary::{GraphSummary, NodeKind};
use crate::plan::level_plan::PlanChoice;
use crate::plan::weight_bits::MIN_WEIGHT_BITS;

/// One number that may be changed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Variable {
    /// log2 of the input's scale.
    Input,
    /// Bits of a node's weights, of which there are `most` at most.
    Weight { node: NodeId, most: u32 },
    /// log2 of the scale that a node is rescaled to.
    Waterline(NodeId),
}

/// All variables that the options leave free.
pub(crate) fn variables(summary: &GraphSummary, options: &Options) -> Vec<Variable> {
    let mut variables = Vec::new();
    if options.input_bits.is_none() {
        variables.push(Variable::Input);
    }
    for (id, node) in summary.nodes.iter().enumerate() {
        if let NodeKind::Affine { squared, uniform, .. } = node.kind {
            if !uniform && options.weight_bits.is_none() {
                variables.push(Variable::Weight { node: id, most: summary.most_weight_bits() });
            }
            if squared {
                variables.push(Variable::Waterline(id));
            }
        }
    }
    variables
}

/// The choice with one variable changed, unless that leaves its range.
pub(crate) fn stepped(choice: &PlanChoice, variable: Variable, by: i32) -> Option<PlanChoice> {
    let range = match variable {
        Variable::Input | Variable::Waterline(_) => SCALE_BITS,
        Variable::Weight { most, .. } => MIN_WEIGHT_BITS..=most,
    };
    let changed = value(choice, variable).checked_add_signed(by).filter(|v| range.contains(v))?;
    let mut next = choice.clone();
    match variable {
        Variable::Input => next.input_bits = changed,
        Variable::Weight { node, .. } => next.weight_bits[node] = changed,
        Variable::Waterline(id) => next.waterline[id] = changed,
    }
    Some(next)
}

/// What the choice has for a variable.
pub(crate) fn value(choice: &PlanChoice, variable: Variable) -> u32 {
    match variable {
        Variable::Input => choice.input_bits,
        Variable::Weight { node, .. } => choice.weight_bits[node],
        Variable::Waterline(id) => choice.waterline[id],
    }
}
