//! Every arithmetic path of the engine against the peak of the instruction that it spends its time
//! in, both measured in the same run, in turn: clocks differ from one minute to the next, so a data
//! sheet's peak would say little.

use beaa_ckks::pointwise::{self, InputBatch, Op, Operand};
use beaa_ckks::{Batch, Kernel, Panels, Parameters};
use serde::Serialize;

use crate::Result;
use crate::microbench::{Microbench, PolyOp};
use crate::peak_throughput::Instruction;
use crate::timing::{Repetitions, alternate, on_threads, sample};
use crate::workloads::operands::{PRIME_BITS, matrix, parameters, parameters_of, residues, row};

/// The layer that matters most: CryptoNets' 845 squares of three components each into 100.
const DENSE: (usize, usize, usize) = (100, 845, 3);
/// Wide primes.
const WIDE_BITS: u32 = 38;
/// One tile: what the kernel is given at once.
const TILE: usize = beaa_ckks::TILE;
/// Degree at which passes are measured.
const DEGREE: usize = 8192;

/// One arithmetic path.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KernelFigures {
    /// The path's name.
    pub kernel: String,
    /// Whether it is the one that this machine uses.
    pub used: bool,
    /// The multiply instruction of its inner loop.
    pub instruction: &'static str,
    /// Products of a residue and a weight in a second at the instruction's peak.
    pub peak: f64,
    /// Products in a second of the dense layer.
    pub dense: f64,
    /// [`Self::dense`] over [`Self::peak`].
    pub fraction: f64,
    /// As [`Self::dense`] with primes of 38 bits, for which sums may need reducing in between.
    pub wide: f64,
    /// Products in a second when nine weights in ten are zero: rows that share no inputs.
    pub sparse: f64,
    /// Residues of squares in a second.
    pub square: f64,
    /// Transforms and the passes around them, at N = 8192.
    pub passes: Vec<PassFigures>,
}

/// One pass over a polynomial.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PassFigures {
    /// The pass's name.
    pub pass: &'static str,
    /// Seconds for the N = 8192 residues of one limb.
    pub seconds: f64,
    /// Residues in a second.
    pub residues: f64,
}

/// Measures every path that this machine has, on one thread.
///
/// # Errors
///
/// If threads cannot be started or an operation refuses its operands.
pub fn measure_kernels(quick: bool) -> Result<Vec<KernelFigures>> {
    on_threads(1, || Kernel::available().into_iter().map(|k| kernel(k, quick)).collect())
}

fn kernel(kernel: Kernel, quick: bool) -> Result<KernelFigures> {
    let instruction = Instruction::of(kernel);
    let parameters = parameters(kernel, TILE, 1)?;
    let (rows, columns, components) = DENSE;
    let dense = matrix(kernel, rows, columns, 1)?;
    let wider = parameters_of(kernel, TILE, 1, WIDE_BITS)?;
    let wide_batch = residues(&wider, 1, components, columns)?;
    let sparse = matrix(kernel, rows, columns, 10)?;
    let batch = residues(&parameters, 1, components, columns)?;
    let pairs = residues(&parameters, 1, 2, columns)?;
    let bias = vec![0; rows];
    let linear = |p: &Parameters, batch: &Batch, panels: &Panels| {
        let op = Op::Linear { terms: vec![(Operand::Input(0), panels)], bias: &bias };
        Ok(pointwise::run(p, 1, &[InputBatch::Stored(batch)], &[op]).map(drop)?)
    };
    let mut count = 0;
    let mut peak = || {
        count = instruction.spin(SPIN).unwrap_or_else(|| unreachable!("a kernel whose instruction is missing"));
        Ok(())
    };
    let (mut run_dense, mut run_sparse) =
        (|| linear(&parameters, &batch, &dense), || linear(&parameters, &batch, &sparse));
    let mut run_wide = || linear(&wider, &wide_batch, &dense);
    let mut run_square = || {
        Ok(pointwise::run(&parameters, 1, &[InputBatch::Stored(&pairs)], &[Op::Square(Operand::Input(0))]).map(drop)?)
    };
    let repetitions = Repetitions::small(quick);
    let repetitions = Repetitions { seconds: 4.0 * repetitions.seconds, ..repetitions };
    let times =
        alternate(repetitions, &mut [&mut peak, &mut run_dense, &mut run_sparse, &mut run_square, &mut run_wide])?;
    let rate = |i: usize, work: f64| work / times[i].minimum;
    let slots = (components * TILE) as f64;
    let [prime] = parameters.literal().moduli[..] else { unreachable!("parameters of one limb") };
    let of_residues = count as f64 / kernel.products_of_residue(prime) as f64;
    let (peak, dense) = (rate(0, of_residues), rate(1, (rows * columns) as f64 * slots));
    let kept: usize = (0..rows).map(|r| row(r, columns, 10).0.len()).sum();
    let mut bench = Microbench::new(DEGREE, PRIME_BITS, kernel)?;
    let passes = PolyOp::ALL.into_iter().map(|op| {
        let seconds = sample(repetitions, || {
            bench.run(op);
            Ok(())
        })?
        .minimum;
        Ok(PassFigures { pass: op.name(), seconds, residues: DEGREE as f64 / seconds })
    });
    Ok(KernelFigures {
        kernel: format!("{kernel:?}"),
        used: kernel == Kernel::detect(),
        instruction: instruction.name(),
        peak,
        dense,
        fraction: dense / peak,
        wide: rate(4, (rows * columns) as f64 * slots),
        sparse: rate(2, kept as f64 * slots),
        square: rate(3, (columns * 3 * TILE) as f64),
        passes: passes.collect::<Result<_>>()?,
    })
}

/// Rounds of the peak's loop: a tenth of a millisecond or so, as long as the kernel takes for a
/// tile.
const SPIN: u64 = 20_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_available_path_is_measured_and_one_is_in_use() {
        let all = measure_kernels(true).unwrap();
        assert_eq!(all.len(), Kernel::available().len());
        assert_eq!(all.iter().filter(|k| k.used).count(), 1);
        for k in &all {
            for rate in [k.peak, k.dense, k.fraction, k.wide, k.sparse, k.square] {
                assert!(rate.is_finite() && rate > 0.0, "{k:?}");
            }
            assert_eq!(k.passes.len(), PolyOp::ALL.len());
        }
    }
}
