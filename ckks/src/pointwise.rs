//! Everything between two key switchings is pointwise in limb and slot: sequences of integer-matrix
//! products and squares run tile by tile, so that what lies between them never leaves the cache and
//! is never stored whole.

use rayon::prelude::*;

use crate::batch::BatchShape;
use crate::compressed_batch::not_canonical;
use crate::error::operand;
use crate::kernel::{Aligned, Panels, ProductInput, ProductWorkspace, TILE, TileProduct};
use crate::ring::modulus::{Factor, Modulus};
use crate::timing::{Laps, ThreadSeconds};
use crate::{Batch, CompressedBatch, Error, Parameters, Result};

/// What an operation reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operand {
    /// One of the inputs.
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

/// A batch to read from.
#[derive(Debug, Clone, Copy)]
pub enum InputBatch<'a> {
    /// In memory.
    Stored(&'a Batch),
    /// Compressed, and unpacked tile by tile.
    Compressed(&'a CompressedBatch<'a>),
}

/// How large an operand is.
#[derive(Debug, Clone, Copy)]
struct OperandSize {
    len: usize,
    components: usize,
}

impl OperandSize {
    /// One tile of it, not yet written.
    fn tile(self) -> Aligned {
        Aligned::zeros(self.len * self.components * TILE)
    }
}

impl InputBatch<'_> {
    fn size(&self) -> OperandSize {
        let (len, components) = match self {
            Self::Stored(b) => (b.len(), b.components()),
            Self::Compressed(c) => (c.len(), c.components()),
        };
        OperandSize { len, components }
    }

    fn limbs(&self) -> usize {
        match self {
            Self::Stored(b) => b.limbs(),
            Self::Compressed(c) => c.limbs(),
        }
    }

    fn expect(&self, parameters: &Parameters, limbs: usize) -> Result<()> {
        match self {
            Self::Stored(b) => b.expect("evaluating", parameters, b.components())?,
            Self::Compressed(c) => c.expect("evaluating", parameters)?,
        }
        if self.limbs() < limbs {
            let allowed = limbs..=parameters.max_limbs();
            return Err(Error::Limbs { operation: "evaluating", found: self.limbs(), allowed });
        }
        Ok(())
    }
}

/// The result of a sequence of operations, and the time that it took.
#[derive(Debug)]
pub struct Evaluated {
    /// The last operation's result.
    pub batch: Batch,
    /// Seconds of each operation, summed over threads.
    pub op_seconds: Vec<f64>,
    /// Seconds of unpacking inputs, summed over threads.
    pub unpack_seconds: f64,
}

/// Runs the operations in order on the first `limbs` limbs of the inputs.
///
/// # Errors
/// When there is no input or no operation, an input belongs to other parameters or has fewer limbs,
/// an operation does not fit its operands, or a compressed input holds what is no residue.
pub fn run(parameters: &Parameters, limbs: usize, inputs: &[InputBatch<'_>], ops: &[Op<'_>]) -> Result<Evaluated> {
    parameters.check_limbs("evaluating", limbs)?;
    if inputs.is_empty() {
        return Err(operand("evaluating", "no input", "at least one"));
    }
    for input in inputs {
        input.expect(parameters, limbs)?;
    }
    let mut sizes: Vec<OperandSize> = Vec::with_capacity(ops.len());
    for (i, op) in ops.iter().enumerate() {
        sizes.push(result_size(i, op, inputs, &sizes)?);
    }
    let Some(&OperandSize { len, components }) = sizes.last() else {
        return Err(operand("evaluating", "no operation", "at least one"));
    };
    let plan = TilePlan {
        parameters,
        inputs,
        ops,
        sizes: &sizes,
        fused_squares: (0..ops.len()).map(|i| fused_square(ops, i)).collect(),
        columns_read: inputs.iter().enumerate().map(|(i, input)| columns_unpacked(ops, i, input)).collect(),
        columns_scaled: (0..ops.len()).map(|i| columns_scaled(ops, i, &sizes)).collect(),
        // Biases and factors do not depend on the tile.
        constants: parameters.moduli(limbs).map(|q| ops.iter().map(|op| constants(q, op)).collect()).collect(),
        moduli: parameters.moduli(limbs).collect(),
    };
    // Limbs are outermost in a batch: a tile has the same number whatever limbs follow.
    let clock = Clock { ops: ops.iter().map(|_| ThreadSeconds::default()).collect(), ..Clock::default() };
    let mut batch = Batch::unset(parameters, BatchShape { limbs, components, len })?;
    let block_len = batch.block_len();
    let tiles = batch.data_mut().par_chunks_mut(block_len).enumerate();
    let canonical =
        tiles.map_init(|| Workspace::new(&plan), |workspace, (tile, out)| plan.tile(workspace, tile, out, &clock));
    if !canonical.all(|fine| fine) {
        return Err(not_canonical());
    }
    let op_seconds = clock.ops.iter().map(ThreadSeconds::seconds).collect();
    Ok(Evaluated { batch, op_seconds, unpack_seconds: clock.unpacking.seconds() })
}

