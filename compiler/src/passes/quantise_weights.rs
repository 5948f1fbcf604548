//! Pass `integers`: real weights become integers, zeros are dropped, biases become integers at the result's scale. Hidden
//! nodes are enlarged so that their largest weight takes all its bits, and each bias makes up for what rounding its row does
//! to the mean input. Must never make a weight that the plan's primes leave no room for.

use beaa_ir::SparseMatrix;

use crate::error::{Result, internal};
use crate::network::activations::Values;
use crate::network::graph::{Graph, NodeId, Op, Term};
use crate::passes::equalise_rows::uniform;
use crate::plan::level_plan::{LevelPlan, PlanChoice, Planned, largest_weight};

/// An affine map in integers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct QuantisedMap {
    /// In the node's order.
    pub(crate) terms: Vec<SparseMatrix>,
    /// What a weight of 1.0 is.
    pub(crate) weight_scale: f64,
    /// At the result's scale.
    pub(crate) bias: Vec<i128>,
}

/// All affine maps in integers, by node.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct QuantisedWeights {
    pub(crate) maps: Vec<Option<QuantisedMap>>,
    /// By how much each node's values are larger than the graph's.
    pub(crate) units: Vec<f64>,
}

/// Rounds every affine map. `means` are those of every node's elements.
pub(crate) fn quantise_weights(
    graph: &Graph,
    choice: &PlanChoice,
    plan: &LevelPlan,
    means: &[Vec<f64>],
) -> Result<QuantisedWeights> {
    let mut all =
        QuantisedWeights { maps: Vec::with_capacity(graph.nodes.len()), units: Vec::with_capacity(graph.nodes.len()) };
    for (id, node) in graph.nodes.iter().enumerate() {
        let (map, unit) = match &node.op {
            Op::Affine { terms, bias } => {
                let (unit, weight_scale) = unit_and_scale(graph, id, terms, choice.weight_bits[id], plan, &all.units)?;
                let map = MapInUnits { terms, bias, unit, weight_scale, units: &all.units };
                (Some(map.round(plan, means)?), unit)
            }
            Op::Square { input, .. } | Op::Quadratic { input, .. } => (None, all.units[*input] * all.units[*input]),
            Op::Input(_) => (None, 1.0),
        };
        all.maps.push(map);
        all.units.push(unit);
    }
    Ok(all)
}

/// Makes the largest weight of a node the largest integer, by its unit if it is hidden, by the weight scale if it is the
/// output. Returns both.
fn unit_and_scale(
    graph: &Graph,
    id: NodeId,
    terms: &[Term],
    bits: u32,
    plan: &LevelPlan,
    units: &[f64],
) -> Result<(f64, f64)> {
    let largest = terms
        .iter()
        .map(|t| t.weights.values().iter().fold(0.0_f64, |l, w| l.max(w.abs())) / units[t.input])
        .fold(0.0, f64::max);
    let top = if uniform(graph, id) { 1.0 } else { largest_weight(bits) };
    if id == graph.output {
        return Ok((1.0, if largest > 0.0 { top / largest } else { 1.0 }));
    }
    let planned = plan.steps.iter().find_map(|s| match s.op {
        Planned::Linear { weight_scale, .. } if s.node == id => Some(weight_scale),
        _ => None,
    });
    let weight_scale = planned.ok_or_else(|| internal("integers", format!("no step for node {id}")))?;
    Ok((if largest > 0.0 { top / (weight_scale * largest) } else { 1.0 }, weight_scale))
}

/// An affine map and the units of what it reads and of what it makes.
struct MapInUnits<'a> {
    terms: &'a [Term],
    bias: &'a [f64],
    unit: f64,
    weight_scale: f64,
    units: &'a [f64],
}

impl MapInUnits<'_> {
    fn round(&self, plan: &LevelPlan, means: &[Vec<f64>]) -> Result<QuantisedMap> {
        let scale = input_scale(plan, self.terms).exp2() * self.weight_scale;
        let mut bias: Vec<f64> = self.bias.iter().map(|b| b * self.unit).collect();
        let mut terms = Vec::with_capacity(self.terms.len());
        for term in self.terms {
            // In the units of the values read and made.
            let factor = self.unit / self.units[term.input];
            let mut rows = Vec::with_capacity(bias.len());
            for (r, bias) in bias.iter_mut().enumerate() {
                let mut row = Vec::with_capacity(term.weights.row(r).len());
                for (c, w) in term.weights.row(r) {
                    let exact = w * factor * self.weight_scale;
                    let integer = exact.round();
                    *bias -= (integer - exact) / self.weight_scale * means[term.input][c] * self.units[term.input];
                    // Weights were fitted to far fewer than 32 bits.
                    if integer != 0.0 {
                        row.push((c as u32, integer as i32));
                    }
                }
                rows.push(row);
            }
            terms.push(SparseMatrix::from_rows(term.weights.columns(), rows)?);
        }
        // An `f64` has 53 bits, far more than the noise leaves of a bias; the integer is exact from there on.
        let bias = bias.iter().map(|b| (b * scale).round() as i128).collect();
        Ok(QuantisedMap { terms, weight_scale: self.weight_scale, bias })
    }
}

/// log2 of the scale at which a sum's inputs meet.
fn input_scale(plan: &LevelPlan, terms: &[Term]) -> f64 {
    terms.iter().map(|t| plan.log_scales[t.input]).fold(0.0, f64::max)
}

/// The mean of every element of every node.
pub(crate) fn means(traces: &[Values]) -> Vec<Vec<f64>> {
    traces.iter().map(|t| (0..t.len()).map(|j| t.mean(j)).collect()).collect()
}
