//! Pass `integers`: real weights become integers, zeros are dropped, biases become integers at the result's scale. Hidden
//! rows are first enlarged so that the largest weight takes all its bits. Must never make a weight that the plan's primes
//! leave no room for.

use beaa_ir::SparseMatrix;

use crate::balance::uniform;
use crate::bounds::{Stats, analyse_node};
use crate::error::{Result, internal};
use crate::graph::{Graph, NodeId, Op, Term};
use crate::levels::{Choice, Plan, Planned, largest_weight};

/// An affine map in integers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rounded {
    /// In the node's order.
    pub(crate) terms: Vec<SparseMatrix>,
    /// What a weight of 1.0 is.
    pub(crate) weight_scale: f64,
    /// At the result's scale.
    pub(crate) bias: Vec<i128>,
    /// Per row, the variance that rounding of weights and bias adds to the value.
    pub(crate) error: Vec<f64>,
}

/// Rounds every affine map of `graph`, whose hidden rows it rescales on the way; returns them by node, with the statistics
/// of the rescaled graph.
pub(crate) fn round(
    graph: &mut Graph,
    choice: &Choice,
    plan: &Plan,
    safety: f64,
) -> Result<(Vec<Option<Rounded>>, Vec<Stats>)> {
    let mut rounded = Vec::with_capacity(graph.nodes.len());
    let mut stats: Vec<Stats> = Vec::with_capacity(graph.nodes.len());
    for id in 0..graph.nodes.len() {
        let scale = fit(graph, id, choice.weight_bits[id], plan)?;
        rounded.push(match &graph.nodes[id].op {
            Op::Affine { terms, bias } => Some(integers_of(terms, bias, scale, plan, &stats)?),
            _ => None,
        });
        let own = analyse_node(graph, id, &stats, safety);
        stats.push(own);
    }
    Ok((rounded, stats))
}

/// Makes the largest weight of a node the largest integer, by its rows' units if it is hidden, by the weight scale if it is
/// the output. Returns the weight scale.
fn fit(graph: &mut Graph, id: NodeId, bits: u32, plan: &Plan) -> Result<f64> {
    let exact = uniform(graph, id);
    let Op::Affine { terms, bias } = &graph.nodes[id].op else { return Ok(1.0) };
    let largest = terms.iter().flat_map(|t| t.weights.values()).map(|w| w.abs()).fold(0.0, f64::max);
    let rows = bias.len();
    let top = if exact { 1.0 } else { largest_weight(bits) };
    if id == graph.output {
        return Ok(if largest > 0.0 { top / largest } else { 1.0 });
    }
    let planned = plan.steps.iter().find_map(|s| match s.op {
        Planned::Linear { weight_scale, .. } if s.node == id => Some(weight_scale),
        _ => None,
    });
    let weight_scale = planned.ok_or_else(|| internal("integers", format!("no step for node {id}")))?;
    if largest > 0.0 {
        graph.rescale(id, &vec![top / (weight_scale * largest); rows]);
    }
    Ok(weight_scale)
}

fn integers_of(terms: &[Term], bias: &[f64], weight_scale: f64, plan: &Plan, stats: &[Stats]) -> Result<Rounded> {
    let scale = input_scale(plan, terms).exp2() * weight_scale;
    // An `f64` has 53 bits, far more than the noise leaves of a bias; the integer is exact from there on.
    let integers: Vec<i128> = bias.iter().map(|b| (b * scale).round() as i128).collect();
    Ok(Rounded {
        error: errors(terms, bias, &integers, scale, weight_scale, stats),
        terms: terms.iter().map(|t| matrix(t, weight_scale)).collect::<Result<_>>()?,
        bias: integers,
        weight_scale,
    })
}

/// log2 of the scale at which a sum's inputs meet.
fn input_scale(plan: &Plan, terms: &[Term]) -> f64 {
    terms.iter().map(|t| plan.log_scales[t.input]).fold(0.0, f64::max)
}

fn matrix(term: &Term, weight_scale: f64) -> Result<SparseMatrix> {
    let rows = (0..term.weights.rows()).map(|r| {
        // Weights were fitted to far fewer than 32 bits.
        term.weights.row(r).map(|(c, w)| (c as u32, (w * weight_scale).round() as i32)).filter(|e| e.1 != 0).collect()
    });
    Ok(SparseMatrix::from_rows(term.weights.columns(), rows.collect())?)
}

fn errors(terms: &[Term], bias: &[f64], integers: &[i128], scale: f64, weight_scale: f64, stats: &[Stats]) -> Vec<f64> {
    let mut errors: Vec<f64> = bias.iter().zip(integers).map(|(b, &i)| (i as f64 / scale - b).powi(2)).collect();
    for term in terms {
        let from = &stats[term.input];
        for (r, error) in errors.iter_mut().enumerate() {
            for (c, w) in term.weights.row(r) {
                let off = (w * weight_scale).round() / weight_scale - w;
                *error += off * off * from.power(c);
            }
        }
    }
    errors
}
