//! How a job can run: what it takes, and what stays in memory for the next.

use beaa_runtime::ckks::{ArrangedWeights, planned_bytes};

use super::loaded::LoadedProgram;

/// What a run takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    /// Bytes at its worst moment.
    pub(super) bytes: u64,
    pub(super) weights: ArrangedWeights,
    /// Whether weights and key stay for the next job.
    pub(super) keeps: bool,
}

/// The ways to run so many images with `budget` bytes, best first; the last may take too much.
///
/// Weights are arranged once where there are more images than a batch holds, as `beaa run` does it.
/// They stay for the next job where memory has room for two such runs, and not where a card runs
/// the jobs, which arranges its own.
pub(super) fn plans(program: &LoadedProgram, images: u64, budget: u64, card: bool) -> Vec<Plan> {
    let slots = program.program.signature().capacity() as u64;
    let plan = |weights, keeps| Plan { bytes: planned_bytes(&program.program, weights), weights, keeps };
    let kept = plan(ArrangedWeights::Kept, false);
    let mut plans = Vec::new();
    if kept.bytes <= budget / 2 && !card {
        plans.push(Plan { keeps: true, ..kept });
    } else if kept.bytes <= budget && images > slots {
        plans.push(kept);
    }
    plans.push(plan(ArrangedWeights::PerPart, false));
    plans
}

#[cfg(test)]
mod tests {
    use super::super::loaded::tests::loaded;
    use super::*;

    #[test]
    fn weights_stay_where_two_runs_have_room_and_the_last_plan_is_without_them() {
        let program = loaded();
        let slots = program.program.signature().capacity() as u64;
        let per_part = plans(&program, 1, 0, false);
        assert!(per_part.len() == 1 && per_part[0].weights == ArrangedWeights::PerPart && per_part[0].bytes > 0);
        let all = plans(&program, 1, u64::MAX, false);
        assert_eq!(all[1..], per_part);
        let kept = all[0];
        assert!(kept.keeps && kept.weights == ArrangedWeights::Kept, "{kept:?}");
        assert_eq!(plans(&program, slots, 2 * kept.bytes, false)[0], kept);
        assert_eq!(plans(&program, slots, 2 * kept.bytes - 1, false), per_part);
        let for_this_job = Plan { keeps: false, ..kept };
        assert_eq!(plans(&program, slots + 1, 2 * kept.bytes - 1, false), [for_this_job, per_part[0]]);
        assert_eq!(plans(&program, slots + 1, kept.bytes - 1, false), per_part);
        assert_eq!(plans(&program, slots, u64::MAX, true), per_part, "a card has weights of its own");
        assert_eq!(plans(&program, slots + 1, u64::MAX, true), [for_this_job, per_part[0]]);
    }
}
