//! Walks a schedule on any backend, times it, and checks after every part that the backend agrees with the program's
//! own account. Must never know which backend it drives.

use std::time::Instant;

use beaa_ir::ckks::{MemoryModel, Part, Program, ProgramShape, Schedule, Step, StepOp, ValueId, schedule};
use serde::Serialize;

use crate::backend::{Backend, FusedOp, Operand};
use crate::error::input;
use crate::{Progress, Result};

/// The time of one part of a run, or of all bands of one.
#[derive(Debug, Clone, Serialize)]
pub struct LayerTime {
    /// The model's layers that took part, joined by `+`.
    pub layer: String,
    /// The operations, joined by `+`.
    pub operation: String,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// Ciphertexts that resulted.
    pub ciphertexts: usize,
    /// The operations one by one, when several ran as one.
    pub operations: Vec<OperationTime>,
}

/// The time of one operation of a fused part.
#[derive(Debug, Clone, Serialize)]
pub struct OperationTime {
    /// The model's layer; `input` for the unpacking of what is read in place.
    pub layer: String,
    /// What was done.
    pub operation: String,
    /// Seconds, summed over threads.
    pub thread_seconds: f64,
}

/// The schedule in which every step is a part of its own, so that each value can be looked at.
pub(crate) fn step_by_step(program: &Program) -> Schedule {
    // Without fused parts the order is all that matters: the bytes are nobody's promise.
    let machine = MemoryModel { threads: 1, tile: 1, chunk: 1, input_in_place: false };
    schedule(&ProgramShape::from(program), &machine, false)
}

/// Runs `program` from `first`; `on_value` sees every value that is stored.
pub(crate) fn execute<B: Backend>(
    backend: &B,
    program: &Program,
    schedule: &Schedule,
    first: B::Value,
    progress: &dyn Progress,
    mut on_value: impl FnMut(ValueId, &B::Value) -> Result<()>,
) -> Result<(B::Value, Vec<LayerTime>)> {
    let mut values: Vec<Option<B::Value>> = (0..program.values().len()).map(|_| None).collect();
    check(backend, program, 0, &first)?;
    on_value(0, &first)?;
    if let Some(slot) = values.first_mut() {
        *slot = Some(first);
    }
    let mut times = Vec::new();
    progress.begin("run", schedule.parts.len() as u64);
    for part in &schedule.parts {
        let started = Instant::now();
        let (result, operations) = run_part(backend, program, part, &values)?;
        let id = part.last + 1;
        check(backend, program, id, &result)?;
        let seconds = started.elapsed().as_secs_f64();
        let time = describe(program, part, seconds, backend.info(&result).len);
        add(&mut times, LayerTime { operations, ..time });
        on_value(id, &result)?;
        if let Some(slot) = values.get_mut(id) {
            *slot = Some(result);
        }
        for &dead in &part.frees {
            if let Some(slot) = values.get_mut(dead) {
                *slot = None;
            }
        }
        progress.advance(1);
    }
    progress.end();
    let output = values.get_mut(program.output()).and_then(Option::take);
    let output = output.ok_or_else(|| input("running a program", "a freed output", "the output kept to the end"))?;
    Ok((output, times))
}

