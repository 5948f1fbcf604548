//! What each part of a run did, counted from the program: products of residues and bytes of residues read and written.
//! Must never count what the run keeps in the cache: a fused part reads its inputs and writes its last result.

use beaa_compiler::Forecast;
use beaa_ir::{Program, StepOp, ValueId, ValueInfo};
use beaa_runtime::{LayerTime, Schedule};
use serde::Serialize;

/// One part of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PartFigures {
    /// The model's layers.
    pub layer: String,
    /// The operations.
    pub operation: String,
    /// Ciphertexts that resulted.
    pub calls: usize,
    /// Measured, one thread.
    pub seconds: f64,
    /// Part of the whole run.
    pub share: f64,
    /// Products of residues.
    pub products: u64,
    /// The same in a second.
    pub products_per_second: f64,
    /// Residues read and written, in bytes, as stored.
    pub bytes: u64,
    /// The same in a second.
    pub bytes_per_second: f64,
    /// What the compiler predicts for one thread of this machine.
    pub predicted_seconds: f64,
}

/// Products and bytes of an operation or a part.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Work {
    pub(crate) products: u64,
    pub(crate) bytes: u64,
}

/// The parts of a run with what they did. `forecast` is the compiler's.
pub(crate) fn parts(
    program: &Program,
    schedule: &Schedule,
    times: &[LayerTime],
    forecast: &Forecast,
) -> Vec<PartFigures> {
    let total: f64 = times.iter().map(|t| t.seconds).sum();
    let of_step = |step: usize| forecast.steps.get(step).copied().unwrap_or(0.0);
    // The first entry of the report is the expansion of the input, the rest are the schedule's parts.
    let expansion = (input_work(program), forecast.input);
    let scheduled =
        schedule.parts.iter().map(|p| (part_work(program, p.first, p.last), (p.first..=p.last).map(of_step).sum()));
    let works = std::iter::once(expansion).chain(scheduled);
    let row = |(time, (work, predicted_seconds)): (&LayerTime, (Work, f64))| PartFigures {
        layer: time.layer.clone(),
        operation: time.operation.clone(),
        calls: time.ciphertexts,
        seconds: time.seconds,
        share: time.seconds / total,
        products: work.products,
        products_per_second: work.products as f64 / time.seconds,
        bytes: work.bytes,
        bytes_per_second: work.bytes as f64 / time.seconds,
        predicted_seconds,
    };
    times.iter().zip(works).map(row).collect()
}

/// Bytes of a value as the run stores it.
pub(crate) fn bytes(program: &Program, value: ValueId) -> u64 {
    let degree = program.signature().parameters.degree;
    program.values().get(value).map_or(0, |v: &ValueInfo| (v.len * v.limbs * v.components * degree * 8) as u64)
}

fn input_work(program: &Program) -> Work {
    // Half of it is read, packed; all of it is written.
    Work { products: 0, bytes: bytes(program, 0) }
}

fn part_work(program: &Program, first: usize, last: usize) -> Work {
    let steps = program.steps().get(first..=last).unwrap_or_default();
    let mut read: Vec<ValueId> = steps.iter().flat_map(|s| s.op.inputs()).filter(|&v| v <= first).collect();
    read.sort_unstable();
    read.dedup();
    let moved: u64 = read.into_iter().chain([last + 1]).map(|v| bytes(program, v)).sum();
    let products = (first..=last).map(|i| step_products(program, i)).sum();
    Work { products, bytes: moved }
}

/// Products of residues in one step, those inside transforms not counted.
pub(crate) fn step_products(program: &Program, step: usize) -> u64 {
    let parameters = &program.signature().parameters;
    let none = ValueInfo { len: 0, limbs: 0, scale: 1.0, components: 0 };
    let of = |v: ValueId| program.values().get(v).copied().unwrap_or(none);
    let Some(op) = program.steps().get(step).map(|s| &s.op) else { return 0 };
    let residues = |v: ValueInfo, per_slot: usize| (v.len * v.limbs * per_slot * parameters.degree) as u64;
    match op {
        StepOp::Linear { terms, .. } => {
            let entries: usize = terms.iter().map(|t| t.weights.entries() * of(t.input).components).sum();
            (entries * of(step + 1).limbs * parameters.degree) as u64
        }
        StepOp::Square { input } => residues(of(*input), 3),
        StepOp::ScaleUp { input, .. } => residues(of(*input), of(*input).components),
        // Each digit with both halves of its key, modulo every prime.
        StepOp::Relinearise { input } => residues(of(*input), 2 * (of(*input).limbs + parameters.special.len())),
        StepOp::Rescale { input } => {
            residues(ValueInfo { limbs: of(*input).limbs - 1, ..of(*input) }, of(*input).components)
        }
        StepOp::DropLimbs { .. } => 0,
    }
}
