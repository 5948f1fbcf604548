//! The whole way of one network: compile, keys, encrypt, run on one thread and on all, decrypt;
//! beside it the same network in plain `f32` on one core. A run whose answers are wrong is an error
//! and gives no figure.

use beaa_ir::stats::{log2_product, residue_bits};
use std::time::Instant;

use beaa_compiler::Machine;
use beaa_compiler::ckks::forecast;
use beaa_ir::Model;
use beaa_ir::images::{ElementMajor, ImageMajor};
use beaa_runtime::ckks::{self, EncryptedInput};

use super::figures::{BaselineFigures, NetworkFigures};
use crate::baseline_f32::BaselineF32;
use crate::error::setting;
use crate::op_counts::{operation_figures, part_figures};
use crate::timing::{Repetitions, TimeSample, on_threads, sample, time};
use crate::workloads::program::{ProgramWorkload, TimedRun};
use crate::{BenchSettings, Error, Result, random_images};

/// Blocks of images that the baseline is tried with; the best counts.
const BLOCKS: [usize; 5] = [32, 64, 128, 256, 512];
/// How many times the allowed root mean square error the largest error of an output may be.
pub(crate) const DEVIATIONS: f64 = 8.0;

/// Measures `model` with all slots in use; forecasts use the rates of `machine`.
///
/// # Errors
///
/// If the network does not compile, the baseline does not know one of its layers, or the encrypted
/// answers differ from the plain ones by more than was promised.
pub fn measure_network(model: &Model, settings: &BenchSettings, machine: &Machine) -> Result<NetworkFigures> {
    let workload = ProgramWorkload::new(model, &settings.options, settings.seed)?;
    let ProgramWorkload { program, file, client, .. } = &workload;
    let signature = program.signature();
    let slots = workload.slots();
    let images = random_images(model, slots, settings.seed)?;
    let repetitions = Repetitions::large(settings.quick);
    let ((input, receipt), [encrypt, encrypt_threads]) =
        on_each(repetitions, [1, settings.threads], || workload.send(&images))?;
    let runs = time_runs(&workload, &input, settings)?;
    let fastest = &runs.fastest;
    let (answers, [decrypt]) =
        on_each(repetitions, [1], || Ok(ckks::decrypt(file, client, &fastest.output, &receipt)?))?;

    let (plain, expected) = baseline(model, &images, settings.quick)?;
    let allowed_error = DEVIATIONS * settings.options.logit_error;
    let largest_error = largest_difference(answers.exact(), &expected);
    // Not a number is wrong, too.
    if largest_error.is_nan() || largest_error > allowed_error {
        let operation = "comparing encrypted and plain";
        return Err(Error::Wrong { operation, found: largest_error, allowed: allowed_error });
    }

    let schedule = ckks::schedule(program);
    let predicted = forecast(program, machine);
    let parts = part_figures(program, &schedule, &fastest.layers, &predicted, fastest.seconds);
    let operations = operation_figures(program, &schedule, &fastest.layers, fastest.seconds);
    let primes = || signature.parameters.moduli.iter().chain(&signature.parameters.special);
    Ok(NetworkFigures {
        model: signature.model.clone(),
        degree: slots,
        log_qp: log2_product(primes()),
        prime_bits: primes().map(|&q| residue_bits(q)).collect(),
        security: signature.parameters.security,
        threads: settings.threads,
        compile_seconds: workload.compile_seconds,
        keygen_seconds: workload.keygen_seconds,
        encrypt,
        encrypt_threads,
        run: runs.one_thread,
        run_processor: runs.processor,
        run_threads: runs.all_threads,
        decrypt,
        rest_seconds: fastest.seconds - parts.iter().map(|p| p.seconds).sum::<f64>(),
        parts,
        operations,
        predicted_seconds: predicted.seconds(),
        predicted_rest_seconds: predicted.output,
        calibrated: machine.calibrated(),
        upload_bytes: input.bytes(),
        answer_bytes: fastest.output.bytes(),
        key_bytes: workload.key_bytes(),
        planned_bytes: schedule.peak_bytes,
        peak_bytes: runs.peak_bytes,
        before_bytes: runs.before_bytes,
        plain,
        largest_error,
        allowed_error,
    })
}

