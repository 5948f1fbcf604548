//! The order of work: which steps run fused, when values die, and how much memory that takes, all known before anything
//! is allocated. The one account of it: the compiler chooses bands by it, the runtime runs by it. Must never change what a
//! program computes.

use super::check::ValueInfo;
use super::program::{Program, StepOp, ValueId};

/// Bytes of a residue.
const WORD: u64 = 8;
/// Bytes that a weight takes in a program, and again in the form that kernels read while its step runs.
const WEIGHT: (u64, u64) = (8, 12);

/// What the memory of a run depends on beside the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryModel {
    /// Threads that work at once.
    pub threads: usize,
    /// Slots of one limb that a fused part works on at a time.
    pub tile: usize,
    /// Ciphertexts that key switching and rescaling hold as whole polynomials at a time.
    pub chunk: usize,
    /// Whether fused parts read the input where it lies, a tile at a time; otherwise it is expanded whole.
    pub input_in_place: bool,
    /// Whether the weights of all steps stay in the form that kernels read; otherwise they take it while a step runs.
    pub arranged_weights_kept: bool,
}

/// Steps `first..=last`, run as one; a value is freed after the part that reads it last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// First step.
    pub first: usize,
    /// Last step; its result is the only one kept.
    pub last: usize,
    /// Values that no later part reads.
    pub frees: Vec<ValueId>,
    /// Bytes of all stored values while this part runs, its result included.
    pub live_bytes: u64,
    /// Bytes that running it takes beside these.
    pub working_bytes: u64,
}

/// The parts of a program and the most memory that they take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// In order.
    pub parts: Vec<Part>,
    /// Bytes of the weights and of the evaluation key, which stay throughout.
    pub fixed_bytes: u64,
    /// Bytes at the worst moment: fixed, live and working.
    pub peak_bytes: u64,
}

impl Schedule {
    /// The part that takes the most memory, and the one to change in order to take less.
    pub fn worst(&self) -> Option<&Part> {
        self.parts.iter().max_by_key(|p| p.live_bytes + p.working_bytes)
    }
}

/// What kind of operation a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepKind {
    /// Integer-matrix products.
    Linear,
    /// Squares.
    Square,
    /// Multiplication by an integer.
    ScaleUp,
    /// Three components to two.
    Relinearise,
    /// Drops a prime, dividing.
    Rescale,
    /// Drops limbs.
    DropLimbs,
}

impl StepKind {
    /// Whether it works on each slot of each limb alone, and so can be part of a fused sequence. Dropping limbs is so only
    /// before others, which then leave these limbs alone.
    pub fn is_pointwise(self) -> bool {
        matches!(self, Self::Linear | Self::Square | Self::ScaleUp | Self::DropLimbs)
    }

    /// Whether it goes from values to coefficients and back, ciphertext by ciphertext.
    pub fn switches(self) -> bool {
        matches!(self, Self::Relinearise | Self::Rescale)
    }
}

impl From<&StepOp> for StepKind {
    fn from(op: &StepOp) -> Self {
        match op {
            StepOp::Linear { .. } => Self::Linear,
            StepOp::ScaleUp { .. } => Self::ScaleUp,
            StepOp::Square { .. } => Self::Square,
            StepOp::Relinearise { .. } => Self::Relinearise,
            StepOp::Rescale { .. } => Self::Rescale,
            StepOp::DropLimbs { .. } => Self::DropLimbs,
        }
    }
}

/// A program without its numbers: all that scheduling looks at.
#[derive(Debug, Clone, PartialEq)]
pub struct ProgramShape {
    /// In order.
    pub steps: Vec<StepShape>,
    /// The input, then every step's result.
    pub values: Vec<ValueInfo>,
    /// Which value is the result.
    pub output: ValueId,
    /// Ring degree.
    pub degree: usize,
    /// Primes of the evaluation key: all moduli, and the special one.
    pub key_primes: usize,
}

/// A step without its numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepShape {
    /// What is done.
    pub kind: StepKind,
    /// The values read.
    pub inputs: Vec<ValueId>,
    /// Weights, over all terms.
    pub entries: usize,
}

impl From<&Program> for ProgramShape {
    fn from(program: &Program) -> Self {
        let steps = program.steps().iter().map(|s| {
            let entries = match &s.op {
                StepOp::Linear { terms, .. } => terms.iter().map(|t| t.weights.entries()).sum(),
                _ => 0,
            };
            StepShape { kind: (&s.op).into(), inputs: s.op.inputs(), entries }
        });
        let parameters = &program.signature().parameters;
        Self {
            steps: steps.collect(),
            values: program.values().to_vec(),
            output: program.output(),
            degree: parameters.degree,
            key_primes: parameters.moduli.len() + parameters.special.len(),
        }
    }
}

/// The schedule; without `fuse` every step is a part of its own, so that each value can be looked at.
pub fn schedule(shape: &ProgramShape, memory: &MemoryModel, fuse: bool) -> Schedule {
    let last_use = last_uses(shape);
    let mut parts: Vec<Part> = Vec::new();
    let mut part_of = Vec::with_capacity(shape.steps.len());
    let mut first = 0;
    while first < shape.steps.len() {
        let last = if fuse { longest(shape, &last_use, first) } else { first };
        part_of.resize(last + 1, parts.len());
        parts.push(Part { first, last, frees: Vec::new(), live_bytes: 0, working_bytes: 0 });
        first = last + 1;
    }
    for (value, &user) in last_use.iter().enumerate() {
        if let Some(part) = part_of.get(user).and_then(|&p| parts.get_mut(p)) {
            part.frees.push(value);
        }
    }
    account(shape, memory, parts)
}

