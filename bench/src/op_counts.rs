//! What each part of a run did, counted from the program: products of residues, and bytes of
//! residues read and written. What a run keeps in the cache is not counted: a fused part reads its
//! inputs and writes its last result.

use beaa_compiler::ckks::Forecast;
use beaa_ir::ckks::{Part, Program, Schedule, StepOp, ValueId, ValueInfo, switching_key_polynomials};
use beaa_ir::stats::residue_bits;
use beaa_runtime::LayerTime;
use serde::Serialize;

/// One part of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PartFigures {
    /// The model's layers.
    pub layer: String,
    /// The operations, joined by plus signs.
    pub operation: String,
    /// Ciphertexts that resulted.
    pub calls: usize,
    /// Seconds measured on one thread.
    pub seconds: f64,
    /// Share of the whole run's seconds, 0 to 1.
    pub share: f64,
    /// Products of residues.
    pub products: u64,
    /// Products of residues in a second.
    pub products_per_second: f64,
    /// Bytes of residues read and written, as stored.
    pub bytes: u64,
    /// Bytes read and written in a second.
    pub bytes_per_second: f64,
    /// Seconds that the compiler predicts for one thread of this machine.
    pub predicted_seconds: f64,
}

/// One operation of a part.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OperationFigures {
    /// The model's layer; `input` for unpacking the images.
    pub layer: String,
    /// The operation's name.
    pub operation: String,
    /// Ciphertexts that resulted.
    pub calls: usize,
    /// Seconds measured on one thread.
    pub seconds: f64,
    /// Share of the whole run's seconds, 0 to 1.
    pub share: f64,
    /// Products of residues.
    pub products: u64,
    /// Products of residues in a second.
    pub products_per_second: f64,
}

/// Says what each part of a run that took `total` seconds did; there is one time for each part of
/// the schedule.
pub(crate) fn part_figures(
    program: &Program,
    schedule: &Schedule,
    times: &[LayerTime],
    forecast: &Forecast,
    total: f64,
) -> Vec<PartFigures> {
    assert_eq!(times.len(), schedule.parts.len(), "one time for each part");
    let figures = |(time, part): (&LayerTime, &Part)| {
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
            predicted_seconds: forecast.steps[part.first..=part.last].iter().sum(),
        }
    };
    times.iter().zip(&schedule.parts).map(figures).collect()
}

/// Says what each operation of a run that took `total` seconds did; there is one time for each part
/// of the schedule.
pub(crate) fn operation_figures(
    program: &Program,
    schedule: &Schedule,
    times: &[LayerTime],
    total: f64,
) -> Vec<OperationFigures> {
    assert_eq!(times.len(), schedule.parts.len(), "one time for each part");
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
        // What is unpacked comes before the steps of the part.
        let unpacked = time.operations.len().saturating_sub(part.last + 1 - part.first);
        for (i, operation) in time.operations.iter().enumerate() {
            let step = (part.first + i).checked_sub(unpacked).filter(|_| i >= unpacked);
            let calls = program.values()[step.map_or(0, |s| s + 1)].len;
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

/// Bytes of a value as the run stores it; the images stay packed, their uniform halves are drawn
/// when they are read.
fn bytes(program: &Program, value: ValueId) -> u64 {
    let p = &program.signature().parameters;
    let v = program.values()[value];
    match value {
        0 => {
            let bits: u64 = p.moduli.iter().take(v.limbs).map(|q| u64::from(residue_bits(*q))).sum();
            (v.len * p.degree) as u64 * bits / 8
        }
        _ => (v.len * v.limbs * v.components * p.degree * 8) as u64,
    }
}

/// Bytes that a part reads from memory and writes to it.
fn moved(program: &Program, part: &Part) -> u64 {
    let steps = program.steps()[part.first..=part.last].iter();
    let mut read: Vec<ValueId> = steps.flat_map(|s| s.op.inputs()).filter(|&v| v <= part.first).collect();
    read.sort_unstable();
    read.dedup();
    read.into_iter().chain([part.last + 1]).map(|v| bytes(program, v)).sum()
}

/// Counts the products of residues in one step, those inside transforms not included.
pub(crate) fn step_products(program: &Program, step: usize) -> u64 {
    let parameters = &program.signature().parameters;
    let of = |v: ValueId| program.values()[v];
    let residues = |v: ValueInfo, per_slot: usize| (v.len * v.limbs * per_slot * parameters.degree) as u64;
    match &program.steps()[step].op {
        StepOp::Linear { terms, .. } => {
            let entries: usize = terms.iter().map(|t| t.weights.entries() * of(t.input).components).sum();
            (entries * of(step + 1).limbs * parameters.degree) as u64
        }
        StepOp::Square { input } => residues(of(*input), 3),
        StepOp::ScaleUp { input, .. } => residues(of(*input), of(*input).components),
        // Each digit with both halves of its key, modulo every prime.
        StepOp::Relinearise { input } => {
            let ValueInfo { len, limbs, .. } = of(*input);
            (len * switching_key_polynomials(limbs, parameters.special.len()) * parameters.degree) as u64
        }
        StepOp::Rescale { input } => {
            let v = of(*input);
            residues(ValueInfo { limbs: v.limbs.saturating_sub(1), ..v }, v.components)
        }
        StepOp::DropLimbs { .. } => 0,
    }
}
