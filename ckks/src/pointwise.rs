//! Everything between two key switchings is pointwise in limb and slot: sequences of integer-matrix products and
//! squares run tile by tile, so that what lies between them never leaves the cache. Must never store an
//! intermediate value whole.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use rayon::prelude::*;

use crate::error::operand;
use crate::kernel::{self, Aligned, Input, Panels, ProductWorkspace, Rows, TILE};
use crate::ring::modulus::Modulus;
use crate::{Batch, CompressedBatch, Parameters, Result, compressed_batch};

/// What an operation reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operand {
    /// One of the batches given.
    Input(usize),
    /// The result of an earlier operation of the sequence.
    Result(usize),
}

/// One pointwise operation.
#[derive(Debug, Clone)]
pub enum Op<'a> {
    /// The sum of integer-matrix products, plus one integer per output.
    Linear {
        /// What is multiplied by what.
        terms: Vec<(Operand, &'a Panels)>,
        /// Added to each output.
        bias: &'a [i128],
    },
    /// Two components in, three out.
    Square(Operand),
    /// Multiplication by an integer.
    Scale(Operand, u64),
}

/// Length and components of an operand.
type Size = (usize, usize);

/// A vector of ciphertexts to read from.
#[derive(Debug, Clone, Copy)]
pub enum InputBatch<'a> {
    /// In memory.
    Stored(&'a Batch),
    /// Compressed, and unpacked tile by tile.
    Compressed(&'a CompressedBatch<'a>),
}

impl InputBatch<'_> {
    fn size(&self) -> Size {
        match self {
            Self::Stored(b) => (b.len(), b.components()),
            Self::Compressed(p) => (p.len(), p.components()),
        }
    }

    fn limbs(&self) -> usize {
        match self {
            Self::Stored(b) => b.limbs(),
            Self::Compressed(p) => p.limbs(),
        }
    }
}

/// What a sequence came to.
#[derive(Debug)]
pub struct Evaluated {
    /// The last operation's result.
    pub batch: Batch,
    /// Seconds of each operation, summed over threads.
    pub op_seconds: Vec<f64>,
    /// Seconds of unpacking, summed over threads.
    pub unpack_seconds: f64,
}

/// Runs the operations in order on the first `limbs` limbs of the inputs.
pub fn run(parameters: &Parameters, limbs: usize, inputs: &[InputBatch<'_>], ops: &[Op<'_>]) -> Result<Evaluated> {
    let wrong = |found: String, expected: &str| operand("evaluating", found, expected);
    parameters.check_limbs("evaluating", limbs)?;
    if inputs.is_empty() {
        return Err(wrong("no input".into(), "at least one"));
    }
    for source in inputs {
        if let InputBatch::Stored(batch) = source {
            batch.expect("evaluating", parameters, batch.components())?;
        }
        if source.limbs() < limbs {
            return Err(wrong(format!("{} limbs", source.limbs()), "inputs of at least the result's limbs"));
        }
    }
    let mut sizes: Vec<Size> = Vec::with_capacity(ops.len());
    for (i, op) in ops.iter().enumerate() {
        sizes.push(result_size(i, op, inputs, &sizes)?);
    }
    let Some(&(len, components)) = sizes.last() else { return Err(wrong("no operation".into(), "at least one")) };
    let plan = TilePlan {
        parameters,
        inputs,
        ops,
        sizes: &sizes,
        columns_read: inputs.iter().enumerate().map(|(i, source)| columns_read(ops, i, source)).collect(),
        // The residues of biases and factors do not depend on the tile.
        constants: parameters.moduli(limbs).map(|q| ops.iter().map(|op| residues(q, op)).collect()).collect(),
        moduli: parameters.moduli(limbs).collect(),
    };
    // Limbs are outermost in a batch: a tile has the same number whatever limbs follow.
    let clock = Clock { ops: ops.iter().map(|_| AtomicU64::new(0)).collect(), unpacking: AtomicU64::new(0) };
    let mut batch = Batch::zeros(parameters, limbs, components, len)?;
    let block_len = batch.block_len();
    let tiles = batch.data_mut().par_chunks_mut(block_len).enumerate();
    let canonical = tiles.map_init(|| Workspace::new(&plan), |room, (block, out)| plan.tile(room, block, out, &clock));
    if !canonical.all(|fine| fine) {
        return Err(compressed_batch::refused());
    }
    let seconds = |nanoseconds: &AtomicU64| nanoseconds.load(Relaxed) as f64 / 1e9;
    Ok(Evaluated {
        batch,
        op_seconds: clock.ops.iter().map(seconds).collect(),
        unpack_seconds: seconds(&clock.unpacking),
    })
}

