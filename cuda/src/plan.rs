//! What a run takes of a device's memory, worked out before it starts from the program alone: what
//! `operations` allocates, step by step.

use beaa_ckks::SHORTEST_PERIOD;
use beaa_ir::ckks::{MapSize, Program, StepOp, ValueId, switching_digits, switching_key_polynomials};
use beaa_runtime::ckks::{ArrangedWeights, step_by_step};

use crate::operations::{
    decomposing_constants, decomposing_words, dividing_constants, dividing_words, relinearising_words,
};
use crate::ring::WORKSPACE;

/// Bytes of a word.
const WORD: u64 = size_of::<u64>() as u64;

/// Returns the bytes of a device's memory that a run takes at its worst moment, at most: tables,
/// keys, weights, values, and what operations need meanwhile.
pub fn planned_bytes(program: &Program, weights: ArrangedWeights) -> u64 {
    let sizes = Sizes::new(program);
    let weights = |step: usize, when: ArrangedWeights| if weights == when { sizes.weights(step) } else { 0 };
    let steps = 0..program.steps().len();
    let kept: u64 = steps.map(|step| weights(step, ArrangedWeights::Kept)).sum();
    let mut live = sizes.value(0);
    // Input and output are copied limb by limb, the input as bits.
    let mut most = live + sizes.packed_limb();
    let owners = owners(program);
    // Values that lie in the memory of each.
    let mut holders = vec![0_usize; owners.len()];
    holders[0] = 1;
    for part in &step_by_step(program).parts {
        for step in part.first..=part.last {
            let owner = owners[step + 1];
            live += if owner == step + 1 { sizes.value(owner) } else { 0 };
            holders[owner] += 1;
            most = most.max(live + weights(step, ArrangedWeights::PerPart) + sizes.meanwhile(step));
        }
        for owner in part.frees.iter().map(|&value| owners[value]) {
            holders[owner] -= 1;
            live -= if holders[owner] == 0 { sizes.value(owner) } else { 0 };
        }
    }
    most = most.max(live + sizes.limb(program.output()));
    WORD * (sizes.tables() + sizes.keys() + kept + most)
}

/// Returns the bytes that a run on a device takes of the processor's memory at its worst moment,
/// about, beside program, key and images: what is copied to the device or back at a time, and the
/// weights or constants of a step while they are arranged.
pub fn host_bytes(program: &Program) -> u64 {
    let sizes = Sizes::new(program);
    let steps = 0..program.steps().len();
    let step = |step: usize| 2 * sizes.weights(step) + sizes.biases(step);
    let weights = steps.map(step).fold(0, u64::max);
    let copied = sizes.keys().max(sizes.packed_limb()).max(2 * sizes.value(program.output()));
    WORD * (sizes.tables() + weights.max(copied))
}

/// The value in whose memory each one lies: itself, unless it is some limbs of another.
fn owners(program: &Program) -> Vec<ValueId> {
    let mut owners = vec![0];
    for (step, value) in program.steps().iter().zip(1..) {
        owners.push(match step.op {
            StepOp::DropLimbs { input, .. } => owners[input],
            _ => value,
        });
    }
    owners
}

/// Words of all that a program has.
struct Sizes<'p> {
    program: &'p Program,
    degree: u64,
    /// Ordinary primes.
    limbs: u64,
    /// Special primes.
    special: u64,
}

impl<'p> Sizes<'p> {
    fn new(program: &'p Program) -> Self {
        let set = &program.signature().parameters;
        Self { program, degree: set.degree as u64, limbs: set.moduli.len() as u64, special: set.special.len() as u64 }
    }

    /// Tables of the ring: six constants of each prime, and factors of two words for two tables of
    /// roots and two of twists, these with two factors for each coefficient.
    fn tables(&self) -> u64 {
        (self.limbs + self.special) * (6 + 12 * self.degree)
    }

    /// Keys.
    fn keys(&self) -> u64 {
        let n = self.degree;
        let key = |limbs: u64| switching_key_polynomials(limbs as usize, self.special as usize) as u64 * n;
        let evaluation = if self.program.switches_keys() { key(self.limbs) } else { 0 };
        let galois = |limbs: u64| key(limbs) + (limbs + self.special) * n / 2;
        let packing = self.program.signature().packing.iter();
        let limbs = packing.flat_map(|packing| packing.key_limbs());
        evaluation + limbs.map(|limbs| galois(limbs as u64)).sum::<u64>()
    }

    /// A value in memory of its own.
    fn value(&self, value: ValueId) -> u64 {
        self.limb(value) * self.program.values()[value].limbs as u64
    }

