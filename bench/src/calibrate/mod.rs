//! Measures the rates that predictions are made with: each from a small run of its own, or from
//! what is left of one when what is known already is subtracted. No rate is fitted to a network
//! that it is to predict.

#[cfg(feature = "tfhe")]
mod tfhe;

use beaa_ckks::pointwise::{self, InputBatch, Op, Operand};
use beaa_ckks::{Batch, EvaluationKey, Kernel, KeySwitcher, Panels, Parameters, SecretKey, SecretRng, rescale};
use beaa_compiler::ckks::Options;
use beaa_compiler::{BootstrapRates, Machine, MachineLiteral, Rates, plausible_speed_up};

use crate::microbench::{Microbench, PolyOp};
use crate::timing::{Repetitions, on_threads, sample};
use crate::workloads::operands::{PRIME_BITS, matrix, mixed_parameters, parameters, residues};
use crate::workloads::program::ProgramWorkload;
use crate::{BenchSettings, NetworkRecipe, Result, random_network};

/// Degree and limbs of what is measured: the middle of what networks have.
const DEGREE: usize = 8192;
const LIMBS: usize = 4;
/// Ciphertexts whose keys are switched at once.
const COUNT: usize = 96;
/// The least seconds that a rate is set to, where it is lost in the noise of others.
const MIN_RATE: f64 = 1e-13;
/// Runs of a network, at most, until its speed-up by threads is one that can be.
const MOST_ROUNDS: usize = 20;
/// Slots in which pointwise work is measured: so few that most runs are not interrupted.
const SLOTS: usize = 64;
/// Inputs and results of a large layer.
const WIDE: usize = 845;
/// Results of a dense one.
const ROWS: usize = 96;
/// Inputs of a short one.
const SHORT: usize = 8;
/// One weight in so many of a pruned one.
const PRUNED: usize = 8;

/// Measures the rates of this machine, in seconds; the settings' threads are the larger number for
/// the speed-up.
///
/// # Errors
///
/// If threads cannot be started, or what was measured makes no machine (a rate that is not a
/// positive number).
pub fn calibrate(settings: &BenchSettings) -> Result<Machine> {
    let repetitions = Repetitions::small(settings.quick);
    let mut rates = on_threads(1, || pointwise_rates(repetitions))?;
    on_threads(1, || switching_rates(repetitions, &mut rates))?;
    let speed_up = end_rates(settings, &mut rates)?;
    let name = format!("{}, {:?} path", processor_name(), Kernel::detect());
    let bootstrap = bootstrap_rates(settings.quick)?;
    Ok(Machine::try_from(MachineLiteral { name, rates, speed_up: (settings.threads, speed_up), bootstrap })?)
}

#[cfg(feature = "tfhe")]
fn bootstrap_rates(quick: bool) -> Result<Option<BootstrapRates>> {
    tfhe::rates(quick).map(Some)
}

#[cfg(not(feature = "tfhe"))]
#[expect(clippy::unnecessary_wraps, reason = "the same signature as with the feature")]
fn bootstrap_rates(_: bool) -> Result<Option<BootstrapRates>> {
    Ok(None)
}

/// Returns the processor's name, as far as the system tells.
fn processor_name() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|l| l.strip_prefix("model name")).and_then(|l| l.split_once(':'));
    model.map_or_else(|| std::env::consts::ARCH.into(), |(_, name)| name.trim().to_owned())
}

