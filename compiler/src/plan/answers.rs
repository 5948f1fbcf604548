//! Outputs are sent in no more than they need: in the fewest bits that leave them their precision,
//! and in two components where keys are switched anyway. What that adds to their error is little of
//! what is there.

use crate::plan::graph_summary::GraphSummary;
use crate::plan::level_plan::{Answer, LevelPlan};
use crate::plan::noise;
use crate::plan::rings::answer_bytes;

/// The noise of rescaling is at most one of these shares of the error that the outputs have anyway.
/// Where three components are rescaled it differs from slot to slot, up to some eight times for a
/// few of them, which these shares leave below the error itself.
const SHARES: [f64; 3] = [1.0 / 8.0, 1.0 / 16.0, 1.0 / 32.0];

/// The plans that differ from `plan` in their outputs alone and whose answers are smaller, smallest
/// first; `error` is that of the outputs from encryption. `assign` makes a plan of a choice.
pub(crate) fn smaller_answers(
    plan: &LevelPlan,
    error: f64,
    summary: &GraphSummary,
    assign: impl Fn(Answer) -> Option<LevelPlan>,
) -> Vec<LevelPlan> {
    let switches = plan.steps.iter().any(|s| s.op.switches_keys());
    let both: &[bool] = if switches && plan.output.1 == 3 { &[true, false] } else { &[false] };
    let mut found: Vec<LevelPlan> = Vec::new();
    for &relinearise in both {
        let components = if relinearise { 2 } else { plan.output.1 };
        let least = |share: f64| (noise::rescale(plan.degree, components).sqrt() / (share * error)).log2().ceil();
        let waterlines = SHARES.iter().map(|&share| Some(least(share).max(1.0) as u32)).chain([None]);
        let answers = waterlines.map(|waterline| Answer { relinearise, waterline });
        let changed = answers.filter(|answer| *answer != Answer::default());
        found.extend(changed.filter_map(&assign));
    }
    let bits = |p: &LevelPlan| p.log_modulus().ceil();
    found.retain(|p| {
        let same_input = p.moduli.len() <= plan.moduli.len() && bits(p) <= bits(plan);
        same_input && answer_bytes(p, summary) < answer_bytes(plan, summary)
    });
    found.sort_by(|a, b| answer_bytes(a, summary).total_cmp(&answer_bytes(b, summary)));
    found
}