/// The last step that reads each value; the output is read after all steps, what nobody reads right where it is made.
fn last_uses(shape: &ProgramShape) -> Vec<usize> {
    let mut last: Vec<usize> = (0..shape.values.len()).map(|v| v.saturating_sub(1)).collect();
    for (i, step) in shape.steps.iter().enumerate() {
        for &v in &step.inputs {
            if let Some(l) = last.get_mut(v) {
                *l = i;
            }
        }
    }
    if let Some(l) = last.get_mut(shape.output) {
        *l = usize::MAX;
    }
    last
}

/// The furthest step up to which a fused part from `first` can reach: a relinearisation and rescalings in a row; or all
/// pointwise, on inputs that have the limbs of the last result, which alone is needed later.
fn longest(shape: &ProgramShape, last_use: &[usize], first: usize) -> usize {
    if shape.steps.get(first).is_some_and(|s| s.kind.switches()) {
        let follows = |&i: &usize| {
            shape.steps.get(i).is_some_and(|s| s.kind == StepKind::Rescale && s.inputs == [i])
                && last_use.get(i) == Some(&i)
        };
        return (first + 1..shape.steps.len()).take_while(follows).last().unwrap_or(first);
    }
    let (mut best, mut needed_until, mut limbs) = (first, 0, usize::MAX);
    for (i, step) in shape.steps.iter().enumerate().skip(first).take_while(|(_, s)| s.kind.is_pointwise()) {
        let outside = step.inputs.iter().filter(|&&v| v <= first).filter_map(|&v| shape.values.get(v));
        limbs = outside.map(|v| v.limbs).fold(limbs, usize::min);
        let fits = shape.values.get(i + 1).is_some_and(|v| v.limbs <= limbs) && step.kind != StepKind::DropLimbs;
        if needed_until <= i && fits {
            best = i;
        }
        // Whatever follows this step has its result inside.
        needed_until = needed_until.max(last_use.get(i + 1).copied().unwrap_or(usize::MAX));
        if needed_until >= shape.steps.len() {
            break;
        }
    }
    best
}

/// Fills in the bytes.
fn account(shape: &ProgramShape, memory: &MemoryModel, mut parts: Vec<Part>) -> Schedule {
    let pointwise = |v: ValueId| {
        shape.steps.iter().filter(|s| s.inputs.contains(&v)).all(|s| s.kind.is_pointwise()) && shape.output != v
    };
    let in_place = memory.input_in_place && pointwise(0);
    let stored = |v: ValueId| match shape.values.get(v) {
        Some(info) if v > 0 || !in_place => bytes(shape, info.len * info.limbs * info.components),
        _ => 0,
    };
    let key = shape.key_primes.saturating_sub(1).max(1) * shape.key_primes * 2;
    let uses_key = shape.steps.iter().any(|s| s.kind == StepKind::Relinearise);
    let entries: usize = shape.steps.iter().map(|s| s.entries).sum();
    let each = WEIGHT.0 + if memory.arranged_weights_kept { WEIGHT.1 } else { 0 };
    let fixed_bytes = entries as u64 * each + if uses_key { bytes(shape, key) } else { 0 };
    let mut live = stored(0);
    let mut peak = live;
    for part in &mut parts {
        live += stored(part.last + 1);
        part.live_bytes = live;
        part.working_bytes = working(shape, memory, part, in_place);
        peak = peak.max(live + part.working_bytes);
        // Values inside a fused part were never stored.
        let kept = |v: &&ValueId| **v <= part.first || **v == part.last + 1;
        live = live.saturating_sub(part.frees.iter().filter(kept).map(|&v| stored(v)).sum::<u64>());
    }
    Schedule { parts, fixed_bytes, peak_bytes: fixed_bytes + peak }
}

/// Bytes of so many polynomials of one limb.
fn bytes(shape: &ProgramShape, limbs: usize) -> u64 {
    (limbs * shape.degree) as u64 * WORD
}

fn working(shape: &ProgramShape, memory: &MemoryModel, part: &Part, in_place: bool) -> u64 {
    let (Some(step), Some(result)) = (shape.steps.get(part.last), shape.values.get(part.last + 1)) else {
        return 0;
    };
    let whole = |limbs: usize| memory.chunk.min(result.len) * result.components * limbs;
    match step.kind {
        // Each thread holds a ciphertext, two polynomials, and sums over all primes; results are whole polynomials.
        StepKind::Relinearise | StepKind::Rescale => {
            let from = shape.steps.get(part.first).and_then(|s| s.inputs.first());
            let from = from.and_then(|&v| shape.values.get(v)).unwrap_or(result);
            let special = 1;
            let room = from.components * from.limbs + 2 + 2 * (from.limbs + special);
            bytes(shape, whole(result.limbs) + memory.threads * room)
        }
        StepKind::DropLimbs => 0,
        StepKind::Linear | StepKind::Square | StepKind::ScaleUp => {
            let steps = shape.steps.get(part.first..=part.last).unwrap_or_default();
            let results = shape.values.get(part.first + 1..=part.last).unwrap_or_default();
            let inner = results.iter().zip(steps).filter(|(_, s)| s.kind != StepKind::DropLimbs).map(|(v, _)| v);
            let reads_input = in_place && steps.iter().any(|s| s.inputs.contains(&0));
            let input = shape.values.first().filter(|_| reads_input);
            let tile: usize = inner.chain(input).map(|v| v.len * v.components).sum();
            let scratch = (memory.threads * tile * memory.tile) as u64 * WORD;
            // Biases as residues of every limb; weights as kernels read them.
            let biases = (result.len * result.limbs) as u64 * WORD;
            let entries = if memory.arranged_weights_kept { 0 } else { steps.iter().map(|s| s.entries).sum() };
            scratch + biases + entries as u64 * WEIGHT.1
        }
    }
}