#[derive(Default)]
struct Clock {
    ops: Vec<ThreadSeconds>,
    unpacking: ThreadSeconds,
}

/// A sequence with all that its tiles have in common.
struct TilePlan<'a> {
    parameters: &'a Parameters,
    inputs: &'a [InputBatch<'a>],
    ops: &'a [Op<'a>],
    sizes: &'a [OperandSize],
    /// Per operation what it squares, when its result need not be stored: one product reads it,
    /// once.
    fused_squares: Vec<Option<Operand>>,
    /// Per compressed input the elements that the operations read, when not all.
    columns_read: Vec<Option<Vec<u32>>>,
    /// Per operation that scales the elements of its result that later ones read, when not all.
    columns_scaled: Vec<Option<Vec<u32>>>,
    /// Per limb, per operation.
    constants: Vec<Vec<Constants>>,
    /// Per limb.
    moduli: Vec<Modulus>,
}

/// What an operation adds or multiplies by, modulo one prime.
enum Constants {
    None,
    Biases(Vec<u64>),
    Factor(Factor),
}

/// What a thread keeps from tile to tile.
struct Workspace {
    /// Per input, empty for those in memory.
    unpacked: Vec<Aligned>,
    /// Per operation but the last, empty for those that are not stored.
    results: Vec<Aligned>,
    product: ProductWorkspace,
}

impl Workspace {
    fn new(plan: &TilePlan<'_>) -> Self {
        let unpacked = plan.inputs.iter().map(|input| match input {
            InputBatch::Compressed(_) => input.size().tile(),
            InputBatch::Stored(_) => Aligned::default(),
        });
        let before_last = plan.sizes.iter().zip(&plan.fused_squares).take(plan.ops.len() - 1);
        let results = before_last.map(|(size, fused)| if fused.is_none() { size.tile() } else { Aligned::default() });
        Self { unpacked: unpacked.collect(), results: results.collect(), product: ProductWorkspace::default() }
    }
}

impl TilePlan<'_> {
    /// One tile of the result; false when an input holds what is no residue.
    fn tile(&self, workspace: &mut Workspace, number: usize, out: &mut [u64], clock: &Clock) -> bool {
        let limb = number / (self.parameters.degree() / TILE);
        let mut laps = Laps::start();
        let Workspace { unpacked, results, product } = workspace;
        let mut canonical = true;
        for ((input, unpacked), columns) in self.inputs.iter().zip(&mut *unpacked).zip(&self.columns_read) {
            if let InputBatch::Compressed(compressed) = input {
                canonical &= compressed.read(number, columns.as_deref(), unpacked.words_mut());
            }
        }
        laps.add_to(&clock.unpacking);
        for (index, seconds) in clock.ops.iter().enumerate() {
            let stored = index.min(results.len());
            let (before, rest) = results.split_at_mut(stored);
            let target = rest.first_mut().map_or(&mut *out, Aligned::words_mut);
            if self.fused_squares[index].is_none() {
                let operands = TileOperands { plan: self, number, limb, unpacked, results: before };
                operands.apply(index, product, target);
            }
            laps.add_to(seconds);
        }
        canonical
    }

    fn size(&self, operand: Operand) -> OperandSize {
        match operand {
            Operand::Input(k) => self.inputs[k].size(),
            Operand::Result(k) => self.sizes[k],
        }
    }
}

/// Where the operands of one tile are.
struct TileOperands<'a> {
    plan: &'a TilePlan<'a>,
    number: usize,
    limb: usize,
    unpacked: &'a [Aligned],
    /// Of the operations so far.
    results: &'a [Aligned],
}

impl TileOperands<'_> {
    /// `[element][component][TILE]`.
    fn read(&self, operand: Operand) -> &[u64] {
        match operand {
            Operand::Input(k) => match self.plan.inputs[k] {
                InputBatch::Stored(batch) => batch.block(self.number),
                InputBatch::Compressed(_) => self.unpacked[k].words(),
            },
            Operand::Result(k) => self.results[k].words(),
        }
    }

    /// What a product reads: an operand, or that of which the operand would be the square.
    fn product_input(&self, operand: Operand) -> ProductInput<'_> {
        if let Operand::Result(k) = operand
            && let Some(squared) = self.plan.fused_squares[k]
        {
            return ProductInput::Square(self.read(squared));
        }
        ProductInput::Plain(self.read(operand))
    }

    fn apply(&self, index: usize, workspace: &mut ProductWorkspace, target: &mut [u64]) {
        let plan = self.plan;
        let (kernel, q) = (plan.parameters.kernel(), plan.moduli[self.limb]);
        match (&plan.ops[index], &plan.constants[self.limb][index]) {
            (Op::Linear { terms, .. }, Constants::Biases(biases)) => {
                for (t, &(operand, panels)) in terms.iter().enumerate() {
                    let product = TileProduct {
                        panels,
                        input: self.product_input(operand),
                        input_components: plan.size(operand).components,
                        output_components: plan.sizes[index].components,
                        bias: (t == 0).then_some(biases),
                        accumulates: t > 0,
                    };
                    kernel.multiply(q, &product, workspace, target);
                }
            }
            (Op::Square(operand), Constants::None) => kernel.square(q, self.read(*operand), target),
            (Op::Scale(operand, _), &Constants::Factor(factor)) => {
                let words = self.read(*operand);
                assert_eq!(target.len(), words.len(), "words of a scaled tile");
                let scale = |target: &mut [u64], words: &[u64]| {
                    for (to, &from) in target.iter_mut().zip(words) {
                        *to = q.mul_factor(from, factor);
                    }
                };
                match &plan.columns_scaled[index] {
                    None => scale(target, words),
                    Some(columns) => {
                        let element = plan.size(*operand).components * TILE;
                        for range in columns.iter().map(|&c| c as usize * element..(c as usize + 1) * element) {
                            scale(&mut target[range.clone()], &words[range]);
                        }
                    }
                }
            }
            (op, _) => unreachable!("the constants of another operation than {op:?}"),
        }
    }
}