/// Returns the least seconds of operation `index` for one residue position, on one thread.
/// Operations after it keep it from being the one that writes to fresh memory.
fn seconds(repetitions: Repetitions, batch: &Batch, p: &Parameters, ops: &[Op<'_>], index: usize) -> Result<f64> {
    let mut least = f64::INFINITY;
    sample(repetitions, || {
        let outcome = pointwise::run(p, batch.limbs(), &[InputBatch::Stored(batch)], ops)?;
        least = least.min(outcome.op_seconds[index]);
        Ok(())
    })?;
    Ok(least / (p.degree() * batch.limbs()) as f64)
}

/// Measures products, loads, edges and squares on tiles that stay in the cache, and streaming on a
/// batch that does not.
fn pointwise_rates(repetitions: Repetitions) -> Result<Rates> {
    let kernel = Kernel::detect();
    let p = mixed_parameters(kernel, SLOTS, 2)?;
    let bias = vec![0_i128; WIDE];
    let zeros = |n: usize| &bias[..n];
    let linear = |from: Operand, panels| Op::Linear { terms: vec![(from, panels)], bias: zeros(Panels::rows(panels)) };
    let (dense, thin) = (matrix(kernel, ROWS, WIDE, 1)?, matrix(kernel, ROWS, WIDE, PRUNED)?);
    let (short, first_one, one) =
        (matrix(kernel, WIDE, SHORT, 1)?, matrix(kernel, 1, ROWS, 1)?, matrix(kernel, 1, WIDE, 1)?);
    // Few inputs spread to many results: what is in memory is small against what is worked on.
    let batch = residues(&p, 2, 2, SHORT)?;
    let spread = linear(Operand::Input(0), &short);
    let layer = |panels| {
        let ops = [spread.clone(), linear(Operand::Result(0), panels), linear(Operand::Result(1), &first_one)];
        Ok::<_, crate::Error>(seconds(repetitions, &batch, &p, &ops, 1)? / 2.0)
    };
    let squares = [spread.clone(), Op::Square(Operand::Result(0)), linear(Operand::Result(1), &one)];
    let moduli = &p.literal().moduli;
    let equation = |panels: &Panels, seconds: f64| {
        let edges = (panels.rows() + panels.columns()) as f64;
        let products: f64 = moduli.iter().map(|&q| panels.products(kernel, q)).sum();
        ([products / moduli.len() as f64, panels.loads() as f64, edges], seconds)
    };
    let [product, load, edge] = solve([
        equation(&dense, layer(&dense)?),
        equation(&thin, layer(&thin)?),
        equation(&short, seconds(repetitions, &batch, &p, &squares, 0)? / 2.0),
    ]);
    let known = |panels: &Panels| {
        let ([products, loads, edges], _) = equation(panels, 0.0);
        products * product + loads * load + edges * edge
    };
    // A path may make squares where the product reads them.
    let squared = seconds(repetitions, &batch, &p, &squares, 1)? + seconds(repetitions, &batch, &p, &squares, 2)?;
    let plain = [spread.clone(), linear(Operand::Result(0), &one)];
    let read = seconds(repetitions, &batch, &p, &plain, 1)? / 2.0;
    let square = (squared - 3.0 * read) / (WIDE * 3) as f64;

    let large = parameters(kernel, DEGREE, 1)?;
    let wide = residues(&large, 1, 2, WIDE)?;
    let sum = [linear(Operand::Input(0), &one)];
    let whole = sample(repetitions, || Ok(pointwise::run(&large, 1, &[InputBatch::Stored(&wide)], &sum).map(drop)?))?;
    let streamed = whole.minimum / (2 * DEGREE) as f64;
    let stream = (streamed - known(&one)) / WIDE as f64;
    Ok(Rates {
        product,
        load,
        edge,
        square: square.max(MIN_RATE),
        stream: stream.max(MIN_RATE),
        transform: MIN_RATE,
        key: MIN_RATE,
        gather: MIN_RATE,
        expand: MIN_RATE,
        pack: MIN_RATE,
    })
}

/// Solves for seconds per product, load and edge, none of them negative: least squares in relative
/// error by coordinate descent, exact enough for three well-separated equations.
fn solve(equations: [([f64; 3], f64); 3]) -> [f64; 3] {
    let mut x = [0.0_f64; 3];
    for _ in 0..20_000 {
        for k in 0..3 {
            let (mut along, mut weight) = (0.0, 0.0);
            for (coefficients, seconds) in &equations {
                let a = coefficients.map(|c| c / seconds);
                let rest: f64 = a.iter().zip(&x).enumerate().filter(|(i, _)| *i != k).map(|(_, (a, x))| a * x).sum();
                along += a[k] * (1.0 - rest);
                weight += a[k] * a[k];
            }
            x[k] = (along / weight).max(0.0);
        }
    }
    // Products are never free.
    let [product, load, edge] = x;
    [product.max(MIN_RATE), load, edge]
}

/// Measures transforms by themselves; what a rescaling takes beside them is gathering, what a
/// relinearisation takes beside both is the products with the key.
fn switching_rates(repetitions: Repetitions, rates: &mut Rates) -> Result<()> {
    let mut bench = Microbench::new(DEGREE, PRIME_BITS, Kernel::detect())?;
    let mut time = |op: PolyOp| -> Result<f64> {
        let run = || {
            bench.run(op);
            Ok(())
        };
        Ok(sample(repetitions, run)?.minimum)
    };
    // Of every few transforms one is inverse; each forward one follows a base extension.
    let transform = 0.75 * (time(PolyOp::Forward)? + time(PolyOp::BaseExtend)?) + 0.25 * time(PolyOp::Inverse)?;

    let p = mixed_parameters(Kernel::detect(), DEGREE, LIMBS)?;
    let mut rng = SecretRng::insecure(1, "calibration");
    let secret = SecretKey::generate(&p, &mut rng);
    let key = EvaluationKey::generate(&secret, &mut rng);
    let switcher = KeySwitcher::new(&p, &key)?;
    let (n, limbs, count) = (DEGREE as f64, LIMBS as f64, COUNT as f64);
    let pairs = residues(&p, LIMBS, 2, COUNT)?;
    let rescaled = sample(repetitions, || Ok(rescale(&p, &pairs, 1).map(drop)?))?.minimum / (2.0 * count);
    let squares = residues(&p, LIMBS, 3, COUNT)?;
    let relinearised = sample(repetitions, || Ok(switcher.relinearise(&squares).map(drop)?))?.minimum / count;
    let gather = (rescaled - limbs * transform) / (2.0 * limbs - 1.0);
    let keys = (relinearised - limbs * limbs * transform - 5.0 * limbs * gather) / (2.0 * limbs * limbs);
    rates.transform = transform / (n * n.log2());
    rates.gather = (gather / n).max(MIN_RATE);
    rates.key = (keys / n).max(MIN_RATE);
    Ok(())
}

/// Measures unpacking and packing on runs of a small random network, and returns the speed-up of
/// threads.
fn end_rates(settings: &BenchSettings, rates: &mut Rates) -> Result<f64> {
    let model = random_network(NetworkRecipe { squares: 1, ..NetworkRecipe::default() })?;
    let workload = ProgramWorkload::new(&model, &Options::default(), 1)?;
    let signature = workload.program.signature();
    let input = workload.input(&model, 1)?;
    let (mut one, mut all, mut expand, mut pack) = (f64::INFINITY, f64::INFINITY, f64::INFINITY, f64::INFINITY);
    let rounds = if settings.quick { 1 } else { 5 };
    for round in 0..MOST_ROUNDS {
        if round >= rounds && plausible_speed_up(settings.threads, one / all) {
            break;
        }
        all = all.min(workload.run(&input, settings.threads)?.seconds);
        one = one.min(workload.run(&input, 1)?.seconds);
        let run = workload.timed_run(&input)?;
        let unpacking = run.layers.iter().flat_map(|l| &l.operations).filter(|o| o.operation == "unpack");
        expand = expand.min(unpacking.map(|o| o.thread_seconds).sum());
        pack = pack.min(run.seconds - run.layers.iter().map(|l| l.seconds).sum::<f64>());
    }
    let degree = signature.parameters.degree as f64;
    let positions = (signature.reads.count() * signature.input_limbs) as f64 * degree;
    let answers = (signature.classes.outputs() * signature.output_limbs * signature.output_components) as f64 * degree;
    rates.expand = (expand / positions).max(MIN_RATE);
    rates.pack = (pack / answers).max(MIN_RATE);
    Ok(one / all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equations_are_solved_and_nothing_is_negative() {
        let truth = [2e-11, 5e-11, 3e-10];
        let rows = [[81_120.0, 13_520.0, 941.0], [10_000.0, 10_000.0, 941.0], [6_760.0, 1_128.0, 853.0]];
        let equations = rows.map(|r: [f64; 3]| (r, r.iter().zip(&truth).map(|(a, x)| a * x).sum()));
        for (found, expected) in solve(equations).iter().zip(&truth) {
            assert!((found / expected - 1.0).abs() < 0.01, "{found} for {expected}");
        }
        let odd = [([10.0, 1.0, 1.0], 1.0), ([1.0, 10.0, 1.0], 0.001), ([1.0, 1.0, 10.0], 5.0)];
        assert!(solve(odd).iter().all(|x| *x >= 0.0));
    }
}