/// Times of the encrypted run, and the memory that the first one took.
struct Runs {
    fastest: TimedRun,
    one_thread: TimeSample,
    processor: TimeSample,
    all_threads: TimeSample,
    before_bytes: Option<u64>,
    peak_bytes: Option<u64>,
}

fn time_runs(workload: &ProgramWorkload, input: &EncryptedInput, settings: &BenchSettings) -> Result<Runs> {
    let repetitions = Repetitions::large(settings.quick);
    let before_bytes = (settings.memory.reset)().then(settings.memory.peak).flatten();
    let mut fastest = workload.timed_run(input)?;
    let peak_bytes = before_bytes.and_then(|_| (settings.memory.peak)());
    let (mut one_thread, mut processor, mut all_threads) = (Vec::new(), vec![fastest.seconds], Vec::new());
    let started = Instant::now();
    while one_thread.len() < repetitions.least || started.elapsed().as_secs_f64() < repetitions.seconds {
        all_threads.push(workload.run(input, settings.threads)?.seconds);
        let (run, seconds) = time(|| workload.timed_run(input));
        let run = run?;
        one_thread.push(seconds);
        processor.push(run.seconds);
        if run.seconds < fastest.seconds {
            fastest = run;
        }
    }
    Ok(Runs {
        fastest,
        one_thread: TimeSample::of(one_thread),
        processor: TimeSample::of(processor),
        all_threads: TimeSample::of(all_threads),
        before_bytes,
        peak_bytes,
    })
}

/// Repeats `work` on each number of threads in turn, wall-clock; returns the last result and a
/// sample for each number.
fn on_each<T: Send, const K: usize>(
    repetitions: Repetitions,
    threads: [usize; K],
    work: impl Fn() -> Result<T> + Sync,
) -> Result<(T, [TimeSample; K])> {
    let mut times: [Vec<f64>; K] = std::array::from_fn(|_| Vec::new());
    let mut last = None;
    for _ in 0..repetitions.least.max(1) {
        for (&threads, times) in threads.iter().zip(&mut times) {
            let (result, seconds) = on_threads(threads, || {
                let (result, seconds) = time(&work);
                Ok((result?, seconds))
            })?;
            times.push(seconds);
            last = Some(result);
        }
    }
    let none = || setting("measuring", "no run", "at least one number of threads");
    Ok((last.ok_or_else(none)?, times.map(TimeSample::of)))
}

/// Measures the network in plain f32 at the best block size; returns its outputs, too.
fn baseline(model: &Model, images: &ImageMajor<f32>, quick: bool) -> Result<(BaselineFigures, ElementMajor<f32>)> {
    let plain = BaselineF32::new(model)?;
    let (input, count) = (images.to_element_major(), images.images());
    let mut blocks: Vec<usize> = BLOCKS.into_iter().filter(|&b| count.is_multiple_of(b)).collect();
    if blocks.is_empty() {
        blocks.push(count);
    }
    let (mut seconds, mut block) = (f64::INFINITY, count);
    let mut outputs = ElementMajor::filled(0, count, 0.0);
    for tried in blocks {
        let run = || {
            outputs = plain.run(&input, tried)?;
            Ok(())
        };
        let found = sample(Repetitions::small(quick), run)?.minimum;
        if found < seconds {
            (seconds, block) = (found, tried);
        }
    }
    let (seconds_per_image, products) = (seconds / count as f64, plain.products());
    let products_per_second = products as f64 / seconds_per_image;
    Ok((BaselineFigures { seconds_per_image, block, products_per_second, products }, outputs))
}

/// The largest difference between `answers` and `expected`; NaN if any is.
fn largest_difference(answers: &ImageMajor<f64>, expected: &ElementMajor<f32>) -> f64 {
    let found = (answers.images(), answers.elements());
    assert_eq!(found, (expected.images(), expected.elements()), "as many outputs encrypted as in plain f32");
    let mut largest = 0.0_f64;
    for (i, answer) in answers.rows().enumerate() {
        for (o, found) in answer.iter().enumerate() {
            let difference = (found - f64::from(expected.element(o)[i])).abs();
            if difference.is_nan() {
                return f64::NAN;
            }
            largest = largest.max(difference);
        }
    }
    largest
}
