//! Which packing is the cheapest for the images that are to be run together: one element of every
//! image in a ciphertext, or several elements of few images.

use std::sync::Arc;

use beaa_ir::ckks::{Alternative, AlternativeCost};

use crate::cost::coverage::Coverage;
use crate::error::{Error, Result};
use crate::packing::{Packing, PackingTask, pack};
use crate::pass_runner::PassRunner;
use crate::plan::coverage::{PlannedFor, plan_for};
use crate::plan::graph_summary::GraphSummary;
use crate::plan::level_plan::LevelPlan;
use crate::plan::packed_summary::with_packing;
use crate::plan::refine::{RefineTask, RefinedPlan};
use crate::plan::rings::{BYTES_PER_SECOND, Ring, Rings};

/// Other packings are looked at where there are at least so many slots for each image.
const SLOTS_PER_IMAGE: usize = 8;

/// Packed programs are taken where they are predicted to take at most this share of the time. The
/// built-in rates are those of no processor in particular: where instructions multiply many
/// integers at once, plain weights are four times as fast as they say, transforms three times.
const MOST_TIME: f64 = 0.5;

/// A plan for one packing.
pub(crate) struct Planned {
    pub(crate) refined: RefinedPlan,
    pub(crate) coverage: Coverage,
    /// Seconds, of one core and of the line that carries keys, images and answers, for all images.
    cost: f64,
    /// Batches that they take.
    batches: usize,
}

impl Planned {
    /// Whether it costs less in time and bytes, and is sure to take no longer.
    fn is_better(&self, than: &Self) -> bool {
        self.cost < than.cost && self.seconds() <= MOST_TIME * than.seconds()
    }

    /// Predicted seconds of one core for all images.
    fn seconds(&self) -> f64 {
        self.batches as f64 * self.refined.plan.seconds
    }
}

/// The cheapest plan of all packings that the options allow.
///
/// # Errors
/// As [`plan_for`]; [`Error::Option`] where the network cannot be packed as asked for.
pub(crate) fn cheapest_packing(
    task: RefineTask<'_>,
    planned_for: &PlannedFor<'_>,
    passes: &mut PassRunner<'_>,
) -> Result<Planned> {
    let requested = task.options.packing;
    let planned = |found: (RefinedPlan, Coverage), rings: &Rings, summary: &GraphSummary| {
        let (cost, batches) = (rings.cost(&found.0.plan, summary), rings.batches(found.0.plan.degree));
        Planned { refined: found.0, coverage: found.1, cost, batches }
    };
    let element = match requested {
        Packing::Auto | Packing::Element => {
            Some(plan_for(task, planned_for, passes).map(|found| planned(found, task.rings, task.summary)))
        }
        Packing::Channel | Packing::Block(_) => None,
    };
    let packed = match (requested, &element) {
        (_, Some(Err(Error::Stopped))) => return Err(Error::Stopped),
        (Packing::Element, _) => None,
        (Packing::Auto, Some(Ok(found))) if !worth_packing(&found.refined.plan, task.options.batch) => None,
        // Rotations take more modulus, not less.
        (_, Some(Ok(found))) => packed(task, found.refined.plan.degree, planned_for, passes)?,
        _ => packed(task, 0, planned_for, passes)?,
    };
    let (chosen, other) = match (element, packed) {
        (Some(Ok(element)), Some(packed)) if packed.is_better(&element) => (packed, Some(element)),
        (Some(Ok(element)), packed) => (element, packed),
        (Some(Err(_)), Some(packed)) => (packed, None),
        (Some(Err(e)), None) => return Err(e),
        (None, Some(packed)) => (packed, None),
        (None, None) => {
            let expected = "a packing in which the network has a program; element, or leave it to the compiler";
            return Err(Error::Option { option: "packing", found: requested.to_string(), expected: expected.into() });
        }
    };
    let mut chosen = chosen;
    if let Some(other) = other {
        let alternative = alternative(&chosen.refined.plan, &other, other.cost / chosen.cost);
        chosen.refined.alternatives.insert(0, alternative);
    }
    Ok(chosen)
}

/// Whether the images leave so many slots unused that others may be cheaper.
fn worth_packing(plan: &LevelPlan, images: usize) -> bool {
    images.next_power_of_two() * SLOTS_PER_IMAGE <= plan.degree
}

/// The plan on the first ring, of those from degree `least` on, that has one; none where no ring
/// has.
fn packed(
    task: RefineTask<'_>,
    least: usize,
    planned_for: &PlannedFor<'_>,
    passes: &mut PassRunner<'_>,
) -> Result<Option<Planned>> {
    let (network, images) = (task.network, task.options.batch);
    let mut last = None;
    for Ring { degree, allowed } in task.rings.all().filter(|r| r.degree >= least) {
        let block = match task.options.packing {
            Packing::Channel => degree,
            Packing::Block(positions) => positions,
            Packing::Auto | Packing::Element => degree / images.next_power_of_two().min(degree),
        };
        if block < 2 || block > degree {
            continue;
        }
        passes.go_on()?;
        let packing = PackingTask { graph: network.graph, degree, block, seconds_per_byte: 1.0 / BYTES_PER_SECOND };
        let Some(graph) = passes.time("pack", || pack(packing)) else { continue };
        let summary = with_packing(task.summary, network.graph, Arc::new(graph), network.activations);
        let rings = Rings::single(Ring { degree, allowed }, images, block);
        let task = RefineTask { summary: &summary, rings: &rings, ..task };
        match plan_for(task, planned_for, passes) {
            Ok((refined, coverage)) => {
                let (cost, batches) = (rings.cost(&refined.plan, &summary), rings.batches(degree));
                return Ok(Some(Planned { refined, coverage, cost, batches }));
            }
            Err(e @ (Error::Parameters { .. } | Error::Precision { .. })) => last = Some(e),
            Err(e) => return Err(e),
        }
    }
    match last {
        Some(e) if !matches!(task.options.packing, Packing::Auto) => Err(e),
        _ => Ok(None),
    }
}

/// The packing that was not taken.
fn alternative(chosen: &LevelPlan, other: &Planned, dearer: f64) -> Alternative {
    let say = |plan: &LevelPlan| match &plan.packed {
        Some(packed) => {
            let (degree, block) = (plan.degree, packed.block);
            format!("packing block:{block} at N = {degree}, {} rotations", packed.rotations().len())
        }
        None => format!("packing element at N = {}", plan.degree),
    };
    let plan = &other.refined.plan;
    Alternative {
        layer: "program".into(),
        chosen: say(chosen),
        instead: say(plan),
        verdict: format!("{dearer:.2} times as dear for all images, in time and bytes to send"),
        outcome: Some(AlternativeCost {
            seconds: plan.seconds,
            limbs: plan.moduli.len(),
            log_qp: plan.log_qp,
            error: other.refined.prediction.output,
        }),
    }
}
