//! Measures the rates that predictions are made with: each from one small run in which it is all that counts, or all that
//! is left when what is known already is taken off. Must never fit a rate to a whole network that it is to predict.

use beaa_ckks::pointwise::{self, Op, Operand};
use beaa_ckks::probe::{Pass, Probe};
use beaa_ckks::{Batch, EvaluationKey, Kernel, Panels, Parameters, SecretKey, SecretRng, relinearise, rescale};
use beaa_compiler::{Machine, MachineLiteral, Rates};

use crate::clock::{Effort, on_threads, sample};
use crate::kernels::{matrix, parameters};
use crate::operations::residues;
use crate::prepared::Prepared;
use crate::{Recipe, Result, Setting, random};

/// Degree and limbs of what is measured: the middle of what networks have.
const DEGREE: usize = 8192;
const LIMBS: usize = 4;
/// Bits of the primes.
const BITS: u32 = 34;
/// Ciphertexts that are switched at once.
const COUNT: usize = 32;
/// The least that a rate is taken for: one lost in the noise of others.
const LEAST: f64 = 1e-13;
/// Slots in which pointwise work is measured.
const SLOTS: usize = 512;

/// Measures the rates of this machine; `setting`'s threads are the larger number for the speed-up.
pub fn calibrate(setting: &Setting) -> Result<Machine> {
    let effort = Effort::small(setting.quick);
    let mut rates = on_threads(1, || pointwise_rates(effort))?;
    on_threads(1, || switching_rates(effort, &mut rates))?;
    let speed_up = end_rates(setting, &mut rates)?;
    let name = format!("{}, {:?} path", processor_name(), Kernel::detect());
    Ok(Machine::try_from(MachineLiteral { name, rates, speed_up: (setting.threads, speed_up) })?)
}

/// As the system tells.
fn processor_name() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|l| l.strip_prefix("model name")).and_then(|l| l.split_once(':'));
    model.map_or_else(|| std::env::consts::ARCH.into(), |(_, name)| name.trim().to_owned())
}

