//! Walks a schedule on any backend, times it, and asserts after every part that the backend agrees
//! with the program's account of lengths, limbs, scales and components.

use std::time::Instant;

use beaa_ir::ckks::{MemoryModel, Part, Program, ProgramShape, Schedule, Step, StepOp, ValueId, ValueInfo, schedule};

use crate::backend::{Backend, Sequence, Timed, arrange};
use crate::layer_time::{LayerTime, OperationTime};
use crate::progress::go_on;
use crate::{Error, Progress, Result};

/// Returns the schedule in which every step is a part of its own, so that each value can be looked
/// at.
pub fn step_by_step(program: &Program) -> Schedule {
    // Without fused parts the order is all that matters: the bytes are nobody's promise.
    let machine = MemoryModel {
        threads: 1,
        tile: 1,
        chunk: 1,
        shortest_period: 1,
        held_words: 1,
        input_in_place: false,
        arranged_weights_kept: false,
    };
    schedule(&ProgramShape::from(program), &machine, false)
}

/// The most elements of values that are stored at a time while a program runs by `schedule`, with
/// all that the steps of a part make.
pub(crate) fn live_elements(program: &Program, schedule: &Schedule) -> usize {
    let values = program.values();
    let mut live = values[0].len;
    let mut most = live;
    for part in &schedule.parts {
        let inside: usize = values[part.first + 1..=part.last].iter().map(|v| v.len).sum();
        live += values[part.last + 1].len;
        most = most.max(live + inside);
        let stored = |v: &&ValueId| **v <= part.first || **v == part.last + 1;
        live -= part.frees.iter().filter(stored).map(|&v| values[v].len).sum::<usize>();
    }
    most
}

/// A program on a backend, part by part.
pub(crate) struct Execution<'a, 'w, B: Backend> {
    /// Runs the operations.
    pub(crate) backend: &'a B,
    /// What is run.
    pub(crate) program: &'a Program,
    /// In which parts, and when values are freed.
    pub(crate) schedule: &'a Schedule,
    /// The weights of every step's terms, `[step][term]`; without them each part arranges its own
    /// while it runs.
    pub(crate) weights: Option<&'w [Vec<B::Weights<'a>>]>,
}

impl<'a, B: Backend> Execution<'a, '_, B> {
    /// Runs from the input `first` to the output, and tells what each part took. `on_value` sees
    /// every value that is stored.
    ///
    /// # Errors
    /// When `first` is not what the program takes, an operation refuses its operands, `on_value`
    /// fails, or `progress` stops the run.
    pub(crate) fn run(
        &self,
        first: B::Value,
        progress: &dyn Progress,
        mut on_value: impl FnMut(ValueId, &B::Value) -> Result<()>,
    ) -> Result<(B::Value, Vec<LayerTime>)> {
        let (found, expected) = (self.backend.info(&first), self.program.values()[0]);
        if !agree(&found, &expected) {
            return Err(Error::WrongShape { operation: "running a program", found, expected });
        }
        on_value(0, &first)?;
        let mut values: Vec<Option<B::Value>> = self.program.values().iter().map(|_| None).collect();
        values[0] = Some(first);
        let mut times = Vec::new();
        progress.begin("run", self.schedule.parts.len() as u64);
        for part in &self.schedule.parts {
            go_on(progress, "running a program")?;
            let started = Instant::now();
            let (result, operations) = self.part(part, &values)?;
            let (id, seconds) = (part.last + 1, started.elapsed().as_secs_f64());
            let ciphertexts = self.program.ciphertexts(id);
            let time = describe(&self.program.steps()[part.first..=part.last], seconds, ciphertexts);
            let time = LayerTime { operations, ..time };
            progress.part(&time);
            add(&mut times, time);
            on_value(id, &result)?;
            values[id] = Some(result);
            for &dead in &part.frees {
                values[dead] = None;
            }
            progress.advance(1);
        }
        progress.end();
        match values[self.program.output()].take() {
            Some(output) => Ok((output, times)),
            None => unreachable!("the output, value {}, was freed", self.program.output()),
        }
    }

    /// Runs one part, whose result must be what the program says; `values` holds all that it reads.
    ///
    /// # Errors
    /// When an operation refuses its operands.
    pub(crate) fn part(&self, part: &Part, values: &[Option<B::Value>]) -> Result<(B::Value, Vec<OperationTime>)> {
        let (result, operations) = self.computed(part, values)?;
        let id = part.last + 1;
        let (found, expected) = (self.backend.info(&result), self.program.values()[id]);
        assert!(agree(&found, &expected), "value {id} is {found:?}, expected {expected:?}");
        Ok((result, operations))
    }

    fn computed(&self, part: &Part, values: &[Option<B::Value>]) -> Result<(B::Value, Vec<OperationTime>)> {
        let read = |id: ValueId| match &values[id] {
            Some(value) => value,
            None => unreachable!("value {id} was freed before step {}, which reads it", part.last),
        };
        let steps = &self.program.steps()[part.first..=part.last];
        match (&steps[0].op, steps.len()) {
            (StepOp::DropLimbs { input, limbs }, 1) => Ok((self.backend.drop_limbs(read(*input), *limbs)?, Vec::new())),
            (StepOp::Relinearise { input }, count) => {
                let done = self.backend.key_switch(read(*input), true, count - 1)?;
                Ok(timed(if count > 1 { steps } else { &[] }, done))
            }
            (StepOp::Rescale { input }, count) => {
                let done = self.backend.key_switch(read(*input), false, count)?;
                Ok(timed(if count > 1 { steps } else { &[] }, done))
            }
            _ => {
                let mut inputs: Vec<(ValueId, &B::Value)> = Vec::new();
                for id in steps.iter().flat_map(|s| s.op.inputs()).filter(|&id| id <= part.first) {
                    if !inputs.iter().any(|(known, _)| *known == id) {
                        inputs.push((id, read(id)));
                    }
                }
                let arranged;
                let weights = match self.weights {
                    Some(all) => &all[part.first..=part.last],
                    None => {
                        arranged = arrange(part.first, steps, |t| self.backend.arrange(t))?;
                        arranged.as_slice()
                    }
                };
                Ok(timed(steps, self.backend.fused(&Sequence::new(part.first, steps, weights, &inputs)?)?))
            }
        }
    }
}

/// The value, and the times of the operations by the names of their steps.
fn timed<V>(steps: &[Step], done: Timed<V>) -> (V, Vec<OperationTime>) {
    let time = |layer: &str, operation: &str, thread_seconds| OperationTime {
        layer: layer.into(),
        operation: operation.into(),
        thread_seconds,
    };
    let unpacking = (done.unpacking > 0.0).then(|| time("input", "unpack", done.unpacking));
    let steps = steps.iter().zip(&done.seconds).map(|(s, &seconds)| time(&s.layer, s.op.name(), seconds));
    (done.value, unpacking.into_iter().chain(steps).collect())
}

fn agree(found: &ValueInfo, expected: &ValueInfo) -> bool {
    (found.len, found.limbs, found.components) == (expected.len, expected.limbs, expected.components)
        && (found.scale / expected.scale - 1.0).abs() < 1e-9
}

fn describe(steps: &[Step], seconds: f64, ciphertexts: usize) -> LayerTime {
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

/// Adds what the bands of a layer, or its batches, took.
pub(crate) fn add(times: &mut Vec<LayerTime>, part: LayerTime) {
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
