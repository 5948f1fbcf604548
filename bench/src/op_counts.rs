//! What each part of a run did, counted from the program: products of residues and bytes of residues read and written.
//! Must never count what the run keeps in the cache: a fused part reads its inputs and writes its last result.

use beaa_compiler::ckks::Forecast;
use beaa_ir::ckks::{Part, Program, Schedule, StepOp, ValueId, ValueInfo};
use beaa_runtime::LayerTime;
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

/// One operation of a part.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OperationFigures {
    /// The model's layer; `input` for unpacking the images.
    pub layer: String,
    /// Its name.
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
}

/// The parts of a run that took `total` seconds, with what they did.
pub(crate) fn part_figures(
    program: &Program,
    schedule: &Schedule,
    times: &[LayerTime],
    forecast: &Forecast,
    total: f64,
) -> Vec<PartFigures> {
    let row = |(time, part): (&LayerTime, &Part)| {
        let products: u64 = (part.first..=part.last).map(|i| step_products(program, i)).sum();
        let bytes = moved(program, part);
        PartFigures {
            layer: time.layer.clone(),
            operation: time.operation.clone(),
            calls: time.ciphertexts,
            seconds: time.seconds,
            share: time.seconds / total,
            products,
            products_per_second: products as f64 / time.seconds,
            bytes,
            bytes_per_second: bytes as f64 / time.seconds,
            predicted_seconds: forecast.steps.get(part.first..=part.last).unwrap_or_default().iter().sum(),
        }
    };
    times.iter().zip(&schedule.parts).map(row).collect()
}

/// The operations of a run that took `total` seconds.
pub(crate) fn operation_figures(
    program: &Program,
    schedule: &Schedule,
    times: &[LayerTime],
    total: f64,
) -> Vec<OperationFigures> {
    let mut figures = Vec::new();
    for (time, part) in times.iter().zip(&schedule.parts) {
        let mut push = |layer: &str, operation: &str, calls: usize, seconds: f64, products: u64| {
            figures.push(OperationFigures {
                layer: layer.into(),
                operation: operation.into(),
                calls,
                seconds,
                share: seconds / total,
                products,
                products_per_second: products as f64 / seconds,
            });
        };
        let made = |step: usize| program.values().get(step + 1).map_or(0, |v| v.len);
        // What is unpacked comes before the part's own steps.
        let unpacked = time.operations.len().saturating_sub(part.last + 1 - part.first);
        for (i, operation) in time.operations.iter().enumerate() {
            let step = (part.first + i).checked_sub(unpacked).filter(|_| i >= unpacked);
            let calls = step.map_or_else(|| program.values().first().map_or(0, |v| v.len), made);
            let products = step.map_or(0, |s| step_products(program, s));
            push(&operation.layer, &operation.operation, calls, operation.thread_seconds, products);
        }
        if time.operations.is_empty() {
            let products = (part.first..=part.last).map(|i| step_products(program, i)).sum();
            push(&time.layer, &time.operation, time.ciphertexts, time.seconds, products);
        }
    }
    figures
}

/// Bytes of a value as the run stores it; the images stay packed, their uniform halves are drawn when they are read.
fn bytes(program: &Program, value: ValueId) -> u64 {
    let p = &program.signature().parameters;
    let Some(v) = program.values().get(value) else { return 0 };
    match value {
        0 => {
            let bits: u64 = p.moduli.iter().take(v.limbs).map(|q| u64::from(u64::BITS - q.leading_zeros())).sum();
            (v.len * p.degree) as u64 * bits / 8
        }
        _ => (v.len * v.limbs * v.components * p.degree * 8) as u64,
    }
}

fn moved(program: &Program, part: &Part) -> u64 {
    let steps = program.steps().get(part.first..=part.last).unwrap_or_default();
    let mut read: Vec<ValueId> = steps.iter().flat_map(|s| s.op.inputs()).filter(|&v| v <= part.first).collect();
    read.sort_unstable();
    read.dedup();
    read.into_iter().chain([part.last + 1]).map(|v| bytes(program, v)).sum()
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
            let v = of(*input);
            residues(ValueInfo { limbs: v.limbs.saturating_sub(1), ..v }, v.components)
        }
        StepOp::DropLimbs { .. } => 0,
    }
}
