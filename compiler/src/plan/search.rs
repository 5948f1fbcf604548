//! The least predicted cost that meets the error asked for, over input scale, weight bits and
//! waterline per layer, the position of every relinearisation, special primes, and ring degree. No
//! plan has less than the security asked for.

use std::collections::BTreeMap;

use crate::options::{Options, SCALE_BITS};
use crate::plan::assign_levels::assign_levels;
use crate::plan::graph_summary::{GraphSummary, NodeKind};
use crate::plan::level_plan::{Answer, LevelPlan, PlanChoice};
use crate::plan::primes::PrimeTable;
use crate::plan::rings::Ring;
use crate::plan::variables::{Variable, stepped, variables};
use crate::plan::weight_bits::MIN_WEIGHT_BITS;
use crate::{Error, Result};

/// Steps of the coarse grid from which descents start: input scale, waterline.
const COARSE_STEPS: (usize, usize) = (3, 2);
/// Descents start from plans so much more precise than asked (in variance), to have something to
/// trade; several, because the number of primes makes the landscape rugged.
const START_MARGINS: [f64; 8] = [1.5, 3.0, 8.0, 20.0, 1.1, 2.0, 5.0, 12.0];
/// Descents that are improved further.
const MAX_IMPROVED: usize = 24;
/// Networks with more variables than this are improved one variable at a time.
const MANY_VARIABLES: usize = 12;
/// A start that needs this much more modulus than a degree allows is left to the next degree:
/// descents save far less.
const MAX_START_EXCESS: f64 = 1.8;
/// Variables that save at least this share of what the best one saves are stepped with it.
const JOINT_STEP_SHARE: f64 = 0.5;
/// More rounds of improvement than any network has needed.
const MAX_ROUNDS: usize = 40;

/// What helps where no plan is precise enough.
pub(crate) const PRECISION_REMEDY: &str =
    "accept a larger error, leave `input_bits` and `weight_bits` to the compiler, or train for smaller outputs";

/// Tables of primes by degree, kept from one search to the next.
pub(crate) type Tables = BTreeMap<usize, PrimeTable>;

/// The cheapest plan on the first of the rings that has one. `deviation` is the standard deviation
/// allowed for an output.
///
/// # Errors
/// [`Error::Parameters`] where every plan that is precise enough takes more modulus than is secure,
/// [`Error::Precision`] where no plan is precise enough.
pub(crate) fn search(
    summary: &GraphSummary,
    options: &Options,
    rings: &[Ring],
    deviation: f64,
    tables: &mut Tables,
) -> Result<LevelPlan> {
    let variables = variables(summary, options);
    let mut most_precise = f64::INFINITY;
    let mut least_modulus = None;
    for (number, &Ring { degree, allowed }) in rings.iter().enumerate() {
        let primes = &*tables.entry(degree).or_insert_with(|| PrimeTable::new(degree));
        let space =
            SearchSpace { summary, options, variables: &variables, variance: deviation * deviation, primes, allowed };
        let mut descended: Vec<LevelPlan> = Vec::new();
        for start in space.starts() {
            most_precise = most_precise.min(start.variance);
            let far_too_large = start.log_qp > MAX_START_EXCESS * f64::from(allowed) && number + 1 < rings.len();
            if start.variance > space.variance || far_too_large {
                continue;
            }
            let found = space.descend(start);
            if found.log_qp <= f64::from(allowed) {
                descended.push(found);
            } else {
                let bits = found.log_qp.ceil() as u32;
                let least = least_modulus.filter(|&(d, b, _)| d == degree && b <= bits);
                least_modulus = least.or(Some((degree, bits, allowed)));
            }
        }
        descended.sort_by(|a, b| a.seconds.total_cmp(&b.seconds).then(a.log_qp.total_cmp(&b.log_qp)));
        // Variables without effect differ between descents that have met.
        descended.dedup_by(|a, b| !better(a, b) && !better(b, a));
        descended.truncate(MAX_IMPROVED);
        let improved = descended.into_iter().map(|plan| space.improve(plan));
        if let Some(found) = improved.reduce(|best, next| if better(&next, &best) { next } else { best }) {
            return Ok(found);
        }
    }
    Err(match least_modulus {
        Some((degree, needed, allowed)) => Error::Parameters {
            needed,
            degree,
            allowed,
            security: options.security,
            remedy: "accept a larger error or lower security, shorten the network, or train with a range penalty so \
                     that every activation's input has a range",
        },
        None => Error::Precision { best: most_precise.sqrt(), requested: deviation, remedy: PRECISION_REMEDY },
    })
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

/// The plans of one network at one ring degree.
struct SearchSpace<'a> {
    summary: &'a GraphSummary,
    options: &'a Options,
    variables: &'a [Variable],
    /// The largest variance allowed for an output.
    variance: f64,
    primes: &'a PrimeTable,
    /// The most bits of modulus that are secure.
    allowed: u32,
}

