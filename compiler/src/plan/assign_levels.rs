//! Walks a graph's summary with one choice of bits and says which operations run at which scale and
//! limbs, which primes that takes, what it costs and how large the error gets. The one account of
//! all that: searching, emitting and simulating read it. No value of a plan can outgrow its
//! modulus.
//!
//! Scales of hidden maps are exact powers of two at rest: a weight scale absorbs how far primes are
//! from powers of two, so that values of different depth can be brought to one scale by an exact
//! integer.

use std::sync::Arc;

use beaa_ckks::noise::DiagonalMap;
use beaa_ckks::primes::MAX_BITS;
use beaa_ir::ckks::{LinearTerm, StepOp, ValueId};
use beaa_ir::stats::log2_product;

use crate::cost::ops::{Boundary, OpContext, SizedOp, seconds};
use crate::network::graph::NodeId;
use crate::plan::graph_summary::{GraphSummary, NodeKind, TermSummary};
use crate::plan::level_plan::{Answer, LevelPlan, PlanChoice, PlannedStep};
use crate::plan::noise;
use crate::plan::primes::{Picker, PrimeTable, min_bits, split};
use crate::plan::weight_bits::{MIN_WEIGHT_BITS, largest_weight};

/// A residue's and a weight's bits must fit a product of the fast kernel together.
const KERNEL_BITS: u32 = 52;
/// Bits of weights that are 1 or -1.
const MIN_BITS_OF_WEIGHTS: u32 = 2;
/// log2 of the least scale of a value.
const MIN_LOG_SCALE: f64 = 1.0;
/// Least deviation of the coefficients of constants: far enough from 0 for rounding to be noise.
const LEAST_COEFFICIENT: f64 = 0.5;
/// By so much the special primes exceed digits that what they leave of the noise of switching keys
/// is small beside that of the division.
const SPECIAL_MARGIN_BITS: f64 = 5.0;
/// Values of both signs need one bit more than their bound, and one is kept free.
const BOUND_MARGIN_BITS: f64 = 2.0;

/// The plan of a choice, or `None` when there are no primes for it or its outputs have no
/// scale. Security is the caller's to judge.
pub(crate) fn assign_levels(
    summary: &GraphSummary,
    choice: PlanChoice,
    primes: &PrimeTable,
    allowed: u32,
) -> Option<LevelPlan> {
    let mut walk = Walk::new(summary, &choice, primes);
    let mut states: Vec<ValueState> = Vec::with_capacity(summary.nodes.len());
    for id in 0..summary.nodes.len() {
        let state = walk.node(id, &states)?;
        states.push(state);
    }
    let moduli = walk.moduli()?;
    let special = walk.special(&moduli, allowed)?;
    if !walk.multiplies_fast(&moduli) {
        return None;
    }
    let Walk { mut steps, events, log_units, .. } = walk;
    for step in &mut steps {
        if let StepOp::DropLimbs { limbs, .. } = &mut step.op {
            *limbs = moduli.len() - *limbs;
        }
    }
    let context =
        |dropped: usize| OpContext { degree: primes.degree, limbs: moduli.len() - dropped, special: special.len() };
    let chain = Chain { degree: primes.degree, moduli: &moduli, special: &special };
    Some(LevelPlan {
        degree: primes.degree,
        seconds: events.iter().map(|e| seconds(e.sized, context(e.dropped))).sum(),
        variance: variance(summary, &choice, &events, &log_units, chain),
        log_qp: log2_product(moduli.iter().chain(&special)),
        values: states.iter().map(|s| s.value).collect(),
        log_scales: states.iter().map(|s| s.log_scale).collect(),
        steps,
        output: (moduli.len() - states[summary.output].dropped, states[summary.output].components),
        moduli,
        special,
        choice,
        packed: summary.packed.as_ref().map(|p| Arc::clone(&p.graph)),
    })
}

