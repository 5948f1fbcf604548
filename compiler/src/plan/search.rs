//! Pass `search`: the least predicted cost that meets the error asked for, over input scale, weight bits and waterline per
//! layer, place of every relinearisation, special prime, and ring degree. Must never return parameters below the
//! security asked for.

use std::collections::BTreeMap;

use beaa_ckks::security;

use crate::network::graph::NodeId;
use crate::options::{MAX_WEIGHT_BITS, MIN_WEIGHT_BITS, Options};
use crate::plan::graph_summary::{GraphSummary, NodeKind};
use crate::plan::level_plan::{LevelPlan, PlanChoice, plan_levels};
use crate::plan::primes::PrimeTable;
use crate::{Error, Result};

/// Scales tried, log2.
const SCALE_BITS: std::ops::RangeInclusive<u32> = 10..=45;
/// Steps of the coarse grid from which descents start: input scale, waterline.
const COARSE_STEPS: (usize, usize) = (3, 2);
/// Descents start from plans so much more precise than asked (in variance), to have something to trade; several, because
/// the number of primes makes the landscape rugged.
const START_MARGINS: [f64; 8] = [1.5, 3.0, 8.0, 20.0, 1.1, 2.0, 5.0, 12.0];
/// Descents that are improved further.
const MAX_IMPROVED: usize = 24;
/// Networks with more knobs than this are searched with half the starts, and one knob at a time.
const MANY_VARIABLES: usize = 12;
/// A start that needs this much more than a degree allows is left to the next degree: descents save far less.
const MAX_START_EXCESS: f64 = 1.8;
/// Knobs that save nearly as much as the best one are turned with it.
const JOINT_STEP_SHARE: f64 = 0.5;
/// More rounds of improvement than any network has needed.
const MAX_ROUNDS: usize = 40;

/// Tables of primes by degree, kept from one search to the next.
pub(crate) type Tables = BTreeMap<usize, PrimeTable>;

/// One number that may be changed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Variable {
    Input,
    Weight(NodeId),
    Waterline(NodeId),
}

struct SearchSpace<'a> {
    summary: &'a GraphSummary,
    options: &'a Options,
    variables: Vec<Variable>,
    /// The largest variance allowed.
    target: f64,
}

/// A ring degree, and the most bits of modulus that it may have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ring {
    pub(crate) degree: usize,
    pub(crate) allowed: u32,
}

/// The degrees that hold the batch, with what the security asked for allows them.
pub(crate) fn rings(options: &Options) -> Vec<Ring> {
    let enough = security::DEGREES.into_iter().filter(|d| *d >= options.batch);
    enough
        .filter_map(|degree| Some(Ring { degree, allowed: security::max_log_qp(degree, options.security)? }))
        .collect()
}

/// The cheapest choice and its plan. `deviation` is the standard deviation allowed for an output.
pub(crate) fn search(
    summary: &GraphSummary,
    options: &Options,
    rings: &[Ring],
    deviation: f64,
    tables: &mut Tables,
) -> Result<(PlanChoice, LevelPlan)> {
    let space = SearchSpace { summary, options, variables: variables(summary, options), target: deviation * deviation };
    let mut most_precise = f64::INFINITY;
    let mut least_modulus = None;
    for &Ring { degree, allowed } in rings {
        let primes = &*tables.entry(degree).or_insert_with(|| PrimeTable::new(degree));
        let mut descended: Vec<(PlanChoice, LevelPlan)> = Vec::new();
        for (choice, start) in space.starts(primes, allowed) {
            most_precise = most_precise.min(start.variance);
            let far_too_large =
                start.log_qp > MAX_START_EXCESS * f64::from(allowed) && Some(degree) != rings.last().map(|r| r.degree);
            if start.variance > space.target || far_too_large {
                continue;
            }
            let (choice, found) = space.descend(choice, start, primes, allowed);
            if found.log_qp <= f64::from(allowed) {
                descended.push((choice, found));
            } else {
                let bits = found.log_qp.ceil() as u32;
                let least = least_modulus.filter(|&(d, b, _)| d == degree && b <= bits);
                least_modulus = least.or(Some((degree, bits, allowed)));
            }
        }
        descended.sort_by(|a, b| a.1.seconds.total_cmp(&b.1.seconds).then(a.1.log_qp.total_cmp(&b.1.log_qp)));
        // Knobs without effect differ between descents that have met.
        descended.dedup_by(|a, b| !better(&a.1, &b.1) && !better(&b.1, &a.1));
        descended.truncate(if space.large() { MAX_IMPROVED / 3 } else { MAX_IMPROVED });
        let improved = descended.into_iter().map(|(choice, plan)| space.improve(choice, plan, primes, allowed));
        if let Some(found) = improved.reduce(|best, next| if better(&next.1, &best.1) { next } else { best }) {
            return Ok(found);
        }
    }
    Err(match least_modulus {
        Some((degree, needed, allowed)) => Error::Parameters {
            needed,
            degree,
            allowed,
            security: options.security,
            remedy: "accept a larger error or lower security, shorten the network, or train with a range penalty so that \
                     every activation's input has a range",
        },
        None => Error::Precision {
            best: most_precise.sqrt(),
            requested: deviation,
            remedy: "accept a larger error, leave `input_bits` and `weight_bits` to the compiler, or train for smaller outputs",
        },
    })
}

