//! Searches, rounds and simulates until the cheapest plan is found whose simulated error is within what was asked for: the
//! search knows the error of a typical rounding only. Must never return a plan that was not simulated.

use beaa_ir::ckks::Alternative;

use crate::error::{Error, Result};
use crate::network::activations::Values;
use crate::network::graph::Graph;
use crate::options::Options;
use crate::pass_timer::Clock;
use crate::passes::quantise_weights::{Integers, round};
use crate::plan::accuracy_target::Target;
use crate::plan::alternatives::Why;
use crate::plan::graph_summary::Facts;
use crate::plan::level_plan::{Choice, Plan, plan};
use crate::plan::primes::PrimeTable;
use crate::plan::search::{Ring, Tables, better, knobs, search, turned};
use crate::plan::simulate_noise::{Prediction, predict};

/// Attempts at a plan.
const ATTEMPTS: usize = 12;
/// Attempts to spend what the search took for error and is none.
const MORE: usize = 3;
/// No such attempt where the simulated error is at least so much of what the search took it for.
const TRUE_ENOUGH: f64 = 0.9;
/// Single bits that are taken away afterwards, at most.
const POLISH: usize = 6;

/// A plan that meets the target, in integers, and what it leads to.
pub(crate) struct Settled {
    pub(crate) choice: Choice,
    pub(crate) plan: Plan,
    pub(crate) integers: Integers,
    pub(crate) prediction: Prediction,
    pub(crate) alternatives: Vec<Alternative>,
}

/// What the passes before have found out, and what is asked for.
#[derive(Clone, Copy)]
pub(crate) struct Task<'a> {
    pub(crate) graph: &'a Graph,
    pub(crate) facts: &'a Facts,
    pub(crate) traces: &'a [Values],
    pub(crate) means: &'a [Vec<f64>],
    pub(crate) options: &'a Options,
    pub(crate) target: &'a Target,
    pub(crate) rings: &'a [Ring],
    pub(crate) caution: f64,
}

/// The cheapest plan found.
pub(crate) fn settle(task: Task<'_>, clock: &mut Clock) -> Result<Settled> {
    let mut tables = Tables::new();
    let mut best = task.search(&mut tables, clock)?;
    let rejected = task.polish(&mut best, &mut tables, clock)?;
    let Task { graph, facts, options, rings, target, .. } = task;
    let simulated = target.spent(&best.prediction) * target.deviation;
    best.alternatives = clock.time("why", || {
        let why = Why { graph, facts, options, rings, choice: &best.choice, plan: &best.plan, rejected: &rejected };
        why.alternatives(simulated, target.deviation, &mut tables)
    });
    Ok(best)
}

impl Task<'_> {
    /// Rounds and simulates. Also returns what the plan spends of the error.
    fn simulate(&self, choice: Choice, plan: Plan, clock: &mut Clock) -> Result<(Settled, f64)> {
        let integers = clock.time("integers", || round(self.graph, &choice, &plan, self.means))?;
        let prediction =
            clock.time("predict", || predict(self.graph, &integers, &choice, &plan, self.traces, self.caution));
        let spent = self.target.spent(&prediction);
        Ok((Settled { choice, plan, integers, prediction, alternatives: Vec::new() }, spent))
    }

    /// Searches again with more or less of the error as long as the simulation says something else than the search.
    fn search(&self, tables: &mut Tables, clock: &mut Clock) -> Result<Settled> {
        let target = self.target;
        let (mut allowed, mut closest) = (target.deviation, f64::INFINITY);
        let mut best: Option<Settled> = None;
        let mut more = 0;
        for _ in 0..ATTEMPTS {
            let found = clock.time("search", || search(self.facts, self.options, self.rings, allowed, tables));
            let (choice, plan) = match found {
                Ok(found) => found,
                Err(_) if best.is_some() => break,
                Err(e) => return Err(as_asked(e, closest, target)),
            };
            let (next, spent) = self.simulate(choice, plan, clock)?;
            closest = closest.min(spent * target.deviation);
            let ratio = ratio(&next, target);
            let meets = spent <= 1.0;
            if meets {
                if best.as_ref().is_some_and(|b| !better(&next.plan, &b.plan)) {
                    break;
                }
                best = Some(next);
            }
            more += usize::from(best.is_some());
            if more > MORE || (meets && ratio >= TRUE_ENOUGH) {
                break;
            }
            let next = 0.98 * target.deviation / ratio;
            allowed = if meets { next } else { next.min(0.97 * allowed) };
        }
        best.ok_or_else(|| {
            let remedy = "accept a larger error, leave `input_bits` and `weight_bits` to the compiler, or train for \
                          smaller outputs";
            Error::Precision { best: closest, asked: target.deviation, remedy }
        })
    }

    /// Takes away single bits where the simulation leaves room that the search did not see; returns the choices that were
    /// simulated in vain.
    fn polish(&self, best: &mut Settled, tables: &mut Tables, clock: &mut Clock) -> Result<Vec<Choice>> {
        let mut rejected = Vec::new();
        let knobs = knobs(self.facts, self.options);
        let Some(&Ring { degree, allowed }) = self.rings.iter().find(|r| r.degree == best.plan.degree) else {
            return Ok(rejected);
        };
        let primes = &*tables.entry(degree).or_insert_with(|| PrimeTable::new(degree));
        for _ in 0..POLISH {
            let ratio = ratio(best, self.target);
            let next = knobs.iter().find_map(|&knob| {
                let choice = turned(&best.choice, knob, -1).filter(|c| !rejected.contains(c))?;
                let plan = plan(self.facts, &choice, primes, allowed)?;
                let fits = plan.log_qp <= f64::from(allowed)
                    && plan.variance.sqrt() * ratio <= self.target.deviation
                    && better(&plan, &best.plan);
                fits.then_some((choice, plan))
            });
            let Some((choice, plan)) = next else { break };
            let (next, spent) = self.simulate(choice, plan, clock)?;
            if spent > 1.0 {
                rejected.push(next.choice);
            } else {
                *best = next;
            }
        }
        Ok(rejected)
    }
}

/// What an error is to what the search takes it for.
fn ratio(settled: &Settled, target: &Target) -> f64 {
    target.spent(&settled.prediction) * target.deviation / settled.plan.variance.sqrt().max(f64::MIN_POSITIVE)
}

/// A search that failed after its target was tightened is reported with the error that was asked for, and the best one
/// predicted so far.
fn as_asked(error: Error, closest: f64, target: &Target) -> Error {
    match error {
        Error::Precision { remedy, best, .. } => {
            Error::Precision { best: if closest.is_finite() { closest } else { best }, asked: target.deviation, remedy }
        }
        other => other,
    }
}
