//! The order of work: which steps run fused, when values die, and how much memory that takes, all
//! known before anything is allocated. The compiler cuts maps into bands and prices a run by it,
//! the runtime runs by it.

use super::packing::MapSize;
use super::program::{Program, StepOp};
use super::signature::{switching_digits, switching_key_polynomials};
use super::value::{ValueId, ValueInfo};

/// Bytes of a residue.
const WORD: u64 = 8;
/// Bytes that a weight takes in a program, and again in the form that kernels read while its step
/// runs.
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
    /// Words that a constant which repeats sooner takes all the same.
    pub shortest_period: usize,
    /// Words of rotated inputs that a product with diagonals holds at a time, about.
    pub held_words: usize,
    /// Whether fused parts read the input where it lies, a tile at a time; otherwise it is expanded
    /// whole.
    pub input_in_place: bool,
    /// Whether the weights of all steps stay in the form that kernels read; otherwise they take it
    /// while a step runs.
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
    /// Most limbs that a ciphertext can have.
    pub limbs: usize,
    /// Special primes of keys.
    pub special: usize,
    /// When ciphertexts hold several elements.
    pub packing: Option<PackedShape>,
}

/// What a packing adds to the shape of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedShape {
    /// Of each value.
    pub ciphertexts: Vec<usize>,
    /// For each step what its packed linear map computes with; none for what is not linear.
    pub maps: Vec<Option<MapSize>>,
    /// Limbs of the Galois key of each rotation.
    pub galois: Vec<usize>,
    /// Positions of a ciphertext: constants repeat after as many slots.
    pub block: usize,
}

/// A step without its numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct StepShape {
    /// What is done to which values.
    pub op: StepOp<(), ()>,
    /// Weights, over all terms of a linear map; otherwise 0.
    pub entries: usize,
}

impl From<&Program> for ProgramShape {
    fn from(program: &Program) -> Self {
        let steps = program.steps().iter().map(|s| StepShape { op: s.op.shape(), entries: s.op.entries() });
        let parameters = &program.signature().parameters;
        let packing = program.signature().packing.as_ref().map(|client| PackedShape {
            ciphertexts: (0..program.values().len()).map(|v| program.ciphertexts(v)).collect(),
            maps: (0..program.steps().len()).map(|s| program.packed_map(s).map(|(_, size)| size)).collect(),
            galois: client.key_limbs().collect(),
            block: client.block(),
        });
        Self {
            steps: steps.collect(),
            values: program.values().to_vec(),
            output: program.output(),
            degree: parameters.degree,
            limbs: parameters.moduli.len(),
            special: parameters.special.len(),
            packing,
        }
    }
}

impl ProgramShape {
    /// Stops where the parts of a shape contradict each other, which a checked program's cannot.
    fn assert_whole(&self) {
        assert_eq!(self.values.len(), self.steps.len() + 1, "values, and steps and the input");
        assert!(self.output < self.values.len(), "output {} of {} values", self.output, self.values.len());
        for (i, step) in self.steps.iter().enumerate() {
            assert!(step.op.inputs().all(|v| v <= i), "step {i} reads a later value");
        }
        if let Some(packing) = &self.packing {
            let counts = (packing.ciphertexts.len(), packing.maps.len());
            assert_eq!(counts, (self.values.len(), self.steps.len()), "packed values and steps");
        }
    }

    /// Ciphertexts of a value.
    fn ciphertexts(&self, value: ValueId) -> usize {
        self.packing.as_ref().map_or(self.values[value].len, |p| p.ciphertexts[value])
    }

    /// The packed linear map of a step.
    fn map(&self, step: usize) -> Option<MapSize> {
        self.packing.as_ref().and_then(|p| p.maps[step])
    }

    /// Whether only pointwise steps read a value, and nobody after them.
    fn read_pointwise_only(&self, value: ValueId) -> bool {
        let reads = |s: &usize| self.steps[*s].op.inputs().any(|v| v == value);
        self.output != value && (0..self.steps.len()).filter(reads).all(|s| self.is_pointwise(s))
    }

    /// Whether a step works on each slot of each limb by itself: a packed linear map rotates.
    fn is_pointwise(&self, step: usize) -> bool {
        self.steps[step].op.is_pointwise() && self.map(step).is_none()
    }

    /// Bytes of so many polynomials of one limb.
    fn bytes(&self, limbs: usize) -> u64 {
        (limbs * self.degree) as u64 * WORD
    }
}

