//! The order of work: which steps run fused, when values die, and how much memory that takes, all known before
//! anything is allocated. Must never change what a program computes.

use beaa_ir::{Program, StepOp, ValueInfo};

/// Steps `first..=last`, run as one; a value is freed after the part that reads it last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// First step.
    pub first: usize,
    /// Last step; its result is the only one kept.
    pub last: usize,
    /// Values that no later part reads.
    pub frees: Vec<usize>,
}

/// The parts of a program and the most memory that its ciphertexts take at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// In order.
    pub parts: Vec<Part>,
    /// Residues of all live values, in bytes, at the worst moment; scratch and keys come on top.
    pub peak_bytes: u64,
}

/// The schedule; without `fuse` every step is a part of its own, so that each value can be looked at.
pub fn plan(program: &Program, fuse: bool) -> Schedule {
    let steps = program.steps();
    let last_use = last_uses(program);
    let mut parts = Vec::new();
    let mut first = 0;
    while first < steps.len() {
        let last = if fuse { longest(program, &last_use, first) } else { first };
        let frees = (0..=last).filter(|&v| last_use.get(v).is_some_and(|&u| (first..=last).contains(&u))).collect();
        parts.push(Part { first, last, frees });
        first = last + 1;
    }
    let peak_bytes = peak(program, &parts);
    Schedule { parts, peak_bytes }
}

/// The last step that reads each value; the output is read after all steps, what nobody reads right where it is made.
fn last_uses(program: &Program) -> Vec<usize> {
    let mut last: Vec<usize> = (0..program.values().len()).map(|v| v.saturating_sub(1)).collect();
    for (i, step) in program.steps().iter().enumerate() {
        for v in step.op.inputs() {
            if let Some(l) = last.get_mut(v) {
                *l = i;
            }
        }
    }
    if let Some(l) = last.get_mut(program.output()) {
        *l = usize::MAX;
    }
    last
}

/// The furthest step up to which a fused part from `first` can reach: all pointwise, on inputs of the same limbs, and
/// no result but the last one's needed later.
fn longest(program: &Program, last_use: &[usize], first: usize) -> usize {
    let steps = program.steps();
    let end = steps.iter().skip(first).take_while(|s| pointwise(&s.op)).count() + first;
    (first + 1..end)
        .rev()
        .find(|&last| {
            let kept_inside = (first..last).all(|i| last_use.get(i + 1).is_some_and(|&u| u <= last));
            let limbs = |v: usize| program.values().get(v).map(|i| i.limbs);
            let mut outside = steps
                .get(first..=last)
                .into_iter()
                .flatten()
                .flat_map(|s| s.op.inputs())
                .filter(|&v| v <= first)
                .map(limbs);
            let one = outside.next();
            kept_inside && outside.all(|l| Some(l) == one)
        })
        .unwrap_or(first)
}

fn pointwise(op: &StepOp) -> bool {
    matches!(op, StepOp::Linear { .. } | StepOp::Square { .. } | StepOp::ScaleUp { .. })
}

fn peak(program: &Program, parts: &[Part]) -> u64 {
    let degree = program.signature().parameters.degree as u64;
    let bytes = |v: &ValueInfo| (v.len * v.limbs * v.components) as u64 * degree * 8;
    let of = |v: usize| program.values().get(v).map_or(0, bytes);
    let mut live = of(0);
    let mut peak = live;
    for part in parts {
        live += of(part.last + 1);
        peak = peak.max(live);
        // Values inside a fused part were never stored.
        let stored = |v: &&usize| **v <= part.first || **v == part.last + 1;
        live -= part.frees.iter().filter(stored).map(|&v| of(v)).sum::<u64>().min(live);
    }
    peak
}
