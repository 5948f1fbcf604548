//! Runs the rounded network on the sample, without noise and with noise of the size that the scheme
//! makes at every step, and compares: what rounding and what encryption do to every layer, all
//! dependences included.

use beaa_ckks::noise::DiagonalMap;
use beaa_ir::Classes;
use beaa_ir::ckks::StepOp;
use beaa_ir::images::ElementMajor;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::network::activations::{add_product, constant, squared};
use crate::network::graph::{Graph, NodeId};
use crate::network::margins::top1_margin;
use crate::packing::mean_square;
use crate::passes::quantise_weights::{QuantisedMap, QuantisedWeights};
use crate::plan::level_plan::{LevelPlan, PlannedStep};
use crate::plan::noise;

/// Of the noise in the images that a plan is chosen with.
const FIRST_SEED: u64 = 2;

/// Root mean squares over the elements of a value and over images, in the value's own units
/// (integer over scale).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Deviation {
    /// Encryption, rescaling, key switching.
    pub(crate) encryption: f64,
    /// Rounding of weights, against the model.
    pub(crate) rounding: f64,
}

impl Deviation {
    /// The larger of both kinds of error.
    pub(crate) fn larger(self, other: Self) -> Self {
        let larger = |a: f64, b: f64| if b > a || b.is_nan() { b } else { a };
        Self { encryption: larger(self.encryption, other.encryption), rounding: larger(self.rounding, other.rounding) }
    }
}

/// What is predicted of a program.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Prediction {
    /// Of every node's value.
    pub(crate) nodes: Vec<Deviation>,
    /// Of the outputs, against the model.
    pub(crate) output: f64,
    /// What each simulated image loses of its margin.
    pub(crate) margin_losses: Vec<MarginLoss>,
}

/// What errors do to one image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct MarginLoss {
    /// Its exact class.
    pub(crate) class: usize,
    /// How much of the distance from the next class is lost.
    pub(crate) margin: f64,
}

/// A value as it is on the way: without and with noise, log2 of its scale, and its limbs.
#[derive(Clone)]
struct SimulatedValue {
    clean: ElementMajor<f64>,
    noisy: ElementMajor<f64>,
    /// Elements that depend on the input: a constant is encrypted as itself, and stays it.
    input_dependent: Vec<bool>,
    log_scale: f64,
    limbs: usize,
    components: usize,
}

/// A network on the images that it is simulated on.
pub(crate) struct SimulatedNetwork<'a> {
    pub(crate) graph: &'a Graph,
    /// What its outputs say.
    pub(crate) classes: &'a Classes,
    /// The exact values of every node.
    pub(crate) activations: &'a [ElementMajor<f64>],
    /// Rounding errors are taken so many times.
    pub(crate) rounding_margin: f64,
}

/// Simulates a plan.
pub(crate) fn simulate_noise(
    network: &SimulatedNetwork<'_>,
    quantised: &QuantisedWeights,
    plan: &LevelPlan,
) -> Prediction {
    let &SimulatedNetwork { graph, classes, activations, rounding_margin } = network;
    let mut prediction =
        Prediction { nodes: vec![Deviation::default(); activations.len()], output: 0.0, margin_losses: Vec::new() };
    walk(quantised, plan, &activations[0], FIRST_SEED, |node, value| {
        let mut found = compare(value, &activations[node], quantised.units[node]);
        found.rounding *= rounding_margin;
        if node == graph.output {
            prediction.output = found.encryption.hypot(found.rounding);
            prediction.margin_losses = margin_losses(classes, &value.noisy, &activations[node]);
        }
        prediction.nodes[node] = found;
    });
    prediction
}

/// Simulates a plan on images that come `repeats` times each, one after the other: of every node,
/// the largest deviation of any image.
pub(crate) fn simulate_each(
    graph: &Graph,
    quantised: &QuantisedWeights,
    plan: &LevelPlan,
    activations: &[ElementMajor<f64>],
    repeats: usize,
) -> Vec<Deviation> {
    assert_eq!(activations.len(), graph.nodes.len(), "values of all nodes");
    let mut worst = vec![Deviation::default(); activations.len()];
    walk(quantised, plan, &activations[0], FIRST_SEED, |node, value| {
        worst[node] = compare_each(value, &activations[node], quantised.units[node], repeats);
    });
    worst
}

/// The outputs that a plan gives to some images, in the model's units; another `seed` is other
/// noise.
pub(crate) fn simulate_outputs(
    graph: &Graph,
    quantised: &QuantisedWeights,
    plan: &LevelPlan,
    input: &ElementMajor<f64>,
    seed: u64,
) -> ElementMajor<f64> {
    let mut outputs = None;
    walk(quantised, plan, input, seed, |node, value| {
        if node == graph.output {
            outputs = Some(value.noisy.clone());
        }
    });
    outputs.unwrap_or_else(|| unreachable!("a plan without the network's output"))
}

