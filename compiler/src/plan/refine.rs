//! Searches, rounds and simulates until the cheapest plan is found whose simulated error is within
//! what was asked for: the search knows the error of a typical rounding only. Every plan returned
//! was simulated.

use beaa_ir::ckks::Alternative;

use crate::error::{Error, Result};
use crate::options::Options;
use crate::pass_runner::{PassRunner, Product};
use crate::passes::quantise_weights::{QuantisedWeights, quantise_weights};
use crate::plan::accuracy_target::AccuracyTarget;
use crate::plan::alternatives::ChosenPlan;
use crate::plan::answers::smaller_answers;
use crate::plan::assign_levels::assign_levels;
use crate::plan::graph_summary::GraphSummary;
use crate::plan::level_plan::{LevelPlan, PlanChoice};
use crate::plan::primes::PrimeTable;
use crate::plan::rings::{Ring, Rings};
use crate::plan::search::{PRECISION_REMEDY, Tables, better, search};
use crate::plan::simulate_noise::{Prediction, SimulatedNetwork, simulate_noise};
use crate::plan::variables::{stepped, variables};
use crate::plan::worst_case::WorstCase;

/// Attempts at a plan.
const MAX_ATTEMPTS: usize = 12;
/// Attempts to spend what the search took for error and is none.
const MAX_EXTRA_ATTEMPTS: usize = 3;
/// No such attempt where the error that the search was allowed is at least so much of what the next
/// would be.
const ACCEPTED_SHARE: f64 = 0.9;
/// Forms of smaller answers that are simulated, at most.
const MAX_SMALLER_ANSWERS: usize = 3;
/// Single bits that are taken away afterwards, at most.
const MAX_POLISH_STEPS: usize = 6;

/// A plan that meets the target, in integers, and what it leads to.
pub(crate) struct RefinedPlan {
    pub(crate) plan: LevelPlan,
    pub(crate) quantised: QuantisedWeights,
    pub(crate) prediction: Prediction,
    pub(crate) alternatives: Vec<Alternative>,
}

/// What the passes before have found out, and what is asked for.
#[derive(Clone, Copy)]
pub(crate) struct RefineTask<'a> {
    pub(crate) network: &'a SimulatedNetwork<'a>,
    pub(crate) summary: &'a GraphSummary,
    /// Of every node, the mean of each element.
    pub(crate) means: &'a [Vec<f64>],
    pub(crate) options: &'a Options,
    pub(crate) target: &'a AccuracyTarget,
    pub(crate) rings: &'a Rings,
    /// The images that the error must hold for one by one, rather than on average.
    pub(crate) worst_case: Option<&'a WorstCase<'a>>,
}

/// The cheapest plan found for all images together.
///
/// # Errors
/// As [`search`] where no plan meets the target.
pub(crate) fn refine(task: RefineTask<'_>, passes: &mut PassRunner<'_>) -> Result<RefinedPlan> {
    let RefineTask { network, summary, options, rings, target, .. } = task;
    let mut tables = Tables::new();
    let mut best = task.on(&rings.holding, &mut tables, passes)?;
    // What others of the rings came to.
    let mut others: Vec<LevelPlan> = Vec::new();
    for ring in &rings.smaller {
        if !rings.may_save(ring.degree, best.refined.plan.degree) {
            continue;
        }
        match task.on(&[*ring], &mut tables, passes) {
            Ok(found) if rings.is_cheaper(&found.refined.plan, &best.refined.plan, summary) => {
                others.push(std::mem::replace(&mut best, found).refined.plan);
            }
            Ok(found) => others.push(found.refined.plan),
            // What is too little for this network is so in every smaller ring.
            Err(Error::Parameters { .. } | Error::Precision { .. }) => break,
            Err(e) => return Err(e),
        }
    }
    passes.go_on()?;
    let OnRing { mut refined, rejected } = best;
    let simulated = target.budget_used(&refined.prediction) * target.deviation;
    refined.alternatives = passes.time("alternatives", || {
        let (graph, plan) = (network.graph, &refined.plan);
        let chosen = ChosenPlan { graph, summary, options, rings, plan, others: &others, rejected: &rejected };
        chosen.alternatives(simulated, target.deviation, &mut tables)
    });
    Ok(refined)
}

/// The cheapest plan on one of some rings.
struct OnRing {
    refined: RefinedPlan,
    /// Choices that were simulated in vain.
    rejected: Vec<PlanChoice>,
}