/// The widest primes that the fast kernel takes with the weights of these nodes.
fn widest_prime(summary: &GraphSummary, choice: &PlanChoice, nodes: std::ops::RangeInclusive<NodeId>) -> u32 {
    let bits = nodes.map(|id| weight_bits(summary, choice, id)).max().unwrap_or(MIN_BITS_OF_WEIGHTS);
    (KERNEL_BITS - bits).min(MAX_BITS)
}

/// The bits of a node's weights, as far as they bound primes.
fn weight_bits(summary: &GraphSummary, choice: &PlanChoice, id: NodeId) -> u32 {
    match summary.nodes[id].kind {
        // Constants of packed maps are residues themselves.
        NodeKind::Affine { uniform: false, .. } if summary.packed.is_none() => choice.weight_bits[id],
        _ => MIN_BITS_OF_WEIGHTS,
    }
}

/// Where a node's value stands.
#[derive(Debug, Clone, Copy)]
struct ValueState {
    value: ValueId,
    dropped: usize,
    log_scale: f64,
    components: usize,
}

/// What happens at some depth of the chain, before the number of primes is known.
#[derive(Debug, Clone, Copy)]
struct Event {
    node: NodeId,
    dropped: usize,
    sized: SizedOp,
    /// log2 of the scale of the result.
    log_scale: f64,
    /// What the noise of a map by rotations depends on.
    rotations: Option<DiagonalMap>,
}

struct Walk<'a> {
    summary: &'a GraphSummary,
    choice: &'a PlanChoice,
    degree: usize,
    narrowest: u32,
    widest: u32,
    picker: Picker<'a>,
    steps: Vec<PlannedStep>,
    events: Vec<Event>,
    /// Primes in the order in which they are dropped.
    dropped: Vec<u64>,
    /// By how much rounding will enlarge a node's values, log2, so that its largest weight is the
    /// largest integer although scales are powers of two and primes are not.
    log_units: Vec<f64>,
    /// `(node, primes dropped, log2 of the scale)` of every value that must fit.
    needs: Vec<(NodeId, usize, f64)>,
}

impl<'a> Walk<'a> {
    fn new(summary: &'a GraphSummary, choice: &'a PlanChoice, primes: &'a PrimeTable) -> Self {
        Self {
            summary,
            choice,
            degree: primes.degree,
            narrowest: min_bits(primes.degree),
            widest: widest_prime(summary, choice, 0..=summary.nodes.len() - 1),
            picker: primes.picker(),
            steps: Vec::new(),
            events: Vec::new(),
            dropped: Vec::new(),
            log_units: vec![0.0; summary.nodes.len()],
            needs: Vec::new(),
        }
    }

    fn node(&mut self, id: NodeId, states: &[ValueState]) -> Option<ValueState> {
        let summary = self.summary;
        match &summary.nodes[id].kind {
            NodeKind::Input => {
                let state =
                    ValueState { value: 0, dropped: 0, log_scale: f64::from(self.choice.input_bits), components: 2 };
                self.need(id, state);
                Some(state)
            }
            NodeKind::Square { input } => {
                let from = states[*input];
                let sized = SizedOp::Square { len: summary.ciphertexts(id) };
                let mut state = ValueState { log_scale: 2.0 * from.log_scale, components: 3, ..from };
                self.log_units[id] = 2.0 * self.log_units[*input];
                self.push(id, &mut state, StepOp::Square { input: from.value }, sized);
                if self.choice.relinearise_eagerly[id] {
                    self.relinearise(id, &mut state);
                }
                Some(state)
            }
            NodeKind::Affine { terms, squared, uniform, .. } => {
                let mut state = self.linear(id, terms, states, *uniform)?;
                if *squared {
                    if state.components == 3 {
                        self.relinearise(id, &mut state);
                    }
                    let correction = self.rescale(id, &mut state, self.choice.waterline[id])?;
                    self.absorb(id, correction);
                } else if id == summary.output {
                    self.answer(id, &mut state)?;
                }
                Some(state)
            }
        }
    }