/// Runs a plan on some images, and shows every node's value.
fn walk(
    quantised: &QuantisedWeights,
    plan: &LevelPlan,
    input: &ElementMajor<f64>,
    seed: u64,
    mut show: impl FnMut(usize, &SimulatedValue),
) {
    let mut first = SimulatedValue {
        clean: input.clone(),
        noisy: input.clone(),
        input_dependent: vec![true; input.elements()],
        log_scale: f64::from(plan.choice.input_bits),
        limbs: plan.moduli.len(),
        components: 2,
    };
    let mut simulation = Simulation {
        plan,
        quantised,
        last_use: last_uses(plan),
        values: vec![None; plan.steps.len() + 1],
        rng: ChaCha8Rng::seed_from_u64(seed),
    };
    let mut record = |id: usize, value: &SimulatedValue| {
        (0..plan.values.len()).filter(|&node| plan.values[node] == id).for_each(|node| show(node, value));
    };
    add_noise(&mut first, noise::fresh(plan.degree), &mut simulation.rng);
    record(0, &first);
    simulation.values[0] = Some(first);
    for index in 0..plan.steps.len() {
        let value = simulation.step(index);
        record(index + 1, &value);
        simulation.values[index + 1] = Some(value);
    }
}

/// The last step that reads each value, counted from 1 as the steps' results are.
fn last_uses(plan: &LevelPlan) -> Vec<usize> {
    let mut last = vec![0; plan.steps.len() + 1];
    for (i, step) in plan.steps.iter().enumerate() {
        step.op.inputs().for_each(|v| last[v] = i + 1);
    }
    last
}

/// The values that are still needed, by number.
struct Simulation<'a> {
    plan: &'a LevelPlan,
    quantised: &'a QuantisedWeights,
    last_use: Vec<usize>,
    values: Vec<Option<SimulatedValue>>,
    rng: ChaCha8Rng,
}

impl Simulation<'_> {
    /// The result of a step; values that it reads last are dropped.
    fn step(&mut self, index: usize) -> SimulatedValue {
        let (plan, result) = (self.plan, index + 1);
        let PlannedStep { node, op } = &plan.steps[index];
        let inputs: Vec<usize> = op.inputs().collect();
        let mut value = if matches!(op, StepOp::Linear { .. }) {
            let map = self.quantised.maps[*node].as_ref();
            self.linear(map.unwrap_or_else(|| unreachable!("node {node} is linear but has no integers")), &inputs)
        } else if self.last_use[inputs[0]] == result {
            // A value that nobody reads later is changed in place.
            self.values[inputs[0]].take().unwrap_or_else(|| gone(inputs[0]))
        } else {
            self.value(inputs[0]).clone()
        };
        match op {
            StepOp::Linear { .. } => {
                if let Some(map) = self.rotations(*node, &inputs) {
                    let present = &plan.moduli[..value.limbs];
                    let variance = noise::multiply(plan.degree, present, &plan.special, &map);
                    add_noise(&mut value, variance, &mut self.rng);
                }
            }
            StepOp::Square { .. } => {
                value.clean = squared(&value.clean);
                value.noisy = squared(&value.noisy);
                value.log_scale *= 2.0;
                value.components = 3;
            }
            StepOp::Relinearise { .. } => {
                let present = &plan.moduli[..value.limbs];
                let variance = noise::relinearise(plan.degree, present, &plan.special);
                add_noise(&mut value, variance, &mut self.rng);
                value.components = 2;
            }
            StepOp::Rescale { .. } => {
                value.limbs -= 1;
                value.log_scale -= (plan.moduli[value.limbs] as f64).log2();
                let variance = noise::rescale(plan.degree, value.components);
                add_noise(&mut value, variance, &mut self.rng);
                round_constants(&mut value);
            }
            StepOp::ScaleUp { factor, .. } => value.log_scale += (*factor as f64).log2(),
            StepOp::DropLimbs { limbs, .. } => value.limbs = *limbs,
        }
        for input in inputs.into_iter().filter(|&i| self.last_use[i] == result) {
            self.values[input] = None;
        }
        value
    }

    fn value(&self, id: usize) -> &SimulatedValue {
        self.values[id].as_ref().unwrap_or_else(|| gone(id))
    }

    /// What the noise of a linear map by rotations depends on, in integers.
    fn rotations(&self, node: NodeId, inputs: &[usize]) -> Option<DiagonalMap> {
        let packed = self.plan.packed.as_ref()?;
        let map = self.quantised.maps[node].as_ref()?;
        let weights = map.terms.iter().flat_map(|t| (0..t.rows()).flat_map(|r| t.row(r).1));
        let weights: f64 = weights.map(|&w| f64::from(w).powi(2)).sum();
        let squares = inputs.iter().map(|&input| {
            let value = self.value(input);
            mean_square(&value.noisy) * (2.0 * value.log_scale).exp2()
        });
        Some(packed.noise(node, weights, &squares.collect::<Vec<_>>()))
    }

    fn linear(&self, map: &QuantisedMap, inputs: &[usize]) -> SimulatedValue {
        let head = self.value(inputs[0]);
        let log_scale = head.log_scale + map.weight_scale.log2();
        let unit = (-log_scale).exp2();
        let bias: Vec<f64> = map.bias.iter().map(|&b| b as f64 * unit).collect();
        let mut clean = constant(&bias, head.clean.images());
        let mut noisy = clean.clone();
        let mut input_dependent = vec![false; bias.len()];
        let mut components = head.components;
        for (matrix, &input) in map.terms.iter().zip(inputs) {
            let from = self.value(input);
            components = components.max(from.components);
            let row = |r: usize| {
                let (columns, weights) = matrix.row(r);
                columns.iter().zip(weights).map(|(&c, &w)| (c as usize, f64::from(w) / map.weight_scale))
            };
            for (r, depends) in input_dependent.iter_mut().enumerate() {
                *depends |= matrix.row(r).0.iter().any(|&c| from.input_dependent[c as usize]);
            }
            add_product(&mut clean, row, &from.clean);
            add_product(&mut noisy, row, &from.noisy);
        }
        SimulatedValue { clean, noisy, input_dependent, log_scale, limbs: head.limbs, components }
    }
}