/// Nanoseconds, summed over threads.
struct Clock {
    ops: Vec<AtomicU64>,
    unpacking: AtomicU64,
}

/// A sequence with all that its tiles have in common.
struct TilePlan<'a> {
    parameters: &'a Parameters,
    inputs: &'a [InputBatch<'a>],
    ops: &'a [Op<'a>],
    sizes: &'a [Size],
    /// Per input the elements that the operations read, when not all.
    columns_read: Vec<Option<Vec<u32>>>,
    /// Per limb, per operation.
    constants: Vec<Vec<Vec<u64>>>,
    moduli: Vec<Modulus>,
}

/// What a thread keeps from tile to tile.
struct Workspace {
    unpacked: Vec<Aligned>,
    results: Vec<Aligned>,
    scratch: ProductWorkspace,
}

impl Workspace {
    fn new(plan: &TilePlan<'_>) -> Self {
        let tile = |(len, components): Size| Aligned::zeros(len * components * TILE);
        let before_last = plan.sizes.len().saturating_sub(1);
        Self {
            unpacked: plan
                .inputs
                .iter()
                .map(|s| if let InputBatch::Compressed(_) = s { tile(s.size()) } else { Aligned::default() })
                .collect(),
            results: (0..before_last)
                .map(|i| {
                    plan.sizes.get(i).filter(|_| plan.squared(i).is_none()).map_or(Aligned::default(), |&s| tile(s))
                })
                .collect(),
            scratch: ProductWorkspace::default(),
        }
    }
}

impl TilePlan<'_> {
    /// One tile of the result; false when an input holds what is no residue.
    fn tile(&self, room: &mut Workspace, block: usize, out: &mut [u64], clock: &Clock) -> bool {
        let limb = block / (self.parameters.degree() / TILE);
        let (Some(&q), Some(constants)) = (self.moduli.get(limb), self.constants.get(limb)) else { return false };
        let mut last = Instant::now();
        let mut lap = |to: Option<&AtomicU64>| {
            let now = Instant::now();
            if let Some(to) = to {
                to.fetch_add(u64::try_from((now - last).as_nanos()).unwrap_or(u64::MAX), Relaxed);
            }
            last = now;
        };
        let mut canonical = true;
        for ((source, room), columns_read) in self.inputs.iter().zip(&mut room.unpacked).zip(&self.columns_read) {
            if let InputBatch::Compressed(packed) = source {
                canonical &= packed.read(block, columns_read.as_deref(), room.words_mut());
            }
        }
        lap(Some(&clock.unpacking));
        let unpacked = &room.unpacked;
        for (i, (op, constants)) in self.ops.iter().zip(constants).enumerate() {
            let stored = i.min(room.results.len());
            let (before, rest) = room.results.split_at_mut(stored);
            let target = rest.first_mut().map_or(&mut *out, Aligned::words_mut);
            let read = |o: Operand| match o {
                Operand::Input(k) => match self.inputs.get(k) {
                    Some(InputBatch::Stored(b)) => b.block(block),
                    _ => unpacked.get(k).map_or(&[][..], Aligned::words),
                },
                Operand::Result(k) => before.get(k).map_or(&[][..], Aligned::words),
            };
            if self.squared(i).is_none() {
                self.apply(op, q, (i, constants), read, &mut room.scratch, target);
            }
            lap(clock.ops.get(i));
        }
        canonical
    }

    /// What operation `index` squares, when its result need not be stored: one product reads it, once.
    fn squared(&self, index: usize) -> Option<Operand> {
        let Some(Op::Square(source)) = self.ops.get(index) else { return None };
        let result = Operand::Result(index);
        let reads = self.ops.iter().map(|op| match op {
            Op::Linear { terms, .. } => terms.iter().filter(|(o, _)| *o == result).count(),
            // Twice, which is once too often.
            Op::Square(o) | Op::Scale(o, _) => 2 * usize::from(*o == result),
        });
        (reads.sum::<usize>() == 1).then_some(*source)
    }

    fn apply<'d>(
        &self,
        op: &Op<'_>,
        q: Modulus,
        (index, constants): (usize, &[u64]),
        read: impl Fn(Operand) -> &'d [u64],
        scratch: &mut ProductWorkspace,
        target: &mut [u64],
    ) {
        let kernel = self.parameters.kernel();
        match op {
            Op::Linear { terms, .. } => {
                for (t, (source, panels)) in terms.iter().enumerate() {
                    let rows = Rows {
                        input_components: operand_size(*source, self.inputs, self.sizes).map_or(0, |s| s.1),
                        output_components: self.sizes.get(index).map_or(0, |s| s.1),
                        bias: if t == 0 { constants } else { &[] },
                        accumulate: t > 0,
                    };
                    let input = match source {
                        Operand::Result(k) if self.squared(*k).is_some() => {
                            Input::Square(self.squared(*k).map_or(&[], &read))
                        }
                        _ => Input::Plain(read(*source)),
                    };
                    kernel::multiply(kernel, q, panels, input, &rows, scratch, target);
                }
            }
            Op::Square(source) => kernel::square(kernel, q, read(*source), target),
            Op::Scale(source, _) => {
                let factor = q.factor(constants.first().copied().unwrap_or(0));
                for (to, &from) in target.iter_mut().zip(read(*source)) {
                    *to = q.mul_factor(from, factor);
                }
            }
        }
    }
}