/// What one run of the operations takes for one residue position, on one thread.
fn seconds(effort: Effort, batch: &Batch, p: &Parameters, ops: &[Op<'_>]) -> Result<f64> {
    let positions = (p.degree() * batch.limbs()) as f64;
    Ok(sample(effort, || Ok(pointwise::run(p, &[batch], ops).map(drop)?))?.minimum / positions)
}

fn linear<'a>(from: Operand, panels: &'a Panels, bias: &'a [i128]) -> Op<'a> {
    Op::Linear { terms: vec![(from, panels)], bias }
}

/// Products, loads, results and squares on tiles that stay in the cache; streaming on a batch that does not.
fn pointwise_rates(effort: Effort) -> Result<Rates> {
    let kernel = Kernel::detect();
    let p = parameters(kernel, SLOTS, 1)?;
    let bias = vec![0_i128; 1024];
    let zeros = |n: usize| bias.get(..n).unwrap_or_default();
    // A first layer of one row for each of 845 results makes the batch in memory small against what is worked on.
    let batch = residues(&p, 1, 2, 8)?;
    let spread: Vec<([u32; 1], [i32; 1])> = (0..845).map(|r| ([r % 8], [1 + r as i32])).collect();
    let spread = Panels::new(845, 8, |r| spread.get(r).map_or((&[], &[]), |(c, w)| (c, w)))?;
    let first = linear(Operand::Input(0), &spread, zeros(845));
    let reader = Panels::new(1, 845, |_| (&[0], &[1]))?;
    let read = |from: usize| linear(Operand::Result(from), &reader, zeros(1));
    let start = seconds(effort, &batch, &p, &[first.clone(), read(0)])?;
    let squared = seconds(effort, &batch, &p, &[first.clone(), Op::Square(Operand::Result(0)), read(1)])?;
    let square = (squared - start) / (845.0 * 3.0);

    // 845 results of two components from one weight each: nothing but results.
    let (dense, sparse, narrow) = (matrix(96, 845, 1)?, matrix(96, 845, 8)?, matrix(845, 8, 1)?);
    let of = |panels: &Panels, rows: usize| {
        let one = Panels::new(1, rows, |_| (&[0], &[1]))?;
        let ops = [
            first.clone(),
            linear(Operand::Result(0), panels, zeros(rows)),
            linear(Operand::Result(1), &one, zeros(1)),
        ];
        Ok::<f64, crate::Error>((seconds(effort, &batch, &p, &ops)? - start) / 2.0)
    };
    let short = {
        let one = Panels::new(1, 845, |_| (&[0], &[1]))?;
        let ops = [linear(Operand::Input(0), &narrow, zeros(845)), linear(Operand::Result(0), &one, zeros(1))];
        seconds(effort, &batch, &p, &ops)? / 2.0
    };
    let (long, thin) = (of(&dense, 96)?, of(&sparse, 96)?);
    let entries = |panels: &Panels, every: usize| (panels.rows() * panels.columns() / every) as f64;
    // Three equations: products, loads and results of a dense, a thin and a short matrix.
    let equations = [
        ([entries(&dense, 1), dense.loads() as f64, 96.0], long),
        ([entries(&sparse, 8), sparse.loads() as f64, 96.0], thin),
        ([entries(&narrow, 1), narrow.loads() as f64, 845.0], short),
    ];
    let [product, load, result] = solve(equations);

    let large = parameters(kernel, DEGREE, 1)?;
    let wide = residues(&large, 1, 2, 512)?;
    let sum = Panels::new(1, 512, |_| (&COLUMNS, &ONES))?;
    let streamed = seconds(effort, &wide, &large, &[linear(Operand::Input(0), &sum, zeros(1))])?;
    let stream = (streamed / 2.0 - 512.0 * (product + load) - result) / 512.0;
    Ok(Rates {
        product,
        load,
        result,
        square: square.max(LEAST),
        stream: stream.max(LEAST),
        transform: LEAST,
        key: LEAST,
        gather: LEAST,
        expand: LEAST,
        pack: LEAST,
    })
}

const COLUMNS: [u32; 512] = {
    let mut all = [0; 512];
    let mut i = 0;
    while i < 512 {
        all[i] = i as u32;
        i += 1;
    }
    all
};
const ONES: [i32; 512] = [1; 512];

/// Least squares in relative error over products, loads and results, none of them negative: a few rounds of coordinate
/// descent, exact enough for three well-separated equations.
fn solve(equations: [([f64; 3], f64); 3]) -> [f64; 3] {
    let mut x = [0.0_f64; 3];
    for _ in 0..20_000 {
        for k in 0..3 {
            let (mut along, mut weight) = (0.0, 0.0);
            for (coefficients, seconds) in &equations {
                let a = coefficients.map(|c| c / seconds);
                let rest: f64 = a.iter().zip(&x).enumerate().filter(|(i, _)| *i != k).map(|(_, (a, x))| a * x).sum();
                let own = a.get(k).copied().unwrap_or(0.0);
                along += own * (1.0 - rest);
                weight += own * own;
            }
            if let Some(x) = x.get_mut(k) {
                *x = (along / weight).max(0.0);
            }
        }
    }
    // Products are never free.
    x[0] = x[0].max(LEAST);
    x
}

/// Transforms alone; what a rescaling takes beside them is moving, what a relinearisation takes beside both is the key.
fn switching_rates(effort: Effort, rates: &mut Rates) -> Result<()> {
    let mut probe = Probe::new(DEGREE, BITS, Kernel::detect())?;
    let mut pass = |pass: Pass| -> Result<f64> {
        let run = || {
            probe.run(pass);
            Ok(())
        };
        Ok(sample(effort, run)?.minimum)
    };
    // Of every few transforms one is inverse; each forward one follows a lift.
    let transform = 0.75 * (pass(Pass::Forward)? + pass(Pass::Lift)?) + 0.25 * pass(Pass::Inverse)?;

    let p = parameters(Kernel::detect(), DEGREE, LIMBS)?;
    let mut rng = SecretRng::insecure(1, "calibration");
    let secret = SecretKey::generate(&p, &mut rng);
    let key = EvaluationKey::generate(&p, &secret, &mut rng);
    let (n, limbs, count) = (DEGREE as f64, LIMBS as f64, COUNT as f64);
    let pairs = residues(&p, LIMBS, 2, COUNT)?;
    let rescaled = sample(effort, || Ok(rescale(&p, &pairs).map(drop)?))?.minimum / (2.0 * count);
    let squares = residues(&p, LIMBS, 3, COUNT)?;
    let relinearised = sample(effort, || Ok(relinearise(&p, &key, &squares).map(drop)?))?.minimum / count;
    let gather = (rescaled - limbs * transform) / (2.0 * limbs - 1.0);
    let keys = (relinearised - limbs * limbs * transform - 5.0 * limbs * gather) / (2.0 * limbs * limbs);
    rates.transform = transform / (n * n.log2());
    rates.gather = (gather / n).max(LEAST);
    rates.key = (keys / n).max(LEAST);
    Ok(())
}

/// Unpacking, packing and the speed-up of threads, from a run of a small random network.
fn end_rates(setting: &Setting, rates: &mut Rates) -> Result<f64> {
    let model = random(Recipe { squares: 1, ..Recipe::default() })?;
    let options = beaa_compiler::Options { batch: 4096, ..Default::default() };
    let prepared = Prepared::new(&model, &options, 1)?;
    let signature = prepared.program.signature();
    let input = prepared.input(&model, 1)?;
    let (mut one, mut all, mut expand, mut pack) = (f64::INFINITY, f64::INFINITY, f64::INFINITY, f64::INFINITY);
    for _ in 0..if setting.quick { 1 } else { 5 } {
        all = all.min(prepared.run(&input, setting.threads)?.seconds);
        one = one.min(prepared.run(&input, 1)?.seconds);
        let lap = prepared.lap(&input)?;
        expand = expand.min(lap.layers.first().map_or(0.0, |l| l.seconds));
        pack = pack.min(lap.seconds - lap.layers.iter().map(|l| l.seconds).sum::<f64>());
    }
    let degree = signature.parameters.degree as f64;
    let positions = (signature.input.shape().len() * signature.input_limbs) as f64 * degree;
    let answers = (signature.outputs * signature.output_limbs * signature.output_components) as f64 * degree;
    rates.expand = (expand / positions).max(LEAST);
    rates.pack = (pack / answers).max(LEAST);
    Ok(one / all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equations_are_solved_and_nothing_is_negative() {
        let truth = [2e-11, 5e-11, 3e-10];
        let rows = [[81_120.0, 13_520.0, 96.0], [10_000.0, 10_000.0, 96.0], [6_760.0, 1_128.0, 845.0]];
        let equations = rows.map(|r: [f64; 3]| (r, r.iter().zip(&truth).map(|(a, x)| a * x).sum()));
        for (found, expected) in solve(equations).iter().zip(&truth) {
            assert!((found / expected - 1.0).abs() < 0.01, "{found} for {expected}");
        }
        let odd = [([10.0, 1.0, 1.0], 1.0), ([1.0, 10.0, 1.0], 0.001), ([1.0, 1.0, 10.0], 5.0)];
        assert!(solve(odd).iter().all(|x| *x >= 0.0));
    }
}
