//! How long a program will take: the predicted seconds of every step and of packing the output.
//! Must never depend on anything but the program and the machine.

use beaa_ckks::{Kernel, Panels};
use beaa_ir::ckks::{LinearTerm, Program, Step, StepOp, ValueId, ValueInfo};

use crate::cost::machine::Machine;
use crate::cost::ops::{Boundary, OpContext, SizedOp, seconds_of};
use crate::cost::report::Report;

/// Seconds of one core, for all slots.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    /// Step by step; what a step unpacks or reads from memory, and what is written for another part, counts as its own.
    pub steps: Vec<f64>,
    /// Packing the answer.
    pub output: f64,
}

impl Forecast {
    /// Of the whole run on one core.
    pub fn seconds(&self) -> f64 {
        self.steps.iter().sum::<f64>() + self.output
    }
}

/// Predicts a run on one core of `machine`.
pub fn forecast(program: &Program, machine: &Machine) -> Forecast {
    let signature = program.signature();
    let none = ValueInfo { len: 0, limbs: 0, scale: 1.0, components: 0 };
    let of = |id: ValueId| program.values().get(id).copied().unwrap_or(none);
    // Rows are arranged as the measured path has it; built-in rates are those of no path in particular.
    let kernel = if machine.calibrated() { Kernel::detect() } else { Kernel::Portable };
    let context = |limbs: usize| OpContext {
        degree: signature.parameters.degree,
        limbs,
        special: signature.parameters.special.len(),
    };
    let cost = |sized: SizedOp, limbs: usize| seconds_of(machine, sized, context(limbs));
    let stream = |v: ValueInfo| cost(SizedOp::Stream { len: v.len, components: v.components }, v.limbs);
    // The encrypted images are unpacked where they are read.
    let fetch = |id: ValueId| match id {
        0 => cost(SizedOp::Expand { len: of(0).len }, of(0).limbs),
        id => stream(of(id)),
    };
    let output = of(program.output());
    let steps = program.steps().iter().enumerate().map(|(i, step)| {
        let result = of(i + 1);
        let first = step.op.inputs().next().map_or(result, of);
        let boundary = Boundary { gathers: !chained(program, i), scatters: !chained(program, i + 1) };
        let work_seconds = cost(sized_op(step, result, (boundary, kernel), &of), first.limbs);
        if !pointwise(step) {
            return work_seconds;
        }
        // A value passes through memory unless it was made by the pointwise step right before, for this step alone.
        let read: f64 = step.op.inputs().into_iter().filter(|&v| !fused(program, v)).map(fetch).sum();
        let written = if fused(program, i + 1) { 0.0 } else { stream(result) };
        work_seconds + read + written
    });
    Forecast {
        steps: steps.collect(),
        output: cost(SizedOp::Pack { len: output.len, components: output.components }, output.limbs),
    }
}

impl Report {
    /// The same report with the seconds of `machine`.
    pub fn on(mut self, program: &Program, machine: &Machine) -> Self {
        let forecast = forecast(program, machine);
        for layer in &mut self.layers {
            let own = program.steps().iter().zip(&forecast.steps).filter(|(s, _)| s.layer == layer.layer);
            layer.seconds = own.map(|(_, seconds)| seconds).sum();
        }
        self.totals.output_seconds = forecast.output;
        self.totals.seconds = forecast.seconds();
        self.totals.machine = machine.literal().name.clone();
        self.totals.calibrated = machine.calibrated();
        self
    }
}

fn pointwise(step: &Step) -> bool {
    matches!(step.op, StepOp::Linear { .. } | StepOp::Square { .. } | StepOp::ScaleUp { .. })
}

/// Whether a value never leaves the cache: the result of a pointwise step that only the next step reads, pointwise, too.
fn fused(program: &Program, value: ValueId) -> bool {
    let steps = program.steps();
    let Some(maker) = value.checked_sub(1) else { return false };
    let read = |s: &Step| s.op.inputs().any(|v| v == value);
    value != program.output()
        && steps.get(maker).is_some_and(pointwise)
        && steps.get(value).is_some_and(|next| pointwise(next) && read(next))
        && !steps.iter().skip(value + 1).any(read)
}

/// Whether step `index` is a rescaling that takes its ciphertexts one by one from the step before.
fn chained(program: &Program, index: usize) -> bool {
    let steps = program.steps();
    let read = |s: &Step| s.op.inputs().any(|v| v == index);
    let switches = |s: &Step| matches!(s.op, StepOp::Relinearise { .. } | StepOp::Rescale { .. });
    index > 0
        && index != program.output()
        && steps.get(index).is_some_and(|s| matches!(s.op, StepOp::Rescale { input } if input == index))
        && steps.get(index - 1).is_some_and(switches)
        && !steps.iter().skip(index + 1).any(read)
}

fn sized_op(
    step: &Step,
    result: ValueInfo,
    (boundary, kernel): (Boundary, Kernel),
    of: &impl Fn(ValueId) -> ValueInfo,
) -> SizedOp {
    match &step.op {
        StepOp::Linear { terms, .. } => matrix(kernel, terms, result, of),
        StepOp::Square { .. } => SizedOp::Square { len: result.len },
        StepOp::Relinearise { .. } => SizedOp::Relinearise { len: result.len, boundary },
        StepOp::Rescale { .. } => SizedOp::Rescale { len: result.len, components: result.components, boundary },
        StepOp::ScaleUp { .. } => SizedOp::ScaleUp { len: result.len, components: result.components },
        StepOp::DropLimbs { .. } => SizedOp::DropLimbs,
    }
}

/// As the kernel will arrange the rows.
fn matrix(kernel: Kernel, terms: &[LinearTerm], result: ValueInfo, of: &impl Fn(ValueId) -> ValueInfo) -> SizedOp {
    let (mut products, mut loads, mut edges) = (0, 0, 0);
    for term in terms {
        let components = of(term.input).components;
        edges += (result.len + of(term.input).len) * components;
        let (rows, columns) = (term.weights.rows(), term.weights.columns());
        // Checked matrices always have panels.
        let panels = Panels::new(kernel, rows, columns, |r| term.weights.row(r));
        let row_work = panels.map_or((term.weights.entries(), term.weights.entries()), |p| (p.products(), p.loads()));
        products += components * row_work.0;
        loads += components * row_work.1;
    }
    SizedOp::Matrix { products, loads, edges }
}