/// What operation `index` squares, when its result need not be stored: one product reads it, once.
fn fused_square(ops: &[Op<'_>], index: usize) -> Option<Operand> {
    let Op::Square(squared) = ops[index] else { return None };
    let result = Operand::Result(index);
    let reads = ops.iter().map(|op| match op {
        Op::Linear { terms, .. } => terms.iter().filter(|(o, _)| *o == result).count(),
        // Twice, which is once too often.
        Op::Square(o) | Op::Scale(o, _) => 2 * usize::from(*o == result),
    });
    (reads.sum::<usize>() == 1).then_some(squared)
}

/// The elements of input `index` that the operations read; `None` when all, or when there is
/// nothing to unpack.
fn columns_unpacked(ops: &[Op<'_>], index: usize, input: &InputBatch<'_>) -> Option<Vec<u32>> {
    let InputBatch::Compressed(compressed) = input else { return None };
    columns_read(ops, Operand::Input(index), compressed.len())
}

/// The elements of operation `index`'s result that later operations read, where it scales; `None`
/// when all, or when it is the last operation, whose result is read by whoever asked for it.
fn columns_scaled(ops: &[Op<'_>], index: usize, sizes: &[OperandSize]) -> Option<Vec<u32>> {
    match ops[index] {
        Op::Scale(..) if index + 1 < ops.len() => columns_read(ops, Operand::Result(index), sizes[index].len),
        _ => None,
    }
}

/// The elements of an operand that the operations read, of `len`; `None` when all.
fn columns_read(ops: &[Op<'_>], operand: Operand, len: usize) -> Option<Vec<u32>> {
    let mut read = vec![false; len];
    for op in ops {
        match op {
            Op::Linear { terms, .. } => {
                let terms = terms.iter().filter(|(o, _)| *o == operand);
                for column in terms.flat_map(|(_, panels)| panels.columns_read()) {
                    read[column as usize] = true;
                }
            }
            Op::Square(o) | Op::Scale(o, _) if *o == operand => return None,
            Op::Square(_) | Op::Scale(..) => {}
        }
    }
    if read.iter().all(|&r| r) {
        return None;
    }
    Some((0_u32..).zip(read).filter(|(_, r)| *r).map(|(c, _)| c).collect())
}

/// The size of operation `index`'s result; refuses operands that do not fit it.
fn result_size(index: usize, op: &Op<'_>, inputs: &[InputBatch<'_>], sizes: &[OperandSize]) -> Result<OperandSize> {
    let size = |o: Operand| {
        let size = match o {
            Operand::Input(k) => inputs.get(k).map(InputBatch::size),
            Operand::Result(k) => sizes.get(k).copied(),
        };
        size.ok_or_else(|| {
            operand("evaluating", format!("operand {o:?} of operation {index}"), "an input or an earlier result")
        })
    };
    match op {
        Op::Linear { terms, bias } => {
            let mut components = 2;
            for (o, panels) in terms {
                let input = size(*o)?;
                let (rows, columns) = (panels.rows(), panels.columns());
                if columns != input.len || rows != bias.len() {
                    return Err(operand(
                        "evaluating a linear layer",
                        format!("{rows} x {columns} weights, {} inputs, {} biases", input.len, bias.len()),
                        "one column per input and one bias per row",
                    ));
                }
                components = components.max(input.components);
            }
            if terms.is_empty() || bias.is_empty() {
                return Err(operand("evaluating a linear layer", "no term or no output", "at least one of each"));
            }
            Ok(OperandSize { len: bias.len(), components })
        }
        Op::Square(o) => match size(*o)? {
            OperandSize { len, components: 2 } => Ok(OperandSize { len, components: 3 }),
            OperandSize { components, .. } => Err(operand("squaring", format!("{components} components"), "2")),
        },
        Op::Scale(o, _) => size(*o),
    }
}

fn constants(q: Modulus, op: &Op<'_>) -> Constants {
    match op {
        Op::Linear { bias, .. } => Constants::Biases(bias.iter().map(|&b| q.reduce_i128(b)).collect()),
        Op::Square(_) => Constants::None,
        Op::Scale(_, factor) => Constants::Factor(q.factor(q.reduce(*factor))),
    }
}