impl SearchSpace<'_> {
    fn plan(&self, choice: PlanChoice) -> Option<LevelPlan> {
        assign_levels(self.summary, choice, self.primes, self.allowed)
    }

    fn large(&self) -> bool {
        self.variables.len() > MANY_VARIABLES
    }

    /// The most bits a weight may have, one descent for each: more bits, narrower primes.
    fn weight_bit_caps(&self) -> Vec<u32> {
        match self.options.weight_bits {
            Some(bits) => vec![bits],
            None => {
                let step = if self.summary.packed.is_some() { 4 } else { 2 };
                (MIN_WEIGHT_BITS + 2..=self.summary.most_weight_bits()).rev().step_by(step).collect()
            }
        }
    }

    /// Where descents start, without a special prime and with one, for every cap on the weights.
    fn starts(&self) -> Vec<LevelPlan> {
        let caps = self.weight_bit_caps();
        // Rotations without a special prime would drown small scales.
        let special: &[usize] = if self.summary.packed.is_some() { &[1] } else { &[0, 1] };
        let both = special.iter().flat_map(|special| caps.iter().map(move |&cap| (cap, *special)));
        both.flat_map(|(cap, special)| self.starts_for(cap, special)).collect()
    }

    /// The shortest moduli and the fastest plans on a coarse grid, the same bits everywhere, for
    /// each margin; where no plan is precise enough, the most precise one.
    fn starts_for(&self, cap: u32, special: usize) -> Vec<LevelPlan> {
        let tried: Vec<LevelPlan> =
            self.coarse_choices(cap, special).into_iter().filter_map(|choice| self.plan(choice)).collect();
        let log_qp = |p: &LevelPlan| p.log_qp;
        let seconds = |p: &LevelPlan| p.seconds;
        let criteria: [&dyn Fn(&LevelPlan) -> f64; 2] = [&log_qp, &seconds];
        let mut starts: Vec<usize> = Vec::new();
        for margin in START_MARGINS {
            for by in criteria {
                let enough = tried.iter().enumerate().filter(|(_, p)| p.variance * margin <= self.variance);
                let found = enough.min_by(|(_, a), (_, b)| by(a).total_cmp(&by(b)).then(a.log_qp.total_cmp(&b.log_qp)));
                let most_precise =
                    || tried.iter().enumerate().min_by(|(_, a), (_, b)| a.variance.total_cmp(&b.variance));
                starts.extend(found.or_else(most_precise).map(|(i, _)| i).filter(|i| !starts.contains(i)));
            }
        }
        starts.into_iter().map(|i| tried[i].clone()).collect()
    }

    fn coarse_choices(&self, cap: u32, special: usize) -> Vec<PlanChoice> {
        let n = self.summary.nodes.len();
        let rescales = self.variables.iter().any(|k| matches!(k, Variable::Waterline(_)));
        let scales = if self.options.input_bits.is_some() { 1 } else { usize::MAX };
        let waterlines = if rescales { usize::MAX } else { 1 };
        let choice = |scale: u32, waterline: u32| PlanChoice {
            input_bits: self.options.input_bits.unwrap_or(scale),
            weight_bits: vec![cap; n],
            waterline: vec![waterline; n],
            // Ciphertexts that are rotated have two components.
            relinearise_eagerly: vec![self.summary.packed.is_some(); n],
            special,
            answer: Answer::default(),
        };
        let scales = SCALE_BITS.step_by(COARSE_STEPS.0).take(scales);
        scales
            .flat_map(|s| SCALE_BITS.step_by(COARSE_STEPS.1).take(waterlines).map(move |w| (s, w)))
            .map(|(s, w)| choice(s, w))
            .collect()
    }

    /// Takes away one bit at a time, where it saves the most modulus for the least error and costs
    /// no time, until the error asked for is spent. Variables that save nearly as much as the best
    /// are stepped with it, if the error allows it.
    fn descend(&self, mut at: LevelPlan) -> LevelPlan {
        let fits = |found: &LevelPlan, at: &LevelPlan| {
            let slower = found.seconds > at.seconds * (1.0 + 1e-9);
            found.variance <= self.variance && !slower && at.log_modulus() - found.log_modulus() >= 0.5
        };
        loop {
            let mut rates: Vec<(f64, Variable)> = Vec::new();
            for &variable in self.variables {
                let found = stepped(&at.choice, variable, -1).and_then(|next| self.plan(next));
                if let Some(found) = found.filter(|found| fits(found, &at)) {
                    let lost = (found.variance - at.variance).max(1e-12 * self.variance);
                    rates.push(((at.log_modulus() - found.log_modulus()) / lost, variable));
                }
            }
            rates.sort_by(|a, b| b.0.total_cmp(&a.0));
            let Some(&(best, _)) = rates.first() else { return at };
            rates.retain(|(rate, _)| *rate >= JOINT_STEP_SHARE * best);
            // All of them, or half as many until the error allows it; a single one always fits.
            while !rates.is_empty() {
                let together = rates.iter().try_fold(at.choice.clone(), |c, &(_, variable)| stepped(&c, variable, -1));
                let found = together.and_then(|choice| self.plan(choice));
                if let Some(found) = found.filter(|found| fits(found, &at)) {
                    at = found;
                    break;
                }
                rates.truncate(rates.len() / 2);
            }
        }
    }

    /// Small changes in any direction, as long as they make the plan better and keep it within
    /// error and security.
    fn improve(&self, mut at: LevelPlan) -> LevelPlan {
        for _ in 0..MAX_ROUNDS {
            let mut improved = false;
            for next in self.neighbours(&at.choice) {
                let Some(found) = self.plan(next) else { continue };
                let fits = found.variance <= self.variance && found.log_qp <= f64::from(self.allowed);
                if fits && better(&found, &at) {
                    (at, improved) = (found, true);
                }
            }
            if !improved {
                break;
            }
        }
        at
    }

    /// Neighbours of a choice: one variable changed a little, two against each other, a special
    /// prime more or less, one relinearisation moved.
    fn neighbours(&self, choice: &PlanChoice) -> Vec<PlanChoice> {
        let mut all: Vec<PlanChoice> = Vec::new();
        for &variable in self.variables {
            all.extend([-3, -2, -1, 1, 2, 3].iter().filter_map(|&by| stepped(choice, variable, by)));
            for &other in self.variables.iter().filter(|_| !self.large()) {
                let pairs = [(1, -1), (1, -2), (2, -1), (2, -2), (1, 1), (3, -3)];
                all.extend(pairs.iter().filter_map(|&(a, b)| stepped(&stepped(choice, variable, a)?, other, b)));
            }
        }
        // Rotations without any would drown small scales.
        let least = usize::from(self.summary.packed.is_some());
        let special = [choice.special.checked_sub(1), Some(choice.special + 1)].into_iter().flatten();
        all.extend(special.filter(|s| *s >= least).map(|special| PlanChoice { special, ..choice.clone() }));
        for (id, node) in self.summary.nodes.iter().enumerate() {
            if matches!(node.kind, NodeKind::Square { .. }) && self.summary.packed.is_none() {
                let mut next = choice.clone();
                next.relinearise_eagerly[id] = !next.relinearise_eagerly[id];
                all.push(next);
            }
        }
        all
    }
}
