//! Every arithmetic path: products on one tile (dense, pruned, convolution-shaped), squares, the
//! passes of key switching at each degree, whole relinearisations and rescalings. `beaa bench` sets
//! the same in relation to the processor's peak.

use beaa_ckks::pointwise::{InputBatch, Op, Operand, run};
use beaa_ckks::primes::ntt_primes;
use beaa_ckks::{
    EvaluationKey, Kernel, KeySwitcher, Parameters, ParametersLiteral, Result, SecretKey, SecretRng, TILE, rescale,
    security::DEGREES,
};
use criterion::{BenchmarkId, Criterion, Throughput};

#[path = "../../src/microbench.rs"]
#[allow(dead_code, unused_imports)]
mod microbench;
#[path = "../../src/workloads/operands.rs"]
#[allow(dead_code, unused_imports)]
mod operands;
#[path = "../../src/peak_throughput.rs"]
#[allow(dead_code, unused_imports)]
mod peak_throughput;

use microbench::{Microbench, PolyOp};
use operands::{matrix, parameters, residues};
use peak_throughput::Instruction;

fn kernels() -> impl Iterator<Item = Kernel> {
    Kernel::available().into_iter()
}

fn linear(c: &mut Criterion) -> Result<()> {
    let mut group = c.benchmark_group("linear");
    for kernel in kernels() {
        let p = parameters(kernel, TILE, 1)?;
        for (name, rows, columns, components, every) in
            [("dense", 100, 845, 3, 1), ("pruned", 100, 845, 3, 10), ("short", 845, 25, 2, 1)]
        {
            let (panels, batch) = (matrix(kernel, rows, columns, every)?, residues(&p, 1, components, columns)?);
            let bias = vec![0; rows];
            group.throughput(Throughput::Elements((rows * columns * components * TILE) as u64 / every as u64));
            group.bench_function(BenchmarkId::new(name, format!("{kernel:?}")), |b| {
                b.iter(|| {
                    let op = Op::Linear { terms: vec![(Operand::Input(0), &panels)], bias: &bias };
                    run(&p, batch.limbs(), &[InputBatch::Stored(&batch)], &[op])
                });
            });
        }
        let pairs = residues(&p, 1, 2, 845)?;
        group.throughput(Throughput::Elements((845 * 3 * TILE) as u64));
        group.bench_function(BenchmarkId::new("square", format!("{kernel:?}")), |b| {
            b.iter(|| run(&p, pairs.limbs(), &[InputBatch::Stored(&pairs)], &[Op::Square(Operand::Input(0))]));
        });
    }
    group.finish();
    Ok(())
}

fn peaks(c: &mut Criterion) {
    let mut group = c.benchmark_group("peak");
    for instruction in Instruction::ALL.into_iter().filter(|i| i.available()) {
        group.throughput(Throughput::Elements(instruction.spin(10_000).unwrap_or(0)));
        group.bench_function(instruction.name(), |b| b.iter(|| instruction.spin(10_000)));
    }
    group.finish();
}

fn passes(c: &mut Criterion) -> Result<()> {
    for op in PolyOp::ALL {
        let mut group = c.benchmark_group(op.name());
        for (kernel, degree) in kernels().flat_map(|k| DEGREES.map(|n| (k, n))) {
            let mut bench = Microbench::new(degree, 34, kernel)?;
            group.throughput(Throughput::Elements(degree as u64));
            group.bench_function(BenchmarkId::new(format!("{kernel:?}"), degree), |b| b.iter(|| bench.run(op)));
        }
        group.finish();
    }
    Ok(())
}

fn switching(c: &mut Criterion) -> Result<()> {
    let mut group = c.benchmark_group("switching, 8 ciphertexts, 4 limbs");
    for kernel in kernels() {
        let p = parameters(kernel, 8192, 4)?;
        let mut rng = SecretRng::insecure(1, "benches");
        let secret = SecretKey::generate(&p, &mut rng);
        let key = EvaluationKey::generate(&secret, &mut rng);
        let switcher = KeySwitcher::new(&p, &key)?;
        let (pairs, squares) = (residues(&p, 4, 2, 8)?, residues(&p, 4, 3, 8)?);
        group.bench_function(BenchmarkId::new("relinearise", format!("{kernel:?}")), |b| {
            b.iter(|| switcher.relinearise(&squares));
        });
        group.bench_function(BenchmarkId::new("rescale", format!("{kernel:?}")), |b| b.iter(|| rescale(&p, &pairs, 1)));
    }
    group.finish();
    Ok(())
}

/// Digits of as many limbs as there are special primes.
fn digits(c: &mut Criterion) -> Result<()> {
    const N: usize = 16_384;
    const LIMBS: usize = 7;
    const COUNT: usize = 64;
    let mut group = c.benchmark_group(format!("switching, {COUNT} ciphertexts, {LIMBS} limbs, N = {N}"));
    for special in 0..=4 {
        let moduli = ntt_primes(N, 35, LIMBS, &[])?;
        let special_primes = ntt_primes(N, 42, special, &moduli)?;
        let literal = ParametersLiteral { degree: N, moduli, special: special_primes, security: 128 };
        let p = Parameters::try_from(literal)?;
        let mut rng = SecretRng::insecure(1, "benches");
        let key = EvaluationKey::generate(&SecretKey::generate(&p, &mut rng), &mut rng);
        let switcher = KeySwitcher::new(&p, &key)?;
        let squares = residues(&p, LIMBS, 3, COUNT)?;
        let _pages = beaa_memory::keep_pages();
        for (name, divisions) in [("relinearise", 0), ("relinearise and rescale", 1)] {
            group.bench_function(BenchmarkId::new(name, format!("{special} special")), |b| {
                b.iter(|| switcher.relinearise_and_rescale(&squares, divisions));
            });
        }
    }
    group.finish();
    Ok(())
}

fn main() -> Result<()> {
    let mut criterion = Criterion::default().configure_from_args();
    peaks(&mut criterion);
    linear(&mut criterion)?;
    passes(&mut criterion)?;
    switching(&mut criterion)?;
    digits(&mut criterion)?;
    criterion.final_summary();
    Ok(())
}
