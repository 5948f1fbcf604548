//! Pass `search`: the least predicted cost that meets the error asked for, over input scale, weight bits and waterline per
//! layer, place of every relinearisation, special prime, and ring degree. Must never return parameters below the
//! security asked for.

use std::collections::BTreeMap;

use beaa_ckks::security;

use crate::facts::{Facts, Kind};
use crate::graph::NodeId;
use crate::levels::{Choice, Plan, plan};
use crate::options::{MAX_WEIGHT_BITS, MIN_WEIGHT_BITS, Options};
use crate::primes::PrimeTable;
use crate::{Error, Result};

/// Scales tried, log2.
const SCALE_BITS: std::ops::RangeInclusive<u32> = 10..=45;
/// Steps of the coarse grid from which the descent starts.
const GRID: usize = 3;
/// The descent starts from a plan this much more precise than asked, to have something to trade.
const HEAD_START: f64 = 4.0;
/// More rounds of improvement than any network has needed.
const ROUNDS: usize = 200;

/// Tables of primes by degree, kept from one search to the next.
pub(crate) type Tables = BTreeMap<usize, PrimeTable>;

/// One number that may be changed.
#[derive(Debug, Clone, Copy)]
enum Knob {
    Input,
    Weight(NodeId),
    Waterline(NodeId),
}

struct Space<'a> {
    facts: &'a Facts,
    options: &'a Options,
    knobs: Vec<Knob>,
    /// The largest variance allowed.
    target: f64,
}

/// The cheapest choice and its plan. `deviation` is the standard deviation allowed for an output.
pub(crate) fn search(facts: &Facts, options: &Options, deviation: f64, tables: &mut Tables) -> Result<(Choice, Plan)> {
    let space = Space { facts, options, knobs: knobs(facts, options), target: deviation * deviation };
    let mut most_precise = f64::INFINITY;
    let mut least_modulus = None;
    for degree in security::DEGREES.into_iter().filter(|d| *d >= options.batch) {
        let Some(allowed) = security::max_log_qp(degree, options.security) else { continue };
        let primes = &*tables.entry(degree).or_insert_with(|| PrimeTable::new(degree));
        let mut best: Option<(Choice, Plan)> = None;
        for special in [false, true] {
            for cap in space.caps() {
                let found = space.start(cap, special, primes, allowed);
                let Some((choice, start)) = found else { continue };
                most_precise = most_precise.min(start.variance);
                if start.variance > space.target {
                    continue;
                }
                let (choice, found) = space.descend(choice, start, primes, allowed);
                if found.log_qp > f64::from(allowed) {
                    let bits = found.log_qp.ceil() as u32;
                    least_modulus = least_modulus.filter(|&(d, b, _)| d == degree && b <= bits).or(Some((degree, bits, allowed)));
                    continue;
                }
                let found = space.improve(choice, found, primes, allowed);
                if best.as_ref().is_none_or(|b| better(&found.1, &b.1)) {
                    best = Some(found);
                }
            }
        }
        if let Some(found) = best {
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
            asked: deviation,
            remedy: "accept a larger error, leave `input_bits` and `weight_bits` to the compiler, or train for smaller outputs",
        },
    })
}

fn knobs(facts: &Facts, options: &Options) -> Vec<Knob> {
    let mut knobs = Vec::new();
    if options.input_bits.is_none() {
        knobs.push(Knob::Input);
    }
    for (id, node) in facts.nodes.iter().enumerate() {
        if let Kind::Affine { squared, uniform, .. } = node.kind {
            if !uniform && options.weight_bits.is_none() {
                knobs.push(Knob::Weight(id));
            }
            if squared {
                knobs.push(Knob::Waterline(id));
            }
        }
    }
    knobs
}

/// Less time, then a shorter modulus (which is what images are uploaded in), then less error.
fn better(a: &Plan, b: &Plan) -> bool {
    let close = |x: f64, y: f64| (x - y).abs() <= 1e-9 * y.abs();
    if !close(a.seconds, b.seconds) {
        return a.seconds < b.seconds;
    }
    if (a.log_qp - b.log_qp).abs() > 0.01 {
        return a.log_qp < b.log_qp;
    }
    a.variance < b.variance * (1.0 - 1e-9)
}

