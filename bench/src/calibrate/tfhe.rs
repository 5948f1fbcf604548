//! The rates of the tfhe backend, from small made-up programs on one thread.

use beaa_compiler::BootstrapRates;
use beaa_ir::images::ImageMajor;
use beaa_ir::tfhe::{DECOMPOSITIONS, Parameters, Program, ProgramLiteral, Signature, SignatureFile, Stage};
use beaa_ir::{Classes, InputSpec, SparseMatrix};
use beaa_runtime::Silent;
use beaa_runtime::tfhe::{KeyPair, encrypt, keygen, run};

use crate::Result;
use crate::timing::on_threads;

/// Pixels, elements of a stage and outputs: two full batches of a thread.
const WIDTH: usize = 16;
/// Entries of a table.
const LEVELS: u32 = 16;
/// The least seconds that a rate is set to, where it is lost in the noise of others.
const MIN_RATE: f64 = 1e-6;

/// Measures the seconds of one core for a rotation with each decomposition, and for a key
/// switching.
pub(crate) fn rates(quick: bool) -> Result<BootstrapRates> {
    let (mut rotation, mut switches) = ([0.0; DECOMPOSITIONS.len()], 0.0);
    for (rate, decomposition) in rotation.iter_mut().zip(DECOMPOSITIONS) {
        // Fresh pixels need no key switching, what comes out of the first stage does.
        let [first, second] = stages(decomposition, quick)?;
        *rate = first / WIDTH as f64;
        switches += (second - first) / (WIDTH * DECOMPOSITIONS.len()) as f64;
    }
    Ok(BootstrapRates { rotation, switch: switches.max(MIN_RATE) })
}

/// Returns the least seconds of each of two stages.
fn stages(decomposition: (usize, usize), quick: bool) -> Result<[f64; 2]> {
    let program = program(decomposition)?;
    let KeyPair { client, server } = keygen(&program.signature().parameters, Some(1))?;
    let image = ImageMajor::new(1, WIDTH, vec![255; WIDTH])?;
    let (input, _) = encrypt(&SignatureFile::from(&program), &client, &image, Some(1), &Silent)?;
    let mut least = [f64::INFINITY; 2];
    for _ in 0..if quick { 1 } else { 5 } {
        let (_, report) = on_threads(1, || Ok(run(&program, &server, &input, &Silent)?))?;
        least.iter_mut().zip(&report.stages).for_each(|(least, stage)| *least = least.min(stage.seconds));
    }
    Ok(least)
}

/// Builds a program of two stages that pass each number on as it is.
fn program(decomposition: (usize, usize)) -> Result<Program> {
    let identity = || SparseMatrix::from_rows(WIDTH, (0..WIDTH as u32).map(|i| vec![(i, 1)]).collect());
    let stage = |layer: &str| -> Result<Stage> {
        Ok(Stage {
            layer: layer.into(),
            weights: identity()?,
            bias: vec![0; WIDTH],
            dropped_bits: 0,
            levels: LEVELS,
            tables: (0..WIDTH).flat_map(|_| 0..LEVELS as i16).collect(),
            proven: true,
        })
    };
    let signature = Signature {
        model: "made up, to calibrate".into(),
        input: InputSpec::pixels([1, 1, WIDTH], vec![0.0], vec![1.0]),
        classes: Classes::new(Vec::new(), WIDTH, None)?,
        pixel_steps: LEVELS - 1,
        input_slots: u64::from(LEVELS),
        input_large_key: false,
        output_bits: 8,
        output_scale: vec![1.0; WIDTH],
        output_offset: vec![0.0; WIDTH],
        parameters: Parameters::new(decomposition),
        log2_failure: -40.0,
        promise: None,
    };
    let stages = vec![stage("first")?, stage("second")?];
    let literal = ProgramLiteral { signature, stages, last: identity()?, last_bias: vec![0; WIDTH] };
    Ok(Program::try_from(literal)?)
}