pub(crate) fn variables(summary: &GraphSummary, options: &Options) -> Vec<Variable> {
    let mut variables = Vec::new();
    if options.input_bits.is_none() {
        variables.push(Variable::Input);
    }
    for (id, node) in summary.nodes.iter().enumerate() {
        if let NodeKind::Affine { squared, uniform, .. } = node.kind {
            if !uniform && options.weight_bits.is_none() {
                variables.push(Variable::Weight(id));
            }
            if squared {
                variables.push(Variable::Waterline(id));
            }
        }
    }
    variables
}

/// Less time, then a shorter modulus (which is what images are uploaded in), then less error.
pub(crate) fn better(a: &LevelPlan, b: &LevelPlan) -> bool {
    let close = |x: f64, y: f64| (x - y).abs() <= 1e-9 * y.abs();
    if !close(a.seconds, b.seconds) {
        return a.seconds < b.seconds;
    }
    if (a.log_qp - b.log_qp).abs() > 0.01 {
        return a.log_qp < b.log_qp;
    }
    a.variance < b.variance * (1.0 - 1e-9)
}

impl SearchSpace<'_> {
    /// The most bits a weight may have, one descent for each: more bits, narrower primes.
    fn caps(&self) -> Vec<u32> {
        match self.options.weight_bits {
            Some(bits) => vec![bits],
            None => (MIN_WEIGHT_BITS + 2..=MAX_WEIGHT_BITS).rev().step_by(if self.large() { 4 } else { 2 }).collect(),
        }
    }

    fn large(&self) -> bool {
        self.variables.len() > MANY_VARIABLES
    }

    /// Where descents start, with and without a special prime, for every cap on the weights.
    fn starts(&self, primes: &PrimeTable, allowed: u32) -> Vec<(PlanChoice, LevelPlan)> {
        let caps = self.caps();
        let both = [false, true].into_iter().flat_map(|special| caps.iter().map(move |&cap| (cap, special)));
        both.flat_map(|(cap, special)| self.starts_for(cap, special, primes, allowed)).collect()
    }

    /// The shortest moduli and the fastest plans on a coarse grid, the same bits everywhere, for each head start; where no
    /// plan is precise enough, the most precise one.
    fn starts_for(&self, cap: u32, special: bool, primes: &PrimeTable, allowed: u32) -> Vec<(PlanChoice, LevelPlan)> {
        let n = self.summary.nodes.len();
        let mut tried: Vec<(f64, [f64; 2], PlanChoice)> = Vec::new();
        let squares = self.variables.iter().any(|k| matches!(k, Variable::Waterline(_)));
        let scales = if self.options.input_bits.is_some() { 1 } else { usize::MAX };
        let waterlines = if squares { usize::MAX } else { 1 };
        for scale in SCALE_BITS.step_by(COARSE_STEPS.0).take(scales) {
            for waterline in SCALE_BITS.step_by(COARSE_STEPS.1).take(waterlines) {
                let choice = PlanChoice {
                    input_bits: self.options.input_bits.unwrap_or(scale),
                    weight_bits: vec![cap; n],
                    waterline: vec![waterline; n],
                    relinearise_eagerly: vec![false; n],
                    special,
                };
                if let Some(found) = plan_levels(self.summary, &choice, primes, allowed) {
                    tried.push((found.variance, [found.log_qp, found.seconds], choice));
                }
            }
        }
        let heads = if self.large() { START_MARGINS.len() / 2 } else { START_MARGINS.len() };
        let mut starts: Vec<&PlanChoice> = Vec::new();
        for head in START_MARGINS.into_iter().take(heads) {
            for by in [0, 1] {
                let enough = tried.iter().filter(|t| t.0 * head <= self.target);
                let found = enough.min_by(|a, b| a.1[by].total_cmp(&b.1[by]).then(a.1[0].total_cmp(&b.1[0])));
                let found = found.or_else(|| tried.iter().min_by(|a, b| a.0.total_cmp(&b.0)));
                starts.extend(found.map(|t| &t.2).filter(|c| !starts.contains(c)));
            }
        }
        starts
            .into_iter()
            .filter_map(|c| plan_levels(self.summary, c, primes, allowed).map(|p| (c.clone(), p)))
            .collect()
    }

    /// Takes away one bit at a time, where it saves the most modulus for the least error and costs no time, until the error
    /// asked for is spent. Knobs that save nearly as much as the best are turned in the same step, if the error allows it.
    fn descend(
        &self,
        mut choice: PlanChoice,
        mut at: LevelPlan,
        primes: &PrimeTable,
        allowed: u32,
    ) -> (PlanChoice, LevelPlan) {
        let fits = |found: &LevelPlan, at: &LevelPlan| {
            let slower = found.seconds > at.seconds * (1.0 + 1e-9);
            found.variance <= self.target && !slower && modulus(at) - modulus(found) >= 0.5
        };
        loop {
            let mut rates: Vec<(f64, Variable)> = Vec::new();
            for &variable in &self.variables {
                let Some(next) = stepped(&choice, variable, -1) else { continue };
                let Some(found) = plan_levels(self.summary, &next, primes, allowed) else { continue };
                if fits(&found, &at) {
                    let lost = (found.variance - at.variance).max(1e-12 * self.target);
                    rates.push(((modulus(&at) - modulus(&found)) / lost, variable));
                }
            }
            rates.sort_by(|a, b| b.0.total_cmp(&a.0));
            let Some(&(best, _)) = rates.first() else { return (choice, at) };
            rates.retain(|(rate, _)| *rate >= JOINT_STEP_SHARE * best);
            // All of them, or half as many until the error allows it; one alone always fits.
            while !rates.is_empty() {
                let together = rates.iter().try_fold(choice.clone(), |c, &(_, variable)| stepped(&c, variable, -1));
                let found = together.and_then(|c| plan_levels(self.summary, &c, primes, allowed).map(|p| (c, p)));
                if let Some((next, found)) = found.filter(|(_, p)| fits(p, &at)) {
                    (choice, at) = (next, found);
                    break;
                }
                rates.truncate(rates.len() / 2);
            }
        }
    }

    /// Small changes in any direction, as long as they make the plan better and keep it within error and security.
    fn improve(
        &self,
        mut choice: PlanChoice,
        mut at: LevelPlan,
        primes: &PrimeTable,
        allowed: u32,
    ) -> (PlanChoice, LevelPlan) {
        for _ in 0..MAX_ROUNDS {
            let moves = self.moves(&choice);
            let mut improved = false;
            for next in moves {
                let Some(found) = plan_levels(self.summary, &next, primes, allowed) else { continue };
                let fits = found.variance <= self.target && found.log_qp <= f64::from(allowed);
                if fits && better(&found, &at) {
                    (choice, at, improved) = (next, found, true);
                }
            }
            if !improved {
                break;
            }
        }
        (choice, at)
    }
}

