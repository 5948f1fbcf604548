//! How long a program will take: the predicted seconds of every step and of packing the output, by
//! the parts of the schedule that a run follows.

use beaa_ckks::primes::most_bits;
use beaa_ckks::{Kernel, Panels};
use beaa_ir::ckks::{LinearTerm, Part, Program, ProgramShape, StepOp, ValueId, schedule};

use crate::cost::machine::Machine;
use crate::cost::memory::PLANNED_MEMORY;
use crate::cost::ops::{Boundary, OpContext, RotationCounts, SizedOp, seconds_of};

/// Predicted seconds of one core, for all slots.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    /// Seconds of each step; what it reads from memory or unpacks first in its part, and what its
    /// part stores, included.
    pub steps: Vec<f64>,
    /// Seconds of packing the answer.
    pub output: f64,
    /// Seconds of encoding the constants of a packed program, once for all runs of a process; no
    /// part of a run.
    pub prepare: f64,
}

impl Forecast {
    /// Seconds of the whole run on one core.
    pub fn seconds(&self) -> f64 {
        self.steps.iter().sum::<f64>() + self.output
    }
}

/// Predicts a run on one core of `machine`.
pub fn forecast(program: &Program, machine: &Machine) -> Forecast {
    let pricing = Pricing { program, machine, kernel: machine.kernel() };
    let mut steps = vec![0.0; program.steps().len()];
    for part in schedule(&ProgramShape::from(program), &PLANNED_MEMORY, true).parts {
        pricing.add_part(&part, &mut steps);
    }
    let output = program.values()[program.output()];
    let pack = SizedOp::Pack { len: program.ciphertexts(program.output()), components: output.components };
    let prepare = (0..program.steps().len()).map(|step| pricing.constants(step)).sum();
    Forecast { steps, output: pricing.seconds(pack, output.limbs), prepare }
}

struct Pricing<'a> {
    program: &'a Program,
    machine: &'a Machine,
    kernel: Kernel,
}

impl Pricing<'_> {
    /// Adds the seconds of a part to those of its steps.
    fn add_part(&self, part: &Part, steps: &mut [f64]) {
        let last = &self.program.steps()[part.last].op;
        let pointwise = last.is_pointwise() && !matches!(last, StepOp::DropLimbs { .. });
        let stored = self.program.values()[part.last + 1];
        // What is made inside stays in the cache; everything else is read from memory once, tile by
        // tile.
        let mut read: Vec<ValueId> = Vec::new();
        for (i, seconds) in steps.iter_mut().enumerate().take(part.last + 1).skip(part.first) {
            let op = &self.program.steps()[i].op;
            let boundary = Boundary { gathers: i == part.first, scatters: i == part.last };
            if !pointwise {
                *seconds += self.step(i, boundary, self.program.values()[op.input(0)].limbs);
                continue;
            }
            // A fused part computes the limbs of its result only.
            *seconds += self.step(i, boundary, stored.limbs);
            for input in op.inputs().filter(|&v| v <= part.first) {
                if !read.contains(&input) {
                    read.push(input);
                    *seconds += self.fetch(input, stored.limbs);
                }
            }
        }
        if pointwise {
            let len = self.program.ciphertexts(part.last + 1);
            let store = SizedOp::Stream { len, components: stored.components };
            steps[part.last] += self.seconds(store, stored.limbs);
        }
    }

    /// Reading so many limbs of a value; the encrypted images are unpacked where they are read.
    fn fetch(&self, value: ValueId, limbs: usize) -> f64 {
        let (info, len) = (self.program.values()[value], self.program.ciphertexts(value));
        let op =
            if value == 0 { SizedOp::Expand { len } } else { SizedOp::Stream { len, components: info.components } };
        self.seconds(op, limbs)
    }

    /// A step on so many limbs, without what passes through memory.
    fn step(&self, index: usize, boundary: Boundary, limbs: usize) -> f64 {
        let (result, len) = (self.program.values()[index + 1], self.program.ciphertexts(index + 1));
        let sized = match &self.program.steps()[index].op {
            StepOp::Linear { terms, .. } => match self.program.packed_map(index) {
                Some((map, size)) => SizedOp::Rotations(RotationCounts::of(size, map)),
                None => self.matrix(terms, result.len, limbs),
            },
            StepOp::Square { .. } => SizedOp::Square { len },
            StepOp::Relinearise { .. } => SizedOp::Relinearise { len, boundary },
            StepOp::Rescale { .. } => SizedOp::Rescale { len, components: result.components, boundary },
            StepOp::ScaleUp { .. } => SizedOp::ScaleUp { len, components: result.components },
            StepOp::DropLimbs { .. } => SizedOp::DropLimbs,
        };
        self.seconds(sized, limbs)
    }

    /// Encoding a step's constants; those of other programs are integers as they are.
    fn constants(&self, index: usize) -> f64 {
        let Some((map, size)) = self.program.packed_map(index) else { return 0.0 };
        let limbs = self.program.values()[self.program.steps()[index].op.input(0)].limbs;
        let (vectors, images, weights) = (size.diagonals, map.images, self.program.steps()[index].op.entries());
        self.seconds(SizedOp::Constants { vectors, images, weights }, limbs)
    }

    /// Products as the kernel will arrange the rows for so many limbs.
    fn matrix(&self, terms: &[LinearTerm], outputs: usize, limbs: usize) -> SizedOp {
        let moduli = &self.program.signature().parameters.moduli;
        let bits = most_bits(moduli);
        let (mut products, mut loads, mut edges) = (0.0, 0, 0);
        for term in terms {
            let input = self.program.values()[term.input];
            edges += (outputs + input.len) * input.components;
            let (rows, columns) = (term.weights.rows(), term.weights.columns());
            let panels = Panels::for_residues(self.kernel, bits, rows, columns, |r| term.weights.row(r))
                .unwrap_or_else(|e| unreachable!("a checked matrix has no panels: {e}"));
            let all: f64 = moduli[..limbs].iter().map(|&q| panels.products(self.kernel, q)).sum();
            products += input.components as f64 * all / limbs as f64;
            loads += input.components * panels.loads();
        }
        SizedOp::Matrix { products, loads, edges }
    }

    fn seconds(&self, op: SizedOp, limbs: usize) -> f64 {
        let parameters = &self.program.signature().parameters;
        let context = OpContext { degree: parameters.degree, limbs, special: parameters.special.len() };
        seconds_of(self.machine, op, context)
    }
}