impl Space<'_> {
    /// The most bits a weight may have, one descent for each: more bits, narrower primes.
    fn caps(&self) -> Vec<u32> {
        match self.options.weight_bits {
            Some(bits) => vec![bits],
            None => (MIN_WEIGHT_BITS + 2..=MAX_WEIGHT_BITS).rev().collect(),
        }
    }

    /// The shortest modulus on a coarse grid, the same bits everywhere, that is more precise than asked; if there is none, the
    /// most precise plan.
    fn start(&self, cap: u32, special: bool, primes: &PrimeTable, allowed: u32) -> Option<(Choice, Plan)> {
        let mut best: Option<(Choice, Plan)> = None;
        for scale in SCALE_BITS.step_by(GRID) {
            for waterline in SCALE_BITS.step_by(GRID) {
                let n = self.facts.nodes.len();
                let choice = Choice {
                    input_bits: self.options.input_bits.unwrap_or(scale),
                    weight_bits: vec![cap; n],
                    waterline: vec![waterline; n],
                    early: vec![false; n],
                    special,
                };
                let Some(found) = plan(self.facts, &choice, primes, allowed) else { continue };
                let key = |p: &Plan| {
                    let enough = p.variance * HEAD_START <= self.target;
                    (!enough, if enough { p.log_qp } else { p.variance })
                };
                if best.as_ref().is_none_or(|b| key(&found) < key(&b.1)) {
                    best = Some((choice, found));
                }
            }
        }
        best
    }

    /// Takes away one bit at a time, where it saves the most modulus for the least error, until the error asked for is
    /// spent.
    fn descend(&self, mut choice: Choice, mut at: Plan, primes: &PrimeTable, allowed: u32) -> (Choice, Plan) {
        loop {
            let mut best: Option<(f64, Choice, Plan)> = None;
            for &knob in &self.knobs {
                let Some(next) = turned(&choice, knob, -1) else { continue };
                let Some(found) = plan(self.facts, &next, primes, allowed) else { continue };
                let saved = modulus(&at) - modulus(&found);
                if found.variance > self.target || saved < 0.5 {
                    continue;
                }
                let rate = saved / (found.variance - at.variance).max(1e-12 * self.target);
                if best.as_ref().is_none_or(|b| rate > b.0) {
                    best = Some((rate, next, found));
                }
            }
            let Some((_, next, found)) = best else { return (choice, at) };
            (choice, at) = (next, found);
        }
    }

    /// Small changes in any direction, as long as they make the plan better and keep it within error and security.
    fn improve(&self, mut choice: Choice, mut at: Plan, primes: &PrimeTable, allowed: u32) -> (Choice, Plan) {
        for _ in 0..ROUNDS {
            let mut moves: Vec<Choice> = Vec::new();
            for &knob in &self.knobs {
                moves.extend([-3, -2, -1, 1, 2, 3].iter().filter_map(|&by| turned(&choice, knob, by)));
            }
            for (id, node) in self.facts.nodes.iter().enumerate() {
                if matches!(node.kind, Kind::Square { .. }) {
                    let mut next = choice.clone();
                    next.early[id] = !next.early[id];
                    moves.push(next);
                }
            }
            let mut improved = false;
            for next in moves {
                let Some(found) = plan(self.facts, &next, primes, allowed) else { continue };
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

/// Bits of the ciphertext modulus alone.
fn modulus(plan: &Plan) -> f64 {
    plan.log_qp - plan.special.iter().map(|&p| (p as f64).log2()).sum::<f64>()
}

/// The choice with one knob turned, unless that leaves its range.
fn turned(choice: &Choice, knob: Knob, by: i32) -> Option<Choice> {
    let mut next = choice.clone();
    let (value, range) = match knob {
        Knob::Input => (&mut next.input_bits, SCALE_BITS),
        Knob::Weight(id) => (next.weight_bits.get_mut(id)?, MIN_WEIGHT_BITS..=MAX_WEIGHT_BITS),
        Knob::Waterline(id) => (next.waterline.get_mut(id)?, SCALE_BITS),
    };
    *value = value.checked_add_signed(by).filter(|v| range.contains(v))?;
    Some(next)
}