    fn linear(
        &mut self,
        id: NodeId,
        terms: &[TermSummary],
        states: &[ValueState],
        uniform: bool,
    ) -> Option<ValueState> {
        let dropped = terms.iter().map(|t| states[t.input].dropped).max().unwrap_or(0);
        let target = terms.iter().map(|t| states[t.input].log_scale).fold(0.0, f64::max);
        let (mut planned, mut products, mut components, mut largest) = (Vec::with_capacity(terms.len()), 0, 2, 0.0_f64);
        for term in terms {
            let from = self.align(term.input, states[term.input], dropped, target)?;
            planned.push(LinearTerm { input: from.value, weights: () });
            products += term.entries * from.components;
            components = components.max(from.components);
            largest = largest.max(term.largest * (-self.log_units[term.input]).exp2());
        }
        let top = if uniform { 1.0 } else { largest_weight(self.choice.weight_bits[id]) };
        let mut bits = if largest > 0.0 { (top / largest).log2() } else { 0.0 };
        if id != self.summary.output {
            // The output's units are given. Hidden ones are free, so that the scale can be a power
            // of two.
            self.log_units[id] = bits - bits.round();
            bits = bits.round();
        }
        let mut state = ValueState { value: 0, dropped, log_scale: target + bits, components };
        // Outputs as large as this would be encoded as fractions of one.
        if state.log_scale < MIN_LOG_SCALE {
            return None;
        }
        let op = StepOp::Linear { terms: planned, weight_scale: bits.exp2(), bias: () };
        let Some(packed) = &self.summary.packed else {
            self.push(id, &mut state, op, SizedOp::Linear { products });
            return Some(state);
        };
        let (counts, mut rotations) = packed.map(id);
        // From the graph's units to the integers of this plan.
        rotations.constant_square *= (2.0 * (bits + self.log_units[id])).exp2();
        let units = terms.iter().map(|t| self.log_units[t.input]).fold(f64::NEG_INFINITY, f64::max);
        rotations.constant_square *= (-2.0 * units).exp2();
        rotations.input_square *= (2.0 * (target + units)).exp2();
        // Coefficients that are rounded to nothing are no noise: the product itself is lost.
        let least = noise::slot_variance(self.degree, LEAST_COEFFICIENT * LEAST_COEFFICIENT);
        if !rotations.exact && rotations.constant_square > 0.0 && rotations.constant_square < least {
            return None;
        }
        self.push(id, &mut state, op, SizedOp::Rotations(counts));
        if let Some(event) = self.events.last_mut() {
            event.rotations = Some(rotations);
        }
        Some(state)
    }

    /// Brings a value to the limbs and scale at which its sum is taken, unless no factor of 64 bits
    /// does.
    fn align(&mut self, id: NodeId, from: ValueState, dropped: usize, target: f64) -> Option<ValueState> {
        let mut state = from;
        if state.dropped < dropped {
            // Counted from the end until the number of primes is known.
            let op = StepOp::DropLimbs { input: state.value, limbs: dropped };
            state.dropped = dropped;
            self.push(id, &mut state, op, SizedOp::DropLimbs);
        }
        if state.log_scale < target {
            let factor = 1_u64.checked_shl((target - state.log_scale).round() as u32)?;
            let op = StepOp::ScaleUp { input: state.value, factor };
            let sized = SizedOp::ScaleUp { len: self.summary.ciphertexts(id), components: state.components };
            state.log_scale = target;
            self.push(id, &mut state, op, sized);
        }
        Some(state)
    }

    fn relinearise(&mut self, id: NodeId, state: &mut ValueState) {
        state.components = 2;
        let op = StepOp::Relinearise { input: state.value };
        let boundary = Boundary { gathers: true, scatters: true };
        self.push(id, state, op, SizedOp::Relinearise { len: self.summary.ciphertexts(id), boundary });
    }

