//! A plan, and for which images it holds: those like the samples, or every image that is promised
//! without samples, where parameters allow it.

use std::sync::Arc;

use beaa_ir::images::ImageMajor;

use crate::cost::coverage::Coverage;
use crate::error::{Error, Result};
use crate::network::activations::{forward, means};
use crate::network::bounds::{Bounds, ranges_narrow};
use crate::pass_runner::PassRunner;
use crate::plan::graph_summary::summarise;
use crate::plan::packed_summary::with_packing;
use crate::plan::refine::{RefineTask, RefinedPlan, refine};
use crate::plan::simulate_noise::SimulatedNetwork;
use crate::plan::worst_case::WorstCase;

/// The images that a program is planned for.
pub(crate) struct PlannedFor<'a> {
    pub(crate) bounds: &'a [Bounds],
    pub(crate) shape: [usize; 3],
    /// None are made up for.
    pub(crate) samples: Option<&'a ImageMajor<f32>>,
}

/// The cheapest plan, and the images that it holds for.
///
/// # Errors
/// As [`refine`].
pub(crate) fn plan_for(
    task: RefineTask<'_>,
    planned_for: &PlannedFor<'_>,
    passes: &mut PassRunner<'_>,
) -> Result<(RefinedPlan, Coverage)> {
    let found = refine(task, passes);
    match planned_for.samples {
        Some(images) => {
            let (samples, range_safety) = (images.images(), task.options.range_safety);
            found.map(|refined| (refined, Coverage::LikeSamples { samples, range_safety }))
        }
        None => cover(found, task, planned_for, passes),
    }
}

/// Makes a plan hold for every image that is promised without samples, where parameters do, and
/// says for which images it does. `typical` was planned by images that look normalised.
fn cover(
    typical: Result<RefinedPlan>,
    task: RefineTask<'_>,
    &PlannedFor { bounds, shape, .. }: &PlannedFor<'_>,
    passes: &mut PassRunner<'_>,
) -> Result<(RefinedPlan, Coverage)> {
    let RefineTask { network, options, target, .. } = task;
    let &SimulatedNetwork { graph, classes, rounding_margin, .. } = network;
    let anywhere = !ranges_narrow(graph, bounds);
    let worst_case = passes.time("worst_case", || WorstCase::new(graph, bounds, shape, anywhere, rounding_margin))?;
    let Some(worst_case) = worst_case else {
        let why = "hardly any made-up image stays within the ranges of the model's file, which are those of images \
                   that the compiler does not know; errors are those of made-up images that look normalised";
        return Ok((typical?, Coverage::Nothing { why: why.into() }));
    };
    let made_up = worst_case.images.images();
    let coverage = if anywhere {
        Coverage::EveryAllowed { made_up }
    } else {
        Coverage::WithinRanges { made_up, range_safety: options.range_safety, outside: worst_case.outside }
    };
    let typical = match typical {
        Ok(mut refined) => {
            let mut worst = refined.prediction.clone();
            passes.time("worst_case", || worst_case.apply(&mut worst, &refined.quantised, &refined.plan))?;
            tracing::debug!(typical = refined.prediction.output, worst = worst.output, ?coverage, "worst image");
            if target.budget_used(&worst) <= 1.0 {
                refined.prediction = worst;
                return Ok((refined, coverage));
            }
            Ok((refined, worst))
        }
        Err(e @ (Error::Precision { .. } | Error::Parameters { .. })) => Err(e),
        Err(e) => return Err(e),
    };
    // Planned anew, by the images that it must hold for.
    let activations = passes.time("activations", || forward(graph, worst_case.images.clone()));
    let means = means(&activations);
    let summary = passes.time("summarise", || summarise(graph, bounds, &activations, rounding_margin));
    let summary = match &task.summary.packed {
        Some(packed) => with_packing(&summary, graph, Arc::clone(&packed.graph), &activations),
        None => summary,
    };
    let network = SimulatedNetwork { graph, classes, activations: &activations, rounding_margin };
    let task =
        RefineTask { network: &network, summary: &summary, means: &means, worst_case: Some(&worst_case), ..task };
    match refine(task, passes) {
        Ok(found) => Ok((found, coverage)),
        Err(e @ (Error::Precision { .. } | Error::Parameters { .. })) => {
            let (mut refined, worst) = typical?;
            let mut why = format!(
                "some allowed images have an error of {:.1e}, {:.1e} was asked for, and no parameters are good for \
                 all of them ({e})",
                worst.output, options.logit_error
            );
            if anywhere {
                // Nothing says what images there will be, so the client must reckon with these.
                refined.prediction = worst;
                why.push_str("; errors are those of the worst of made-up images");
            } else {
                why.push_str("; errors are those of made-up images that look normalised");
            }
            Ok((refined, Coverage::Nothing { why }))
        }
        Err(e) => Err(e),
    }
}
