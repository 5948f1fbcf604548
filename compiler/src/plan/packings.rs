//! Which packing is the cheapest for the images that are to be run together: one element of every
//! image in a ciphertext, or several elements of few images.

use std::sync::Arc;

use beaa_ir::ckks::{Alternative, AlternativeCost};

use crate::cost::coverage::Coverage;
use crate::error::{Error, Result};
use crate::network::activations::{forward, means};
use crate::network::bounds::{Bounds, analyse};
use crate::network::graph::Graph;
use crate::packing::{Packing, PackingTask, pack};
use crate::pass_runner::PassRunner;
use crate::passes::equalise_rows::equalise_rows;
use crate::passes::fold_affine::fold_affine_up_to;
use crate::plan::coverage::{PlannedFor, plan_for};
use crate::plan::graph_summary::{GraphSummary, summarise};
use crate::plan::level_plan::LevelPlan;
use crate::plan::packed_summary::with_packing;
use crate::plan::refine::{RefineTask, RefinedPlan};
use crate::plan::rings::{BYTES_PER_SECOND, Ring, Rings};
use crate::plan::simulate_noise::SimulatedNetwork;

/// Batches that leave fewer slots unused than this share of them are not packed otherwise.
const WORTH_PACKING: usize = 8;

/// Packed programs are taken where they are predicted to take at most this share of the time. The
/// built-in rates are those of no processor in particular: where instructions multiply many
/// integers at once, plain weights are twice as fast as they say; constants, which come from
/// memory, are not.
const MOST_TIME: f64 = 0.5;
/// Composed maps may have so many times the products of those before: a rotation or a level less is
/// worth more than products, which whole diagonals share.
const COMPOSED_GROWTH: usize = 2;

/// A plan for one packing.
pub(crate) struct Planned {
    pub(crate) refined: RefinedPlan,
    pub(crate) coverage: Coverage,
    /// The graph that it is of, with its bounds, where that is not the one of all plans.
    pub(crate) graph: Option<(Graph, Vec<Bounds>)>,
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
        Planned { refined: found.0, coverage: found.1, graph: None, cost, batches }
    };
    let element = match requested {
        Packing::Auto | Packing::Element => {
            Some(plan_for(task, planned_for, passes).map(|found| planned(found, task.rings, task.summary)))
        }
        Packing::Channel | Packing::Block(_) => None,
    };
    let packed = match (requested, &element) {
        (Packing::Element, _) => None,
        (Packing::Auto, Some(Ok(found))) if !worth_packing(&found.refined.plan, task.options.batch) => None,
        _ => packed_composed(task, planned_for, passes)?,
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

/// The plan of the graph with fewer maps.
fn packed_composed(
    task: RefineTask<'_>,
    planned_for: &PlannedFor<'_>,
    passes: &mut PassRunner<'_>,
) -> Result<Option<Planned>> {
    let network = task.network;
    let composed = passes.rewrite("compose_packed", || {
        let composed = fold_affine_up_to(network.graph.clone(), COMPOSED_GROWTH);
        let same = composed.nodes.len() == network.graph.nodes.len();
        Ok(if same { composed } else { equalise_rows(composed, planned_for.weight_grids) })
    })?;
    if composed.nodes.len() == network.graph.nodes.len() {
        return packed(task, planned_for, passes);
    }
    let activations = passes.time("activations", || forward(&composed, network.activations[0].clone()));
    let (bounds, means) = (analyse(&composed), means(&activations));
    let summary = passes.time("summarise", || summarise(&composed, &bounds, &activations, network.rounding_margin));
    let network = SimulatedNetwork { graph: &composed, activations: &activations, ..*network };
    let task = RefineTask { network: &network, summary: &summary, means: &means, ..task };
    let planned = packed(task, &PlannedFor { bounds: &bounds, ..*planned_for }, passes)?;
    Ok(planned.map(|planned| Planned { graph: Some((composed, bounds)), ..planned }))
}

/// Whether the images leave so many slots unused that others may be cheaper.
fn worth_packing(plan: &LevelPlan, images: usize) -> bool {
    images.next_power_of_two() * WORTH_PACKING <= plan.degree
}

/// The plan on the first ring that has one; none where no ring has.
fn packed(task: RefineTask<'_>, planned_for: &PlannedFor<'_>, passes: &mut PassRunner<'_>) -> Result<Option<Planned>> {
    let (network, images) = (task.network, task.options.batch);
    let mut last = None;
    for Ring { degree, allowed } in task.rings.all() {
        let block = match task.options.packing {
            Packing::Channel => degree,
            Packing::Block(positions) => positions,
            Packing::Auto | Packing::Element => degree / images.next_power_of_two().min(degree),
        };
        if block < 2 || block > degree {
            continue;
        }
        let packing = PackingTask { graph: network.graph, degree, block, seconds_per_byte: 1.0 / BYTES_PER_SECOND };
        let Some(graph) = passes.time("pack", || pack(packing)) else { continue };
        let summary = with_packing(task.summary, network.graph, Arc::new(graph), network.activations);
        let rings = Rings::single(Ring { degree, allowed }, images, block);
        let task = RefineTask { summary: &summary, rings: &rings, ..task };
        match plan_for(task, planned_for, passes) {
            Ok((refined, coverage)) => {
                let (cost, batches) = (rings.cost(&refined.plan, &summary), rings.batches(degree));
                return Ok(Some(Planned { refined, coverage, graph: None, cost, batches }));
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