    /// Makes the outputs smaller before they are sent. Their units are given, so that their scale
    /// is whatever the primes leave.
    fn answer(&mut self, id: NodeId, state: &mut ValueState) -> Option<()> {
        let Answer { relinearise, waterline } = self.choice.answer;
        if relinearise && state.components == 3 {
            self.relinearise(id, state);
        }
        if let Some(waterline) = waterline {
            let correction = self.rescale(id, state, waterline)?;
            state.log_scale -= correction.log2();
        }
        Some(())
    }

    /// Drops as many primes as fit between the scale and the waterline. Returns what these primes
    /// are to the powers of two by which the scale is taken to fall.
    fn rescale(&mut self, id: NodeId, state: &mut ValueState, waterline: u32) -> Option<f64> {
        let excess = state.log_scale - f64::from(waterline);
        let mut correction = 1.0;
        // What is dropped here, later layers do not multiply; whether branches do is seen at last.
        let widest = widest_prime(self.summary, self.choice, 0..=id);
        let primes = split(excess.max(0.0) as u32, self.narrowest, widest);
        let count = primes.len();
        if let (Some(Event { node, sized: SizedOp::Relinearise { boundary, .. }, .. }), 1..) =
            (self.events.last_mut(), count)
            && *node == id
        {
            // The rescaling divides by the special primes, too, and writes.
            boundary.scatters = false;
        }
        for (number, bits) in (1..).zip(primes) {
            let q = self.picker.next(bits)?;
            self.dropped.push(q);
            correction *= q as f64 / f64::from(bits).exp2();
            state.log_scale -= f64::from(bits);
            let boundary = Boundary { gathers: number == 1 && state.components == 3, scatters: number == count };
            let sized = SizedOp::Rescale { len: self.summary.ciphertexts(id), components: state.components, boundary };
            let op = StepOp::Rescale { input: state.value };
            // The event's limbs are those before the drop, the state's those after it.
            self.push(id, state, op, sized);
            state.dropped += 1;
            self.need(id, *state);
        }
        Some(correction)
    }

    /// Lets the weight scale before rescalings absorb how far their primes are from powers of two.
    fn absorb(&mut self, id: NodeId, correction: f64) {
        let linear = self.steps.iter_mut().rev().find(|s| s.node == id && matches!(s.op, StepOp::Linear { .. }));
        let Some(PlannedStep { op: StepOp::Linear { weight_scale, .. }, .. }) = linear else {
            unreachable!("node {id} is rescaled before its linear step")
        };
        *weight_scale *= correction;
        self.log_units[id] -= correction.log2();
    }

    fn push(&mut self, id: NodeId, state: &mut ValueState, op: StepOp<(), ()>, sized: SizedOp) {
        self.steps.push(PlannedStep { node: id, op });
        self.events.push(Event {
            node: id,
            dropped: state.dropped,
            sized,
            log_scale: state.log_scale,
            rotations: None,
        });
        state.value = self.steps.len();
        if !matches!(sized, SizedOp::Rescale { .. }) {
            self.need(id, *state);
        }
    }

    fn need(&mut self, id: NodeId, state: ValueState) {
        self.needs.push((id, state.dropped, state.log_scale));
    }

    /// The whole chain: what is never dropped, wide enough for every value, then the dropped
    /// primes, first one last.
    fn moduli(&mut self) -> Option<Vec<u64>> {
        let total = log2_product(&self.dropped);
        // log2 of the primes dropped at each depth.
        let (mut sum, mut dropped_bits) = (0.0, vec![0.0]);
        for &q in &self.dropped {
            sum += (q as f64).log2();
            dropped_bits.push(sum);
        }
        let need = |&(id, dropped, log_scale): &(NodeId, usize, f64)| {
            let value = self.summary.nodes[id].log_bound + self.log_units[id];
            log_scale + value + BOUND_MARGIN_BITS - (total - dropped_bits[dropped])
        };
        let bits = self.needs.iter().map(need).fold(0.0, f64::max);
        let least = (bits.ceil() as u32).max(self.narrowest);
        // Primes just below a power of two have a little less than its bits.
        for extra in 0..4 {
            let mut picker = self.picker.clone();
            let mut widths = split(least + extra, self.narrowest, self.widest);
            if widths.iter().sum::<u32>() < least + extra {
                widths = vec![self.narrowest; widths.len() + 1];
            }
            let base = widths.iter().map(|&b| picker.next(b)).collect::<Option<Vec<u64>>>()?;
            if log2_product(&base) >= bits {
                self.picker = picker;
                return Some(base.into_iter().chain(self.dropped.iter().rev().copied()).collect());
            }
        }
        None
    }

