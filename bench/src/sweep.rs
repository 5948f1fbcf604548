//! How times grow: with the batch, the depth of the network, the ring and its limbs, and the
//! weights that are left. All on one thread, in processor seconds; every point is a run.

use beaa_ckks::pointwise::{self, InputBatch, Op, Operand};
use beaa_ckks::primes::ntt_primes;
use beaa_ckks::{
    EvaluationKey, Kernel, KeySwitcher, Parameters, ParametersLiteral, SecretKey, SecretRng, rescale, security,
};
use beaa_compiler::ckks::Options;
use beaa_ir::Model;
use beaa_ir::ckks::StepOp;
use beaa_ir::stats::log2_product;
use beaa_runtime::LayerTime;
use beaa_runtime::ckks::EncryptedInput;
use serde::Serialize;

use crate::timing::{Repetitions, on_threads, sample};
use crate::workloads::operands::{matrix, residues};
use crate::workloads::program::ProgramWorkload;
use crate::{NetworkRecipe, Result, random_network};

/// The run time of one program at one number of images.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BatchPoint {
    /// Images sent.
    pub images: usize,
    /// Seconds of the run.
    pub seconds: f64,
    /// The run's milliseconds for each image sent.
    pub milliseconds_per_image: f64,
}

/// One depth.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DepthPoint {
    /// Quadratic activations, one after the other.
    pub squares: usize,
    /// Ring degree chosen.
    pub degree: usize,
    /// Limbs of a fresh ciphertext.
    pub limbs: usize,
    /// Bits of all primes together.
    pub log_qp: f64,
    /// Seconds of the run.
    pub seconds: f64,
    /// The run's milliseconds for each of N slots.
    pub milliseconds_per_image: f64,
}

/// One ring.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RingPoint {
    /// Ring degree.
    pub degree: usize,
    /// Limbs.
    pub limbs: usize,
    /// Whether primes of 30 bits keep to 128 bits of security here.
    pub secure: bool,
    /// Products of a dense layer in a second.
    pub products_per_second: f64,
    /// Residues of squares in a second.
    pub square_per_second: f64,
    /// Milliseconds of relinearising one ciphertext.
    pub relinearise: f64,
    /// Milliseconds of rescaling one ciphertext of two components.
    pub rescale: f64,
}

/// One share of weights left.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SparsityPoint {
    /// Share of the weights that is zero, 0 to 1.
    pub sparsity: f64,
    /// Products of residues in linear layers.
    pub products: u64,
    /// Seconds of the linear layers.
    pub linear_seconds: f64,
    /// Products over those of the dense network.
    pub products_left: f64,
    /// Linear time over that of the dense network.
    pub time_left: f64,
    /// Seconds of the whole run.
    pub seconds: f64,
}

/// The points of all sweeps.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SweepFigures {
    /// Over the images sent.
    pub batch: Vec<BatchPoint>,
    /// Over the number of activations.
    pub depth: Vec<DepthPoint>,
    /// Over ring degree and limbs.
    pub ring: Vec<RingPoint>,
    /// Over the weights left out.
    pub sparsity: Vec<SparsityPoint>,
}

/// Sweeps over the images sent: powers of four (64 if quick), and all slots.
fn batch_sweep(model: &Model, quick: bool) -> Result<Vec<BatchPoint>> {
    let workload = ProgramWorkload::new(model, &Options::default(), 1)?;
    let slots = workload.slots();
    let step = if quick { 64 } else { 4 };
    let counts = std::iter::successors(Some(1), |n| Some(n * step)).take_while(|n| *n < slots).chain([slots]);
    let point = |images: usize| {
        let input = workload.input(model, images)?;
        let seconds = best(&workload, &input, quick)?.0;
        Ok(BatchPoint { images, seconds, milliseconds_per_image: 1e3 * seconds / images as f64 })
    };
    counts.map(point).collect()
}

/// Error of an output allowed at every depth, where outputs have deviation 4: a random network of
/// six squares allows no less.
const LOGIT_ERROR: f64 = 0.25;

/// Sweeps over one to six squares (two if quick).
fn depth_sweep(quick: bool) -> Result<Vec<DepthPoint>> {
    let point = |squares: usize| {
        let model = random_network(NetworkRecipe { squares, ..NetworkRecipe::default() })?;
        let workload = ProgramWorkload::new(&model, &Options { logit_error: LOGIT_ERROR, ..Options::default() }, 1)?;
        let seconds = best(&workload, &workload.input(&model, 1)?, quick)?.0;
        let p = &workload.program.signature().parameters;
        Ok(DepthPoint {
            squares,
            degree: p.degree,
            limbs: p.moduli.len(),
            log_qp: log2_product(p.moduli.iter().chain(&p.special)),
            seconds,
            milliseconds_per_image: 1e3 * seconds / p.degree as f64,
        })
    };
    (1..=if quick { 2 } else { 6 }).map(point).collect()
}

