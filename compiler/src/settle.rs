//! Searches, rounds and simulates until the cheapest plan is found whose simulated error is within what was asked for: the
//! search knows the error of a typical rounding only. Must never return a plan that was not simulated.

use beaa_ir::Alternative;

use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::facts::Facts;
use crate::graph::Graph;
use crate::integers::{Integers, round};
use crate::levels::{Choice, Plan};
use crate::options::Options;
use crate::predict::{Prediction, predict};
use crate::search::{Ring, Tables, better, search};
use crate::target::Target;
use crate::trace::Values;
use crate::why::Why;

/// Attempts at a plan.
const ATTEMPTS: usize = 12;
/// Attempts to spend what the search took for error and is none.
const MORE: usize = 3;
/// No such attempt where the simulated error is at least so much of what the search took it for.
const TRUE_ENOUGH: f64 = 0.9;

/// A plan that meets the target, in integers, and what it leads to.
pub(crate) struct Settled {
    pub(crate) choice: Choice,
    pub(crate) plan: Plan,
    pub(crate) integers: Integers,
    pub(crate) prediction: Prediction,
    pub(crate) alternatives: Vec<Alternative>,
}

/// The cheapest plan found.
#[expect(clippy::too_many_arguments, reason = "what the passes before have found out, each a different thing")]
pub(crate) fn settle(
    graph: &Graph,
    facts: &Facts,
    traces: &[Values],
    means: &[Vec<f64>],
    options: &Options,
    target: &Target,
    rings: &[Ring],
    clock: &mut Clock,
) -> Result<Settled> {
    let (mut allowed, mut closest, mut tables) = (target.deviation, f64::INFINITY, Tables::new());
    let mut best: Option<Settled> = None;
    let mut more = 0;
    for _ in 0..ATTEMPTS {
        let (choice, plan) = match clock.time("search", || search(facts, options, rings, allowed, &mut tables)) {
            Ok(found) => found,
            Err(_) if best.is_some() => break,
            Err(e) => return Err(as_asked(e, closest, target)),
        };
        let integers = clock.time("integers", || round(graph, &choice, &plan, means))?;
        let prediction = clock.time("predict", || predict(graph, &integers, &choice, &plan, traces));
        let spent = target.spent(&prediction);
        closest = closest.min(spent * target.deviation);
        // What the search takes the error for, and what it is.
        let ratio = spent * target.deviation / plan.variance.sqrt().max(f64::MIN_POSITIVE);
        let meets = spent <= 1.0;
        if meets {
            if best.as_ref().is_some_and(|b| !better(&plan, &b.plan)) {
                break;
            }
            best = Some(Settled { choice, plan, integers, prediction, alternatives: Vec::new() });
        }
        more += usize::from(best.is_some());
        if more > MORE || (meets && ratio >= TRUE_ENOUGH) {
            break;
        }
        let next = 0.98 * target.deviation / ratio;
        allowed = if meets { next } else { next.min(0.97 * allowed) };
    }
    if let Some(best) = &mut best {
        let simulated = target.spent(&best.prediction) * target.deviation;
        best.alternatives = clock.time("why", || {
            let why = Why { graph, facts, options, rings, choice: &best.choice, plan: &best.plan };
            why.alternatives(simulated, target.deviation, &mut tables)
        });
    }
    best.ok_or_else(|| {
        let remedy =
            "accept a larger error, leave `input_bits` and `weight_bits` to the compiler, or train for smaller outputs";
        Error::Precision { best: closest, asked: target.deviation, remedy }
    })
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