impl RefineTask<'_> {
    /// Rounds and simulates. Also returns the share of the allowed error that the plan uses.
    fn simulate(&self, plan: LevelPlan, passes: &mut PassRunner<'_>) -> Result<(RefinedPlan, f64)> {
        passes.go_on()?;
        let quantised = passes.time("quantise_weights", || quantise_weights(self.network.graph, &plan, self.means))?;
        let mut prediction = passes.time("simulate_noise", || simulate_noise(self.network, &quantised, &plan));
        if let Some(worst_case) = self.worst_case {
            passes.time("worst_case", || worst_case.apply(&mut prediction, &quantised, &plan))?;
        }
        let budget_used = self.target.budget_used(&prediction);
        Ok((RefinedPlan { plan, quantised, prediction, alternatives: Vec::new() }, budget_used))
    }

    /// The cheapest plan on the first of `rings` that has one.
    fn on(&self, rings: &[Ring], tables: &mut Tables, passes: &mut PassRunner<'_>) -> Result<OnRing> {
        let mut refined = self.search(rings, tables, passes)?;
        let ring = rings.iter().find(|r| r.degree == refined.plan.degree);
        let &ring = ring.unwrap_or_else(|| unreachable!("a plan of no ring that was searched"));
        let rejected = self.polish(&mut refined, ring, tables, passes)?;
        self.shrink_answers(&mut refined, ring, tables, passes)?;
        Ok(OnRing { refined, rejected })
    }

    /// Searches again with more or less of the error as long as the simulation says something else
    /// than the search.
    fn search(&self, rings: &[Ring], tables: &mut Tables, passes: &mut PassRunner<'_>) -> Result<RefinedPlan> {
        let target = self.target;
        let (mut allowed, mut closest) = (target.deviation, f64::INFINITY);
        // The least that led to a plan whose simulated error is more than asked for.
        let mut failed = f64::INFINITY;
        let mut best: Option<RefinedPlan> = None;
        let mut extra_attempts = 0;
        for _ in 0..MAX_ATTEMPTS {
            passes.go_on()?;
            let found = passes.time("search", || search(self.summary, self.options, rings, allowed, tables));
            let plan = match found {
                Ok(found) => found,
                Err(_) if best.is_some() => break,
                Err(e) => return Err(as_requested(e, closest, target)),
            };
            passes.show("search", Product::Plan(&plan));
            let (next, budget_used) = self.simulate(plan, passes)?;
            closest = closest.min(budget_used * target.deviation);
            let ratio = ratio(&next, target);
            let meets = budget_used <= 1.0;
            if meets {
                if best.as_ref().is_some_and(|b| !better(&next.plan, &b.plan)) {
                    break;
                }
                best = Some(next);
            } else {
                failed = failed.min(allowed);
            }
            extra_attempts += usize::from(best.is_some());
            // Half of the way, in proportion, to what failed already: ratios differ among plans.
            let next = (0.98 * target.deviation / ratio).min((allowed * failed).sqrt());
            if extra_attempts > MAX_EXTRA_ATTEMPTS || (meets && allowed >= ACCEPTED_SHARE * next) {
                break;
            }
            allowed = if meets { next } else { next.min(0.97 * allowed) };
        }
        best.ok_or_else(|| {
            let remedy = PRECISION_REMEDY;
            Error::Precision { best: closest, requested: target.deviation, remedy }
        })
    }

    /// Takes away single bits where the simulation leaves error that the search did not see;
    /// returns the choices that were simulated in vain.
    fn polish(
        &self,
        best: &mut RefinedPlan,
        Ring { degree, allowed }: Ring,
        tables: &mut Tables,
        passes: &mut PassRunner<'_>,
    ) -> Result<Vec<PlanChoice>> {
        let mut rejected = Vec::new();
        let variables = variables(self.summary, self.options);
        let primes = &*tables.entry(degree).or_insert_with(|| PrimeTable::new(degree));
        for _ in 0..MAX_POLISH_STEPS {
            let ratio = ratio(best, self.target);
            let next = variables.iter().find_map(|&variable| {
                let choice = stepped(&best.plan.choice, variable, -1).filter(|c| !rejected.contains(c))?;
                let plan = assign_levels(self.summary, choice, primes, allowed)?;
                let fits = plan.log_qp <= f64::from(allowed)
                    && plan.variance.sqrt() * ratio <= self.target.deviation
                    && better(&plan, &best.plan);
                fits.then_some(plan)
            });
            let Some(plan) = next else { break };
            let (next, budget_used) = self.simulate(plan, passes)?;
            if budget_used > 1.0 {
                rejected.push(next.plan.choice);
            } else {
                *best = next;
            }
        }
        Ok(rejected)
    }
}

impl RefineTask<'_> {
    /// Makes the answers smaller where that costs less than it saves and the error stays allowed.
    fn shrink_answers(
        &self,
        best: &mut RefinedPlan,
        Ring { degree, allowed }: Ring,
        tables: &mut Tables,
        passes: &mut PassRunner<'_>,
    ) -> Result<()> {
        let primes = &*tables.entry(degree).or_insert_with(|| PrimeTable::new(degree));
        let error = best.prediction.nodes[self.network.graph.output].encryption;
        let assign = |answer| {
            let choice = PlanChoice { answer, ..best.plan.choice.clone() };
            let plan = assign_levels(self.summary, choice, primes, allowed)?;
            (plan.log_qp <= f64::from(allowed)).then_some(plan)
        };
        let cost = |plan: &LevelPlan| self.rings.cost(plan, self.summary);
        let smaller = smaller_answers(&best.plan, error, self.summary, assign);
        let worth: Vec<LevelPlan> = smaller.into_iter().filter(|plan| cost(plan) < cost(&best.plan)).collect();
        for plan in worth.into_iter().take(MAX_SMALLER_ANSWERS) {
            let (next, budget_used) = self.simulate(plan, passes)?;
            if budget_used <= 1.0 {
                *best = next;
                break;
            }
        }
        Ok(())
    }
}

/// What an error is to what the search takes it for.
fn ratio(refined: &RefinedPlan, target: &AccuracyTarget) -> f64 {
    target.budget_used(&refined.prediction) * target.deviation / refined.plan.variance.sqrt().max(f64::MIN_POSITIVE)
}

/// A search that failed after its target was tightened is reported with the error that was asked
/// for, and the best one predicted so far.
fn as_requested(error: Error, closest: f64, target: &AccuracyTarget) -> Error {
    match error {
        Error::Precision { remedy, best, .. } => Error::Precision {
            best: if closest.is_finite() { closest } else { best },
            requested: target.deviation,
            remedy,
        },
        other => other,
    }
}