/// Sweeps over the weights left out: none, half, four fifths, nine tenths.
fn sparsity_sweep(quick: bool) -> Result<Vec<SparsityPoint>> {
    let mut points: Vec<SparsityPoint> = Vec::new();
    for density in [1.0, 0.5, 0.2, 0.1] {
        let model = random_network(NetworkRecipe { density, ..NetworkRecipe::default() })?;
        let workload = ProgramWorkload::new(&model, &Options::default(), 1)?;
        let (seconds, linear_seconds) = best(&workload, &workload.input(&model, 1)?, quick)?;
        let products = linear_products(&workload);
        let (first_products, first_seconds) =
            points.first().map_or((products, linear_seconds), |p| (p.products, p.linear_seconds));
        points.push(SparsityPoint {
            sparsity: 1.0 - density,
            products,
            linear_seconds,
            products_left: products as f64 / first_products as f64,
            time_left: linear_seconds / first_seconds,
            seconds,
        });
    }
    Ok(points)
}

/// Sweeps over every degree with 1 to 12 limbs (fewer if quick).
fn ring_sweep(quick: bool) -> Result<Vec<RingPoint>> {
    let limbs: &[usize] = if quick { &[1, 3] } else { &[1, 2, 3, 4, 6, 8, 12] };
    let degrees = if quick { &security::DEGREES[..2] } else { &security::DEGREES[..] };
    on_threads(1, || {
        degrees.iter().flat_map(|&n| limbs.iter().map(move |&l| (n, l))).map(|(n, l)| ring_point(n, l, quick)).collect()
    })
}

/// Makes all sweeps; `model` is the network of the one over the images sent, the others make their
/// own.
///
/// # Errors
///
/// If a network does not compile, or has no parameters at 128 bits of security.
pub fn measure_sweeps(model: &Model, quick: bool) -> Result<SweepFigures> {
    Ok(SweepFigures {
        batch: batch_sweep(model, quick)?,
        depth: depth_sweep(quick)?,
        ring: ring_sweep(quick)?,
        sparsity: sparsity_sweep(quick)?,
    })
}

/// Returns the least processor seconds of a run, and of its linear layers.
fn best(workload: &ProgramWorkload, input: &EncryptedInput, quick: bool) -> Result<(f64, f64)> {
    let (mut whole, mut linear) = (f64::INFINITY, f64::INFINITY);
    let operations = |l: &LayerTime| -> f64 {
        let linear = l.operations.iter().filter(|o| o.operation == "linear");
        if l.operation == "linear" { l.seconds } else { linear.map(|o| o.thread_seconds).sum() }
    };
    for _ in 0..if quick { 1 } else { 2 } {
        let run = workload.timed_run(input)?;
        whole = whole.min(run.seconds);
        linear = linear.min(run.layers.iter().map(operations).sum());
    }
    Ok((whole, linear))
}

fn linear_products(workload: &ProgramWorkload) -> u64 {
    let steps = workload.program.steps().iter().enumerate();
    let linear = steps.filter(|(_, s)| matches!(s.op, StepOp::Linear { .. }));
    linear.map(|(i, _)| crate::op_counts::step_products(&workload.program, i)).sum()
}

/// Inputs and outputs of the dense layer of a ring point.
const DENSE: (usize, usize) = (96, 64);

fn ring_point(degree: usize, limbs: usize, quick: bool) -> Result<RingPoint> {
    const BITS: u32 = 30;
    let moduli = ntt_primes(degree, BITS, limbs, &[])?;
    let p = Parameters::with_kernel(
        ParametersLiteral { degree, moduli, special: vec![], security: 128 },
        Kernel::detect(),
    )?;
    let mut rng = SecretRng::insecure(1, "measuring");
    let secret = SecretKey::generate(&p, &mut rng);
    let key = EvaluationKey::generate(&secret, &mut rng);
    let switcher = KeySwitcher::new(&p, &key)?;
    let repetitions = Repetitions { seconds: 0.3 * Repetitions::small(quick).seconds, least: 2 };
    let (rows, columns) = DENSE;
    let panels = matrix(p.kernel(), rows, columns, 1)?;
    let bias = vec![0; rows];
    let pairs = residues(&p, limbs, 2, columns)?;
    let run = |op: &Op<'_>| {
        Ok(pointwise::run(&p, pairs.limbs(), &[InputBatch::Stored(&pairs)], std::slice::from_ref(op)).map(drop)?)
    };
    let linear = Op::Linear { terms: vec![(Operand::Input(0), &panels)], bias: &bias };
    let linear = sample(repetitions, || run(&linear))?.minimum;
    let square = sample(repetitions, || run(&Op::Square(Operand::Input(0))))?.minimum;
    let few = 2;
    let squares = residues(&p, limbs, 3, few)?;
    let switch = sample(repetitions, || Ok(switcher.relinearise(&squares).map(drop)?))?.minimum;
    let pairs = residues(&p, limbs, 2, few)?;
    // One limb cannot be dropped.
    let drop_last = || if limbs > 1 { Ok(rescale(&p, &pairs, 1).map(drop)?) } else { Ok(()) };
    let divided = sample(repetitions, drop_last)?.minimum;
    let positions = (degree * limbs) as f64;
    Ok(RingPoint {
        degree,
        limbs,
        secure: security::max_log_qp(degree, 128).is_some_and(|most| BITS * limbs as u32 <= most),
        products_per_second: (rows * columns * 2) as f64 * positions / linear,
        square_per_second: (columns * 3) as f64 * positions / square,
        relinearise: 1e3 * switch / few as f64,
        rescale: if limbs > 1 { 1e3 * divided / few as f64 } else { 0.0 },
    })
}
