//! Real weights become integers, zeros are dropped, biases become integers at the result's scale.
//! Hidden nodes are enlarged so that their largest weight takes all its bits, and each bias makes
//! up for what rounding its row does to the mean input. No weight has more bits than the plan gave
//! it.

use beaa_ir::SparseMatrix;
use beaa_ir::ckks::StepOp;

use crate::error::Result;
use crate::network::graph::{Graph, Node, NodeId, Op, Term};
use crate::network::matrix::Matrix;
use crate::plan::level_plan::LevelPlan;
use crate::plan::weight_bits::largest_weight;

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

/// Rounds every affine map. `means` are those of every node's elements, [node][element].
///
/// # Errors
/// [`Error::Program`](crate::Error::Program) for a matrix that no program can hold.
pub(crate) fn quantise_weights(graph: &Graph, plan: &LevelPlan, means: &[Vec<f64>]) -> Result<QuantisedWeights> {
    let mut all =
        QuantisedWeights { maps: Vec::with_capacity(graph.nodes.len()), units: Vec::with_capacity(graph.nodes.len()) };
    for (id, node) in graph.nodes.iter().enumerate() {
        let (map, unit) = match &node.op {
            Op::Affine { terms, bias } => {
                let (unit, weight_scale) = unit_and_scale(graph, id, terms, plan, &all.units);
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

/// Makes the largest weight of a node the largest integer, by its unit if it is hidden, by the
/// weight scale if it is the output. Returns both.
fn unit_and_scale(graph: &Graph, id: NodeId, terms: &[Term], plan: &LevelPlan, units: &[f64]) -> (f64, f64) {
    let largest = terms
        .iter()
        .map(|t| t.weights.values().iter().fold(0.0_f64, |l, w| l.max(w.abs())) / units[t.input])
        .fold(0.0, f64::max);
    let top = if plan.is_exact(graph, id) { 1.0 } else { largest_weight(plan.choice.weight_bits[id]) };
    if id == graph.output {
        return (1.0, if largest > 0.0 { top / largest } else { 1.0 });
    }
    let planned = plan.steps.iter().find_map(|s| match s.op {
        StepOp::Linear { weight_scale, .. } if s.node == id => Some(weight_scale),
        _ => None,
    });
    let weight_scale = planned.unwrap_or_else(|| unreachable!("the plan has no linear step for node {id}"));
    (if largest > 0.0 { top / (weight_scale * largest) } else { 1.0 }, weight_scale)
}

/// An affine map and the units of what it reads and of its result.
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
            // In the units of the values read and computed.
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
        // An `f64` has 53 bits, far more than the noise leaves of a bias; the integer is exact from
        // there on.
        let bias = bias.iter().map(|b| (b * scale).round() as i128).collect();
        Ok(QuantisedMap { terms, weight_scale: self.weight_scale, bias })
    }
}

/// The network that the integers stand for, in the units of the program's values.
pub(crate) fn dequantised(graph: &Graph, quantised: &QuantisedWeights, plan: &LevelPlan) -> Graph {
    let real = |w: &SparseMatrix, weight_scale: f64| {
        let mut m = Matrix::with_columns(w.columns());
        for r in 0..w.rows() {
            let (columns, weights) = w.row(r);
            m.push_row(columns.iter().zip(weights).map(|(&c, &w)| (c as usize, f64::from(w) / weight_scale)));
        }
        m
    };
    let node = |(node, map): (&Node, &Option<QuantisedMap>)| {
        let op = match (&node.op, map) {
            (Op::Affine { terms, .. }, Some(map)) => {
                let scale = input_scale(plan, terms).exp2() * map.weight_scale;
                let weights = terms.iter().zip(&map.terms);
                Op::Affine {
                    terms: weights.map(|(t, w)| Term { input: t.input, weights: real(w, map.weight_scale) }).collect(),
                    bias: map.bias.iter().map(|&b| b as f64 / scale).collect(),
                }
            }
            (op, _) => op.clone(),
        };
        Node { op, observed_range: None, ..node.clone() }
    };
    Graph { nodes: graph.nodes.iter().zip(&quantised.maps).map(node).collect(), output: graph.output }
}

/// log2 of the scale at which a sum's inputs meet.
fn input_scale(plan: &LevelPlan, terms: &[Term]) -> f64 {
    terms.iter().map(|t| plan.log_scales[t.input]).fold(0.0, f64::max)
}