fn gone(id: usize) -> ! {
    unreachable!("value {id} is read after its last use")
}

fn add_noise(value: &mut SimulatedValue, variance: f64, rng: &mut ChaCha8Rng) {
    let deviation = variance.sqrt() * (-value.log_scale).exp2();
    let rows = value.noisy.rows_mut().zip(&value.input_dependent).filter(|(_, input_dependent)| **input_dependent);
    rows.flat_map(|(row, _)| row).for_each(|v| *v += deviation * normal(rng));
}

/// Dividing a constant by a prime leaves a whole number, too.
fn round_constants(value: &mut SimulatedValue) {
    let scale = value.log_scale.exp2();
    let rows = value.noisy.rows_mut().zip(&value.input_dependent).filter(|(_, input_dependent)| !**input_dependent);
    rows.flat_map(|(row, _)| row).for_each(|v| *v = (*v * scale).round() / scale);
}

/// Nearly normal, of variance 1: the sum of four uniform numbers.
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let bits = rng.next_u64();
    let sum: u64 = (0..4).map(|k| (bits >> (16 * k)) & 0xffff).sum();
    (sum as f64 - 2.0 * 65535.0) / (65536.0 * (1.0_f64 / 3.0).sqrt())
}

fn compare(value: &SimulatedValue, exact: &ElementMajor<f64>, unit: f64) -> Deviation {
    let rms = |squares: f64| (squares / exact.data().len().max(1) as f64).sqrt();
    let (clean, noisy) = (value.clean.data(), value.noisy.data());
    Deviation {
        encryption: rms(noisy.iter().zip(clean).map(|(n, c)| (n - c).powi(2)).sum()),
        rounding: rms(clean.iter().zip(exact.data()).map(|(c, e)| (c - e * unit).powi(2)).sum()),
    }
}

/// The largest deviation of any image, each of which comes `repeats` times in a row.
fn compare_each(value: &SimulatedValue, exact: &ElementMajor<f64>, unit: f64, repeats: usize) -> Deviation {
    let images = exact.images() / repeats;
    let mut squares = vec![Deviation::default(); images];
    for ((noisy, clean), exact) in value.noisy.rows().zip(value.clean.rows()).zip(exact.rows()) {
        for (i, ((n, c), e)) in noisy.iter().zip(clean).zip(exact).enumerate() {
            let sum = &mut squares[i / repeats];
            sum.encryption += (n - c).powi(2);
            sum.rounding += (c - e * unit).powi(2);
        }
    }
    let count = (exact.elements() * repeats).max(1) as f64;
    let rms =
        |s: Deviation| Deviation { encryption: (s.encryption / count).sqrt(), rounding: (s.rounding / count).sqrt() };
    squares.into_iter().map(rms).fold(Deviation::default(), Deviation::larger)
}

/// What every image loses of the distance of its class from the next: noise in a quadratic does not
/// only spread it but shifts it, and for some classes more than for others.
fn margin_losses(classes: &Classes, noisy: &ElementMajor<f64>, exact: &ElementMajor<f64>) -> Vec<MarginLoss> {
    let column = |values: &ElementMajor<f64>, s: usize| values.rows().map(|r| r[s]).collect::<Vec<f64>>();
    let of = |s: usize| {
        let (class, exact) = top1_margin(classes, &column(exact, s))?;
        Some(MarginLoss { class, margin: exact - classes.margin(&column(noisy, s), class)? })
    };
    (0..exact.images()).filter_map(of).collect()
}