/// The elements of input `index` that the operations read; `None` when all, or when there is nothing to unpack.
fn columns_read(ops: &[Op<'_>], index: usize, source: &InputBatch<'_>) -> Option<Vec<u32>> {
    let InputBatch::Compressed(packed) = source else { return None };
    let mut read = vec![false; packed.len()];
    for op in ops {
        match op {
            Op::Linear { terms, .. } => {
                let columns = terms.iter().filter(|(o, _)| *o == Operand::Input(index)).flat_map(|(_, p)| p.read());
                for c in columns {
                    if let Some(r) = read.get_mut(c as usize) {
                        *r = true;
                    }
                }
            }
            Op::Square(o) | Op::Scale(o, _) if *o == Operand::Input(index) => return None,
            Op::Square(_) | Op::Scale(..) => {}
        }
    }
    if read.iter().all(|&r| r) {
        return None;
    }
    Some((0_u32..).zip(read).filter(|(_, r)| *r).map(|(c, _)| c).collect())
}

fn operand_size(operand: Operand, inputs: &[InputBatch<'_>], sizes: &[Size]) -> Option<Size> {
    match operand {
        Operand::Input(k) => inputs.get(k).map(InputBatch::size),
        Operand::Result(k) => sizes.get(k).copied(),
    }
}

fn result_size(index: usize, op: &Op<'_>, inputs: &[InputBatch<'_>], sizes: &[Size]) -> Result<Size> {
    let size = |o: Operand| {
        operand_size(o, inputs, sizes).ok_or_else(|| {
            operand("evaluating", format!("operand {o:?} of operation {index}"), "an input or an earlier result")
        })
    };
    match op {
        Op::Linear { terms, bias } => {
            let mut components = 2;
            for (source, panels) in terms {
                let (len, c) = size(*source)?;
                if panels.columns() != len || panels.rows() != bias.len() {
                    return Err(operand(
                        "evaluating a linear layer",
                        format!(
                            "{} x {} weights, {len} inputs, {} biases",
                            panels.rows(),
                            panels.columns(),
                            bias.len()
                        ),
                        "one column per input and one bias per row",
                    ));
                }
                components = components.max(c);
            }
            if terms.is_empty() || bias.is_empty() {
                return Err(operand("evaluating a linear layer", "no term or no output", "at least one of each"));
            }
            Ok((bias.len(), components))
        }
        Op::Square(source) => match size(*source)? {
            (len, 2) => Ok((len, 3)),
            (_, c) => Err(operand("squaring", format!("{c} components"), "2")),
        },
        Op::Scale(source, _) => size(*source),
    }
}

fn residues(q: Modulus, op: &Op<'_>) -> Vec<u64> {
    match op {
        Op::Linear { bias, .. } => bias.iter().map(|&b| q.reduce_i128(b)).collect(),
        Op::Square(_) => Vec::new(),
        Op::Scale(_, factor) => vec![q.reduce(*factor)],
    }
}