/// Arranges the steps in parts and works out the memory of each. Without `fuse` every step is a
/// part by itself, so that each value is stored and can be looked at.
///
/// # Panics
/// If the shape is none of a program: a step that reads a later value, or another number of values
/// than of results.
pub fn schedule(shape: &ProgramShape, memory: &MemoryModel, fuse: bool) -> Schedule {
    shape.assert_whole();
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
    // The output is read after all parts; without any step, the input is the output.
    for (value, &user) in last_use.iter().enumerate().filter(|(_, user)| **user < part_of.len()) {
        parts[part_of[user]].frees.push(value);
    }
    account(shape, memory, parts)
}

/// The last step that reads each value; the output is read after all steps, what nobody reads right
/// where it is made.
fn last_uses(shape: &ProgramShape) -> Vec<usize> {
    let mut last: Vec<usize> = (0..shape.values.len()).map(|v| v.saturating_sub(1)).collect();
    for (i, step) in shape.steps.iter().enumerate() {
        step.op.inputs().for_each(|v| last[v] = i);
    }
    last[shape.output] = usize::MAX;
    last
}

/// The last step of the longest fused part that starts at `first`: a relinearisation and rescalings
/// in a row; or all pointwise, on inputs that have the limbs of the last result, which alone is
/// needed later.
fn longest(shape: &ProgramShape, last_use: &[usize], first: usize) -> usize {
    let steps = &shape.steps;
    if steps[first].op.is_switching() {
        let follows = |&i: &usize| matches!(steps[i].op, StepOp::Rescale { input } if input == i) && last_use[i] == i;
        return (first + 1..steps.len()).take_while(follows).last().unwrap_or(first);
    }
    let (mut best, mut needed_until, mut limbs) = (first, 0, usize::MAX);
    for (i, step) in steps.iter().enumerate().skip(first).take_while(|(i, _)| shape.is_pointwise(*i)) {
        let outside = step.op.inputs().filter(|&v| v <= first);
        limbs = outside.map(|v| shape.values[v].limbs).fold(limbs, usize::min);
        let fits = shape.values[i + 1].limbs <= limbs && !matches!(step.op, StepOp::DropLimbs { .. });
        if needed_until <= i && fits {
            best = i;
        }
        // Whatever follows this step has its result inside.
        needed_until = needed_until.max(last_use[i + 1]);
        if needed_until >= steps.len() {
            break;
        }
    }
    best
}

/// Fills in the bytes.
fn account(shape: &ProgramShape, memory: &MemoryModel, mut parts: Vec<Part>) -> Schedule {
    let in_place = memory.input_in_place && shape.read_pointwise_only(0);
    let stored = |v: ValueId| {
        let info = shape.values[v];
        if v == 0 && in_place { 0 } else { shape.bytes(shape.ciphertexts(v) * info.limbs * info.components) }
    };
    let key = switching_key_polynomials(shape.limbs, shape.special);
    let rotates = shape.packing.as_ref().is_some_and(|p| !p.galois.is_empty());
    let uses_key = rotates || shape.steps.iter().any(|s| s.op.switches_keys());
    let entries: usize = shape.steps.iter().map(|s| s.entries).sum();
    let weights = match &shape.packing {
        Some(packing) => entries as u64 * WEIGHT.0 + packed_fixed(shape, packing, memory),
        None => entries as u64 * (WEIGHT.0 + if memory.arranged_weights_kept { WEIGHT.1 } else { 0 }),
    };
    let fixed_bytes = weights + if uses_key { shape.bytes(key) } else { 0 };
    let mut live = stored(0);
    let mut peak = live;
    for part in &mut parts {
        live += stored(part.last + 1);
        part.live_bytes = live;
        part.working_bytes = working(shape, memory, part, in_place);
        peak = peak.max(live + part.working_bytes);
        // Values inside a fused part were never stored.
        let kept = |v: &&ValueId| **v <= part.first || **v == part.last + 1;
        live -= part.frees.iter().filter(kept).map(|&v| stored(v)).sum::<u64>();
    }
    Schedule { parts, fixed_bytes, peak_bytes: fixed_bytes + peak }
}

/// Bytes that stay throughout a packed program: constants, where they are kept, Galois keys, each
/// with the order of the values after its rotation, and what products keep for the next one.
fn packed_fixed(shape: &ProgramShape, packing: &PackedShape, memory: &MemoryModel) -> u64 {
    let kept = |step: usize| if memory.arranged_weights_kept { constants(shape, packing, memory, step) } else { 0 };
    let order = shape.bytes(shape.limbs + shape.special).div_ceil(2);
    let key = |&limbs: &usize| shape.bytes(switching_key_polynomials(limbs, shape.special)) + order;
    let constants = (0..shape.steps.len()).map(kept).sum::<u64>();
    constants + packing.galois.iter().map(key).sum::<u64>() + packed_kept(shape, packing, memory)
}