fn run_part<B: Backend>(
    backend: &B,
    program: &Program,
    part: &Part,
    values: &[Option<B::Value>],
) -> Result<(B::Value, Vec<OperationTime>)> {
    let get = |v: ValueId| {
        values
            .get(v)
            .and_then(Option::as_ref)
            .ok_or_else(|| input("running a program", format!("value {v} gone"), "a live value"))
    };
    let steps = program.steps().get(part.first..=part.last).unwrap_or_default();
    let time = |layer: &str, operation: &str, thread_seconds| OperationTime {
        layer: layer.into(),
        operation: operation.into(),
        thread_seconds,
    };
    let timed = |seconds: Vec<f64>| -> Vec<OperationTime> {
        steps.iter().zip(seconds).map(|(s, seconds)| time(&s.layer, s.op.name(), seconds)).collect()
    };
    if let Some(Step { op: op @ (StepOp::Relinearise { input } | StepOp::Rescale { input }), .. }) = steps.first() {
        let relinearise = matches!(op, StepOp::Relinearise { .. });
        let done = backend.switch(get(*input)?, relinearise, steps.len() - usize::from(relinearise))?;
        let operations = if steps.len() > 1 { timed(done.seconds) } else { Vec::new() };
        return Ok((done.value, operations));
    }
    let mut inputs: Vec<ValueId> = Vec::new();
    let mut ops = Vec::with_capacity(steps.len());
    for step in steps {
        let mut operand = |v: ValueId| {
            if v > part.first {
                return Operand::Result(v - part.first - 1);
            }
            let position = inputs.iter().position(|&i| i == v).unwrap_or(inputs.len());
            if position == inputs.len() {
                inputs.push(v);
            }
            Operand::Input(position)
        };
        ops.push(match &step.op {
            StepOp::Linear { terms, weight_scale, bias } => FusedOp::Linear {
                terms: terms.iter().map(|t| (operand(t.input), &t.weights)).collect(),
                weight_scale: *weight_scale,
                bias,
            },
            StepOp::Square { input } => FusedOp::Square(operand(*input)),
            StepOp::ScaleUp { input, factor } => FusedOp::ScaleUp(operand(*input), *factor),
            StepOp::Relinearise { .. } | StepOp::Rescale { .. } => {
                return Err(input("running a program", "key switching amid pointwise steps", "a part of its own"));
            }
            StepOp::DropLimbs { input, limbs } if part.first == part.last => {
                return Ok((backend.drop_limbs(get(*input)?, *limbs)?, Vec::new()));
            }
            StepOp::DropLimbs { input, limbs } => FusedOp::DropLimbs(operand(*input), *limbs),
        });
    }
    let inputs = inputs.into_iter().map(get).collect::<Result<Vec<_>>>()?;
    let done = backend.fused(&inputs, &ops)?;
    let mut operations = timed(done.seconds);
    if done.unpacking > 0.0 {
        operations.insert(0, time("input", "unpack", done.unpacking));
    }
    Ok((done.value, operations))
}

fn check<B: Backend>(backend: &B, program: &Program, id: ValueId, value: &B::Value) -> Result<()> {
    let got = backend.info(value);
    let fits = program.values().get(id).is_some_and(|want| {
        (got.len, got.limbs, got.components) == (want.len, want.limbs, want.components)
            && (got.scale / want.scale - 1.0).abs() < 1e-9
    });
    if fits {
        return Ok(());
    }
    Err(input("running a program", format!("{got:?} for value {id}"), format!("{:?}", program.values().get(id))))
}

fn describe(program: &Program, part: &Part, seconds: f64, ciphertexts: usize) -> LayerTime {
    let steps = program.steps().get(part.first..=part.last).unwrap_or_default();
    // A band repeats what its neighbours do: each operation of a layer is named once.
    let mut named: Vec<(&str, &str)> = Vec::with_capacity(steps.len());
    for step in steps {
        let name = (step.layer.as_str(), step.op.name());
        if !named.contains(&name) {
            named.push(name);
        }
    }
    let mut layers: Vec<&str> = named.iter().map(|n| n.0).collect();
    layers.dedup();
    let operations: Vec<&str> = named.iter().map(|n| n.1).collect();
    LayerTime {
        layer: layers.join(" + "),
        operation: operations.join(" + "),
        seconds,
        ciphertexts,
        operations: Vec::new(),
    }
}

/// Adds what the bands of a layer took.
fn add(times: &mut Vec<LayerTime>, part: LayerTime) {
    match times.iter_mut().find(|t| t.layer == part.layer && t.operation == part.operation) {
        Some(same) => {
            same.seconds += part.seconds;
            same.ciphertexts += part.ciphertexts;
            for operation in part.operations {
                let alike = |o: &&mut OperationTime| o.layer == operation.layer && o.operation == operation.operation;
                match same.operations.iter_mut().find(alike) {
                    Some(o) => o.thread_seconds += operation.thread_seconds,
                    None => same.operations.push(operation),
                }
            }
        }
        None => times.push(part),
    }
}
