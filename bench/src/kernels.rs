//! Every arithmetic path of the engine against the peak of the instruction that it spends its time in, both measured in
//! the same run, in turn. Must never compare with a peak from a data sheet: clocks differ from one minute to the next.

use beaa_ckks::pointwise::{self, Op, Operand};
use beaa_ckks::primes::ntt_primes;
use beaa_ckks::probe::{Pass, Probe};
use beaa_ckks::{Instruction, Kernel, Panels, Parameters, ParametersLiteral};
use serde::Serialize;

use crate::Result;
use crate::clock::{Effort, alternate, on_threads, sample};
use crate::operations::residues;

/// The layer that matters most: CryptoNets' 845 squares of three components each into 100.
const DENSE: (usize, usize, usize) = (100, 845, 3);
/// Bits of the prime and of a signed weight; compiled networks have about as many.
const BITS: (u32, u32) = (34, 12);
/// One tile: what the kernel is given at once.
const TILE: usize = beaa_ckks::TILE;
/// Degree at which passes are measured.
const DEGREE: usize = 8192;

/// One arithmetic path.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KernelFigures {
    /// The path.
    pub kernel: String,
    /// Whether it is the one that this machine uses.
    pub used: bool,
    /// The instruction of its products.
    pub instruction: &'static str,
    /// Products in a second at the instruction's peak.
    pub peak: f64,
    /// Products in a second of the dense layer.
    pub dense: f64,
    /// The second over the first.
    pub fraction: f64,
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
    /// Its name.
    pub pass: &'static str,
    /// Seconds at N = 8192.
    pub seconds: f64,
    /// Residues in a second.
    pub residues: f64,
}

/// Measures every path that this machine has, on one thread.
pub fn kernels(quick: bool) -> Result<Vec<KernelFigures>> {
    on_threads(1, || Kernel::ALL.into_iter().filter(|k| k.available()).map(|k| kernel(k, quick)).collect())
}

fn kernel(kernel: Kernel, quick: bool) -> Result<KernelFigures> {
    let instruction = Instruction::of(kernel);
    let parameters = parameters(kernel, TILE, 1)?;
    let (rows, columns, components) = DENSE;
    let dense = matrix(rows, columns, 1)?;
    let sparse = matrix(rows, columns, 10)?;
    let batch = residues(&parameters, 1, components, columns)?;
    let pairs = residues(&parameters, 1, 2, columns)?;
    let bias = vec![0; rows];
    let linear = |panels: &Panels| {
        let op = Op::Linear { terms: vec![(Operand::Input(0), panels)], bias: &bias };
        Ok(pointwise::run(&parameters, &[&batch], &[op]).map(drop)?)
    };
    let mut count = 0;
    let mut peak = || {
        count = instruction.spin(SPIN).unwrap_or(0);
        Ok(())
    };
    let (mut run_dense, mut run_sparse) = (|| linear(&dense), || linear(&sparse));
    let mut run_square = || Ok(pointwise::run(&parameters, &[&pairs], &[Op::Square(Operand::Input(0))]).map(drop)?);
    let effort = Effort::small(quick);
    let effort = Effort { seconds: 4.0 * effort.seconds, ..effort };
    let times = alternate(effort, &mut [&mut peak, &mut run_dense, &mut run_sparse, &mut run_square])?;
    let rate = |i: usize, work: f64| times.get(i).map_or(0.0, |s| work / s.minimum);
    let slots = (components * TILE) as f64;
    let (peak, dense) = (rate(0, count as f64), rate(1, (rows * columns) as f64 * slots));
    let kept: usize = (0..rows).map(|r| row(r, columns, 10).0.len()).sum();
    let mut probe = Probe::new(DEGREE, BITS.0, kernel)?;
    let passes = Pass::ALL.into_iter().map(|pass| {
        let seconds = sample(effort, || {
            probe.run(pass);
            Ok(())
        })?
        .minimum;
        Ok(PassFigures { pass: pass.name(), seconds, residues: DEGREE as f64 / seconds })
    });
    Ok(KernelFigures {
        kernel: format!("{kernel:?}"),
        used: kernel == Kernel::detect(),
        instruction: instruction.name(),
        peak,
        dense,
        fraction: dense / peak,
        sparse: rate(2, kept as f64 * slots),
        square: rate(3, (columns * 3 * TILE) as f64),
        passes: passes.collect::<Result<_>>()?,
    })
}

/// Rounds of the peak's loop: a tenth of a millisecond or so, as long as the kernel takes for a tile.
const SPIN: u64 = 20_000;

/// Parameters of a ring too small for anything but measuring.
pub(crate) fn parameters(kernel: Kernel, degree: usize, limbs: usize) -> Result<Parameters> {
    // Primes for the largest ring serve the smaller ones, too.
    let moduli = ntt_primes(degree.max(DEGREE), BITS.0, limbs, &[])?;
    Ok(Parameters::with_kernel(ParametersLiteral { degree, moduli, special: vec![], security: 128 }, kernel)?)
}

/// A matrix of which one entry in `every` is left, at places that look random.
pub(crate) fn matrix(rows: usize, columns: usize, every: usize) -> Result<Panels> {
    let all: Vec<(Vec<u32>, Vec<i32>)> = (0..rows).map(|r| row(r, columns, every)).collect();
    Ok(Panels::new(rows, columns, |r| all.get(r).map_or((&[], &[]), |(c, w)| (c, w)))?)
}

fn row(r: usize, columns: usize, every: usize) -> (Vec<u32>, Vec<i32>) {
    let noise = |c: u32| (((r * columns) as u64 + u64::from(c) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33) as u32;
    let largest = 1_i32 << (BITS.1 - 1);
    let kept: Vec<u32> =
        (0..columns as u32).filter(|&c| every == 1 || (noise(c) as usize).is_multiple_of(every)).collect();
    let weights = kept
        .iter()
        .map(|&c| (noise(c) >> 8) as i32 % (2 * largest - 1) - largest + 1)
        .map(|w| if w == 0 { 1 } else { w });
    let weights = weights.collect();
    (kept, weights)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_available_path_is_measured_and_one_is_in_use() {
        let all = kernels(true).unwrap();
        assert_eq!(all.len(), Kernel::ALL.into_iter().filter(|k| k.available()).count());
        assert_eq!(all.iter().filter(|k| k.used).count(), 1);
        for k in &all {
            assert!(k.peak > 1e8 && k.dense > 1e6 && k.fraction > 0.0 && k.sparse > 1e6, "{k:?}");
            assert_eq!(k.passes.len(), Pass::ALL.len());
        }
    }

    #[test]
    fn sparse_rows_differ_and_keep_one_in_so_many() {
        let rows: Vec<_> = (0..100).map(|r| row(r, 845, 10).0).collect();
        let kept: usize = rows.iter().map(Vec::len).sum();
        assert!((kept as f64 / 84_500.0 - 0.1).abs() < 0.01, "{kept}");
        assert!(rows.windows(2).all(|w| w[0] != w[1]));
        assert!(row(3, 845, 1).1.iter().all(|w| *w != 0 && w.abs() < 2048));
    }
}
