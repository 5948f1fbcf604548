//! Networks whose values no modulus holds, and why: a range that nobody has measured, or weights
//! that overflow. Said of the first such layer, before anything is planned.

use beaa_ir::images::ElementMajor;

use crate::network::bounds::Bounds;
use crate::network::graph::{Graph, NodeId, Op};
use crate::{Error, Result};

/// log2 of the largest bound that is looked at any further: no modulus leaves its values a digit.
const MAX_LOG_BOUND: f64 = 256.0;

/// Bits by which a bound is beyond a layer's values at least where its missing range is blamed.
const MIN_EXCESS_BITS: f64 = 4.0;

/// Refuses a network with values that no modulus holds. `measured` says whether ranges were taken
/// from samples.
///
/// # Errors
/// [`Error::UnknownRange`] with the first such layer, or [`Error::Overflow`] where its range is
/// measured.
pub(crate) fn check_known(graph: &Graph, bounds: &[Bounds], measured: bool) -> Result<()> {
    let Some(id) = bounds.iter().position(|b| !b.within(MAX_LOG_BOUND.exp2())) else { return Ok(()) };
    let layer = graph.nodes[id].label.clone();
    let largest = match bounds[id].largest().log2() {
        log if log.is_finite() && log <= 1023.0 => format!("as large as 2^{log:.0}"),
        _ => "beyond double precision".to_owned(),
    };
    if measured {
        let operation = "bounding values by the samples".to_owned();
        return Err(Error::Overflow { operation, found: format!("values {largest}"), layer });
    }
    Err(Error::UnknownRange { layer, found: format!("for some of the allowed images its values can be {largest}") })
}

/// What a search without a plan is reported as: where activations have no range, and bounds are so
/// much wider than values on made-up images that this explains it, the range that is missing.
pub(crate) fn missing_range(
    error: Error,
    graph: &Graph,
    bounds: &[Bounds],
    activations: &[ElementMajor<f64>],
) -> Error {
    // How many bits the best plan lacks; none where none has a scale for outputs as large as these.
    let lacking = match &error {
        Error::Precision { best, requested, .. } => best.is_finite().then(|| (best / requested).log2()),
        Error::Parameters { needed, allowed, .. } => Some(f64::from(*needed) - f64::from(*allowed)),
        _ => return error,
    };
    let without_a_range = |error: Error| match lacking {
        Some(_) => error,
        None => Error::Overflow {
            operation: "choosing scales".to_owned(),
            found: "values so large that no scale holds them".to_owned(),
            layer: graph.nodes[graph.output].label.clone(),
        },
    };
    // Of each activation's input without a range, by how many bits its bound is beyond its values.
    let excess = |id: NodeId| {
        let seen = activations[id].data().iter().fold(f64::MIN_POSITIVE, |l, v| l.max(v.abs()));
        (bounds[id].largest() / seen).log2().max(0.0)
    };
    let unknown: Vec<(NodeId, f64)> = graph
        .nodes
        .iter()
        .filter_map(|n| if let Op::Square { input, .. } = n.op { Some(input) } else { None })
        .filter(|&id| id != 0 && graph.nodes[id].observed_range.is_none())
        .map(|id| (id, excess(id)))
        .collect();
    let Some(&(id, bits)) = unknown.iter().max_by(|a, b| a.1.total_cmp(&b.1)) else {
        return without_a_range(error);
    };
    // Each of these bits is lost once for the scale, and once more in the square.
    let explained = 2.0 * unknown.iter().map(|u| u.1).sum::<f64>();
    if bits < MIN_EXCESS_BITS || lacking.is_some_and(|lacking| explained < lacking) {
        return without_a_range(error);
    }
    let because = if lacking.is_some() { format!(" ({error})") } else { String::new() };
    Error::UnknownRange {
        layer: graph.nodes[id].label.clone(),
        found: format!(
            "for some of the allowed images its values can be 2^{bits:.0} times as large as on ordinary ones, and no \
             parameters carry both{because}"
        ),
    }
}

/// Refuses a network whose values overflow on the images that its nodes have these values for;
/// `images` names them.
///
/// # Errors
/// [`Error::Overflow`] with the first such layer.
pub(crate) fn check_finite(graph: &Graph, activations: &[ElementMajor<f64>], images: &str) -> Result<()> {
    for (node, values) in graph.nodes.iter().zip(activations) {
        if let Some(found) = values.data().iter().find(|v| !v.is_finite()) {
            let operation = format!("evaluating the network on {images}");
            return Err(Error::Overflow { operation, found: format!("a value of {found}"), layer: node.label.clone() });
        }
    }
    Ok(())
}