    /// Whether the fast kernel takes the primes of every layer with that layer's weights.
    fn multiplies_fast(&self, moduli: &[u64]) -> bool {
        self.events.iter().all(|event| {
            let widest = moduli[..moduli.len() - event.dropped].iter().map(|q| q.ilog2() + 1).max();
            let bits = weight_bits(self.summary, self.choice, event.node);
            !matches!(event.sized, SizedOp::Linear { .. }) || widest.is_none_or(|q| q + bits <= KERNEL_BITS)
        })
    }

    /// Special primes alike in width: a little more together than the widest digit, if security
    /// leaves room for it.
    fn special(&mut self, moduli: &[u64], allowed: u32) -> Option<Vec<u64>> {
        let count = self.choice.special;
        if count > moduli.len() {
            return None;
        }
        let digit = moduli.chunks(count.max(1)).map(log2_product).fold(0.0, f64::max) + SPECIAL_MARGIN_BITS;
        let mut left = digit.min((f64::from(allowed) - log2_product(moduli)).max(0.0)) as u32;
        let mut special = Vec::with_capacity(count);
        for missing in (1..=count as u32).rev() {
            let bits = (left / missing).clamp(self.narrowest, MAX_BITS);
            special.push(self.picker.next(bits)?);
            left = left.saturating_sub(bits);
        }
        Some(special)
    }
}

/// The ring and the primes of a plan.
#[derive(Clone, Copy)]
struct Chain<'a> {
    degree: usize,
    moduli: &'a [u64],
    special: &'a [u64],
}

/// Every source of error times what the rest of the network makes of it.
fn variance(
    summary: &GraphSummary,
    choice: &PlanChoice,
    events: &[Event],
    log_units: &[f64],
    Chain { degree, moduli, special }: Chain<'_>,
) -> f64 {
    let real = |variance: f64, log_scale: f64| variance * (-2.0 * log_scale).exp2();
    let mut sum = summary.nodes[0].gain * real(noise::fresh(degree), f64::from(choice.input_bits));
    for event in events {
        let (gain, log_scale) = (summary.nodes[event.node].gain, event.log_scale + log_units[event.node]);
        sum += match event.sized {
            SizedOp::Relinearise { .. } => {
                let present = &moduli[..moduli.len() - event.dropped];
                gain * real(noise::relinearise(degree, present, special), log_scale)
            }
            SizedOp::Rescale { components, .. } => gain * real(noise::rescale(degree, components), log_scale),
            // Biases are whole numbers at the result's scale.
            SizedOp::Linear { .. } => gain * real(1.0 / 12.0, log_scale),
            SizedOp::Rotations(_) => {
                let present = &moduli[..moduli.len() - event.dropped];
                let map = event.rotations.unwrap_or_else(|| unreachable!("a map by rotations without its noise"));
                gain * real(noise::multiply(degree, present, special, &map), log_scale)
            }
            _ => 0.0,
        };
    }
    for (node, &bits) in summary.nodes.iter().zip(&choice.weight_bits) {
        if let NodeKind::Affine { rounding, uniform: false, .. } = &node.kind {
            sum += rounding[(bits - MIN_WEIGHT_BITS) as usize];
        }
    }
    sum
}