impl SearchSpace<'_> {
    /// Neighbours of a choice: one knob turned a little, two turned against each other, one relinearisation moved.
    fn moves(&self, choice: &PlanChoice) -> Vec<PlanChoice> {
        let mut moves: Vec<PlanChoice> = Vec::new();
        for &variable in &self.variables {
            moves.extend([-3, -2, -1, 1, 2, 3].iter().filter_map(|&by| stepped(choice, variable, by)));
            for &other in self.variables.iter().filter(|_| !self.large()) {
                let pairs = [(1, -1), (1, -2), (2, -1), (2, -2), (1, 1), (3, -3)];
                moves.extend(pairs.iter().filter_map(|&(a, b)| stepped(&stepped(choice, variable, a)?, other, b)));
            }
        }
        for (id, node) in self.summary.nodes.iter().enumerate() {
            if matches!(node.kind, NodeKind::Square { .. }) {
                let mut next = choice.clone();
                next.relinearise_eagerly[id] = !next.relinearise_eagerly[id];
                moves.push(next);
            }
        }
        moves
    }
}

/// Bits of the ciphertext modulus alone.
fn modulus(plan: &LevelPlan) -> f64 {
    plan.log_qp - plan.special.iter().map(|&p| (p as f64).log2()).sum::<f64>()
}

/// The choice with one knob turned, unless that leaves its range.
pub(crate) fn stepped(choice: &PlanChoice, variable: Variable, by: i32) -> Option<PlanChoice> {
    let mut next = choice.clone();
    let (value, range) = match variable {
        Variable::Input => (&mut next.input_bits, SCALE_BITS),
        Variable::Weight(id) => (next.weight_bits.get_mut(id)?, MIN_WEIGHT_BITS..=MAX_WEIGHT_BITS),
        Variable::Waterline(id) => (next.waterline.get_mut(id)?, SCALE_BITS),
    };
    *value = value.checked_add_signed(by).filter(|v| range.contains(v))?;
    Some(next)
}