    /// One limb of a value.
    fn limb(&self, value: ValueId) -> u64 {
        (self.program.ciphertexts(value) * self.program.values()[value].components) as u64 * self.degree
    }

    /// One limb of the input in bits, as if it came without a seed, and the words of AES.
    fn packed_limb(&self) -> u64 {
        let moduli = &self.program.signature().parameters.moduli[..self.program.values()[0].limbs];
        let bits = moduli.iter().map(|q| u64::from(u64::BITS - q.leading_zeros())).fold(0, u64::max);
        self.limb(0) * bits / 64 + 256
    }

    /// The weights of a step, arranged.
    fn weights(&self, step: usize) -> u64 {
        let StepOp::Linear { terms, .. } = &self.program.steps()[step].op else { return 0 };
        if let Some((_, MapSize { diagonals, .. })) = self.program.packed_map(step) {
            let period = |input: ValueId| self.program.layout(input).map_or(0, |layout| layout.block());
            let period = terms.iter().map(|t| period(t.input)).fold(SHORTEST_PERIOD, usize::max) as u64;
            let limbs = self.program.values()[step + 1].limbs as u64 + self.special;
            return diagonals as u64 * (limbs * period.min(self.degree) + 1) + terms.len() as u64;
        }
        // Two weights in a word, as many columns at most, and a panel for each row at most.
        let of = |weights: &beaa_ir::SparseMatrix| (weights.entries() + 4 * weights.rows() + 16) as u64;
        terms.iter().map(|t| of(&t.weights)).sum()
    }

    /// The biases of a step as they are computed.
    fn biases(&self, step: usize) -> u64 {
        let size = self.program.packed_map(step).map(|(_, size)| size);
        // Slots and coefficients of 128 bits, and then their values modulo each prime.
        size.map_or(0, |size| size.outputs as u64 * (3 + self.limbs) * self.degree)
    }

    /// What a step takes beside its operands and its result.
    fn meanwhile(&self, step: usize) -> u64 {
        let (n, workspace) = (self.degree, WORKSPACE as u64);
        // As many items at a time as the workspace holds, and at least one.
        let together = |items: usize, words: u64| (workspace / words).clamp(1, items as u64);
        let limbs = |value: ValueId| self.program.values()[value].limbs as u64;
        match &self.program.steps()[step].op {
            StepOp::Linear { bias, .. } => match self.program.packed_map(step) {
                Some((_, size)) => self.packed(size, limbs(step + 1)),
                None => bias.len() as u64 * limbs(step + 1),
            },
            StepOp::Square { .. } | StepOp::DropLimbs { .. } => 0,
            StepOp::ScaleUp { .. } => 2 * limbs(step + 1),
            StepOp::Relinearise { input } => {
                let (limbs, special) = (limbs(*input) as usize, self.special as usize);
                let words = relinearising_words(limbs, special) as u64 * n;
                let items = together(self.program.ciphertexts(*input), words);
                items * words + (decomposing_constants(limbs, special) + dividing_constants(limbs, special)) as u64
            }
            StepOp::Rescale { input } => {
                let items = self.program.ciphertexts(*input) * self.program.values()[*input].components;
                together(items, limbs(*input) * n) * limbs(*input) * n + 2 * limbs(*input)
            }
        }
    }

    /// What a packed linear step takes, of so many limbs.
    fn packed(&self, size: MapSize, limbs: u64) -> u64 {
        let (n, workspace) = (self.degree, WORKSPACE as u64);
        let (all, outputs) = (limbs + self.special, size.outputs as u64);
        let (limbs_count, special) = (limbs as usize, self.special as usize);
        let digits = switching_digits(limbs_count, special) as u64;
        let (dividing, constants) = match special {
            0 => (0, 0),
            _ => (dividing_words(limbs_count, special) as u64, dividing_constants(limbs_count, special) as u64),
        };
        // One polynomial's digits, a pair of sums and one of zeros, one division and its result.
        let polynomials = decomposing_words(limbs_count, special) as u64 + digits * all + 4 * all + dividing + limbs;
        let rotations = polynomials * n + 2 * limbs + constants + decomposing_constants(limbs_count, special) as u64;
        // One more for a term without weights.
        let sums = (size.sums as u64 + 1) * (2 * all * n + 3);
        let held = (workspace / (2 * all * n)).clamp(1, size.rotated.max(1) as u64) * 2 * all * n + limbs * n;
        let division = (workspace / (dividing.max(1) * n)).clamp(1, 2 * outputs) * dividing * n + constants;
        let results = 2 * all * (outputs + 1) * n + division.max(limbs * outputs * n);
        rotations + sums + held.max(results)
    }
}