/// Words of each constant for each prime.
fn period(shape: &ProgramShape, packing: &PackedShape, memory: &MemoryModel) -> usize {
    packing.block.max(memory.shortest_period).min(shape.degree)
}

/// Bytes of the constants of a step's packed map.
fn constants(shape: &ProgramShape, packing: &PackedShape, memory: &MemoryModel, step: usize) -> u64 {
    let limbs = shape.values[step + 1].limbs + shape.special;
    packing.maps[step].map_or(0, |map| (map.diagonals * limbs * period(shape, packing, memory)) as u64 * WORD)
}

/// Bytes that the largest product keeps for the next one: what digits of all inputs are extended
/// from and, modulo one prime and some rotated inputs at a time, to; the sums of products,
/// ciphertexts that are finished, and what each thread needs. Pieces are of powers of two.
fn packed_kept(shape: &ProgramShape, packing: &PackedShape, memory: &MemoryModel) -> u64 {
    let kept = |step: usize| {
        let Some(MapSize { inputs, outputs, rotated, babies, sums, .. }) = packing.maps[step] else { return 0 };
        let limbs = shape.values[step + 1].limbs;
        let primes = limbs + shape.special;
        let held = rotated.min(memory.held_words / (2 * shape.degree) + babies);
        let digits = switching_digits(limbs, shape.special);
        let products = inputs * limbs + inputs.min(held) * (digits + 2) + 2 * held + 2 * primes * sums;
        let result = memory.chunk.min(outputs) * 2 * limbs;
        let per_thread = 6 * primes + limbs + primes * digits + 3;
        let tiles = (memory.threads * held * 2 * memory.tile) as u64 * WORD;
        2 * (shape.bytes(products + result + memory.threads * per_thread) + tiles)
    };
    (0..shape.steps.len()).map(kept).fold(0, u64::max)
}

/// Bytes that a packed linear map takes beside what products keep: constants, while they are
/// encoded and after that, and biases as numbers and as coefficients of twice the size.
fn packed_working(shape: &ProgramShape, packing: &PackedShape, memory: &MemoryModel, step: usize, map: MapSize) -> u64 {
    let biases = shape.bytes(3 * map.outputs);
    if memory.arranged_weights_kept {
        return biases;
    }
    let primes = shape.values[step + 1].limbs + shape.special;
    let words = memory.chunk.min(map.diagonals) * primes + memory.threads * 5;
    let encoding = (words * period(shape, packing, memory)) as u64 * WORD;
    constants(shape, packing, memory, step) + biases.max(encoding)
}

/// Bytes that running a part takes beside the stored values.
fn working(shape: &ProgramShape, memory: &MemoryModel, part: &Part, in_place: bool) -> u64 {
    if let (Some(packing), Some(map)) = (&shape.packing, shape.map(part.first)) {
        return packed_working(shape, packing, memory, part.first, map);
    }
    let steps = &shape.steps[part.first..=part.last];
    let (result, ciphertexts) = (shape.values[part.last + 1], shape.ciphertexts(part.last + 1));
    match steps[steps.len() - 1].op {
        // Each thread holds a component before and after it is decomposed, its digits modulo one
        // prime, sums over all primes, and a polynomial; results are whole polynomials.
        StepOp::Relinearise { .. } | StepOp::Rescale { .. } => {
            let from = steps[0].op.inputs().next().map(|v| shape.values[v]);
            let from = from.unwrap_or_else(|| unreachable!("a {} step without an input", steps[0].op.name()));
            let digits = switching_digits(from.limbs, shape.special);
            let per_thread = 2 * from.limbs + digits + 2 * (from.limbs + shape.special) + 1;
            let whole = memory.chunk.min(ciphertexts) * result.components * result.limbs;
            shape.bytes(whole + memory.threads * per_thread)
        }
        StepOp::DropLimbs { .. } => 0,
        StepOp::Linear { .. } | StepOp::Square { .. } | StepOp::ScaleUp { .. } => {
            let copies = |v: &ValueId| !matches!(shape.steps[v - 1].op, StepOp::DropLimbs { .. });
            let inner = (part.first + 1..=part.last).filter(copies);
            let reads_input = in_place && steps.iter().any(|s| s.op.inputs().any(|v| v == 0));
            let input = reads_input.then_some(0);
            let tile: usize = inner.chain(input).map(|v| shape.ciphertexts(v) * shape.values[v].components).sum();
            let scratch = (memory.threads * tile * memory.tile) as u64 * WORD;
            // Biases as residues of every limb; weights as kernels read them.
            let biases = (ciphertexts * result.limbs) as u64 * WORD;
            let entries = if memory.arranged_weights_kept { 0 } else { steps.iter().map(|s| s.entries).sum() };
            scratch + biases + entries as u64 * WEIGHT.1
        }
    }
}
