//! The whole way of one network: compile, keys, encrypt, run on one thread and on all, decrypt; beside it the same network
//! in plain `f32` on one core. Must never report a run whose answers are wrong.

use std::time::Instant;

use beaa_compiler::Machine;
use beaa_compiler::ckks::{Options, forecast};
use beaa_ir::Model;
use beaa_runtime::plan;
use serde::Serialize;

use crate::account::{OperationFigures, PartFigures, operations, parts};
use crate::clock::{Effort, Sample, on_threads, time};
use crate::plain::by_element;
use crate::prepared::Prepared;
use crate::{Error, Plain, Result, error, images};

/// Blocks of images that the baseline is tried with; the best counts.
const BLOCKS: [usize; 5] = [32, 64, 128, 256, 512];
/// How many deviations off an output may be.
pub(crate) const DEVIATIONS: f64 = 8.0;

/// Resident memory, as far as the system tells.
#[derive(Clone, Copy)]
pub struct Memory {
    /// Starts measuring the peak anew; whether that worked.
    pub reset: fn() -> bool,
    /// The peak since then, in bytes.
    pub peak: fn() -> Option<u64>,
}

/// How to measure a network.
pub struct Setting {
    /// Of the compiler.
    pub options: Options,
    /// The larger of the two numbers of threads.
    pub threads: usize,
    /// Repeats less.
    pub quick: bool,
    /// Of images, and of keys, which are for nothing else.
    pub seed: u64,
    /// Of resident memory.
    pub memory: Memory,
}

/// All figures of one network.
#[derive(Debug, Clone, Serialize)]
pub struct NetworkFigures {
    /// Its name.
    pub model: String,
    /// Ring degree N, the number of slots, all in use.
    pub degree: usize,
    /// Bits of all primes together.
    pub log_qp: f64,
    /// Bits of each prime; the special one comes last, if there is one.
    pub prime_bits: Vec<u32>,
    /// Bits of security.
    pub security: u32,
    /// Threads of the larger of the two runs.
    pub threads: usize,
    /// Seconds of the compiler, one thread.
    pub compile_seconds: f64,
    /// Seconds of key generation.
    pub keygen_seconds: f64,
    /// Seconds of encryption for all slots, one thread.
    pub encrypt: Sample,
    /// The same on all threads.
    pub encrypt_threads: Sample,
    /// Wall-clock seconds of the run, one thread.
    pub run: Sample,
    /// Processor seconds of the same: less where other programs want the core.
    pub run_processor: Sample,
    /// Wall-clock seconds on all threads.
    pub run_threads: Sample,
    /// Seconds of decryption, one thread.
    pub decrypt: Sample,
    /// Part by part: the fastest run on one thread, in processor seconds.
    pub parts: Vec<PartFigures>,
    /// The same operation by operation.
    pub operations: Vec<OperationFigures>,
    /// Seconds of the fastest run on one thread that no part accounts for: packing the answer.
    pub rest_seconds: f64,
    /// Predicted seconds of the whole run, one thread.
    pub predicted_seconds: f64,
    /// The part of it for packing the answer.
    pub predicted_rest_seconds: f64,
    /// Whether the rates behind the prediction were measured on this machine.
    pub calibrated: bool,
    /// Bytes of encrypted images.
    pub upload_bytes: u64,
    /// Bytes of the answer.
    pub answer_bytes: u64,
    /// Bytes of the evaluation key.
    pub key_bytes: u64,
    /// Bytes of ciphertexts at the worst moment, as planned.
    pub planned_bytes: u64,
    /// Peak of resident memory while running, if the system tells.
    pub peak_bytes: Option<u64>,
    /// Resident before the run: program, upload, images.
    pub before_bytes: Option<u64>,
    /// The same network in plain f32.
    pub plain: PlainFigures,
    /// Largest difference between encrypted and plain outputs.
    pub largest_error: f64,
    /// Largest such difference that was allowed: so many predicted deviations.
    pub allowed_error: f64,
}

/// The baseline.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlainFigures {
    /// Seconds for one image, one core.
    pub seconds_per_image: f64,
    /// Images worked on at once.
    pub block: usize,
    /// Products of weights in a second.
    pub products_per_second: f64,
    /// Products of weights for one image.
    pub products: usize,
}

impl NetworkFigures {
    /// Milliseconds of a sample for each slot.
    pub fn per_image(&self, sample: &Sample) -> f64 {
        1e3 * sample.minimum / self.degree as f64
    }

    /// How much longer an image takes encrypted, both in processor seconds of one core.
    pub fn ratio(&self) -> f64 {
        self.run_processor.minimum / self.degree as f64 / self.plain.seconds_per_image
    }

    /// How much faster all threads are than one.
    pub fn speed_up(&self) -> f64 {
        self.run.minimum / self.run_threads.minimum
    }
}

/// Measures `model` with all slots in use; forecasts use the rates of `machine`.
pub fn network(model: &Model, setting: &Setting, machine: &Machine) -> Result<NetworkFigures> {
    let prepared = Prepared::new(model, &setting.options, setting.seed)?;
    let Prepared { program, hash, client, server, .. } = &prepared;
    let signature = program.signature();
    let slots = prepared.slots();
    let inputs = images(model, slots, setting.seed);
    let effort = Effort::large(setting.quick);
    let (input, samples) = in_turn(effort, &[1, setting.threads], || prepared.encrypt(&inputs))?;
    let (encrypt, encrypt_threads) = pair(&samples);

    let before_bytes = (setting.memory.reset)().then(setting.memory.peak).flatten();
    // The first run also says how much memory one takes.
    let mut fastest = prepared.lap(&input)?;
    let peak_bytes = before_bytes.and_then(|_| (setting.memory.peak)());
    let (mut ones, mut processor, mut alls) = (Vec::new(), vec![fastest.seconds], Vec::new());
    let started = Instant::now();
    while ones.len() < effort.least || started.elapsed().as_secs_f64() < effort.seconds {
        alls.push(prepared.run(&input, setting.threads)?.seconds);
        let (lap, seconds) = time(|| prepared.lap(&input));
        let lap = lap?;
        ones.push(seconds);
        processor.push(lap.seconds);
        if lap.seconds < fastest.seconds {
            fastest = lap;
        }
    }

    let decrypt = || Ok(beaa_runtime::decrypt(signature, hash, client, &fastest.output, None)?);
    let (answers, samples) = in_turn(effort, &[1], decrypt)?;
    let (decrypt, _) = pair(&samples);

    let (plain, expected) = baseline(model, &inputs, setting.quick)?;
    let allowed_error = DEVIATIONS * setting.options.logit_error;
    let largest_error = difference(&answers, &expected, slots);
    // Not a number is wrong, too.
    if largest_error.is_nan() || largest_error > allowed_error {
        return Err(Error::Wrong {
            operation: "comparing encrypted and plain",
            found: largest_error,
            allowed: allowed_error,
        });
    }

    let schedule = plan(program, true);
    let predicted = forecast(program, machine);
    let total = fastest.seconds;
    let parts = parts(program, &schedule, &fastest.layers, &predicted, total);
    let operations = operations(program, &schedule, &fastest.layers, total);
    let primes = || signature.parameters.moduli.iter().chain(&signature.parameters.special);
    Ok(NetworkFigures {
        model: signature.model.clone(),
        degree: slots,
        log_qp: primes().map(|&q| (q as f64).log2()).sum(),
        prime_bits: primes().map(|q| u64::BITS - q.leading_zeros()).collect(),
        security: signature.parameters.security,
        threads: setting.threads,
        compile_seconds: prepared.compile_seconds,
        keygen_seconds: prepared.keygen_seconds,
        encrypt,
        encrypt_threads,
        run: Sample::of(ones),
        run_processor: Sample::of(processor),
        run_threads: Sample::of(alls),
        decrypt,
        rest_seconds: fastest.seconds - parts.iter().map(|p| p.seconds).sum::<f64>(),
        parts,
        operations,
        predicted_seconds: predicted.seconds(),
        predicted_rest_seconds: predicted.output,
        calibrated: machine.calibrated(),
        upload_bytes: input.bytes(),
        answer_bytes: fastest.output.bytes(),
        key_bytes: server.bytes(),
        planned_bytes: schedule.peak_bytes,
        peak_bytes,
        before_bytes,
        plain,
        largest_error,
        allowed_error,
    })
}

/// The same work on each number of threads in turn, wall-clock; the last result.
fn in_turn<T: Send>(
    effort: Effort,
    threads: &[usize],
    work: impl Fn() -> Result<T> + Sync,
) -> Result<(T, Vec<Sample>)> {
    let mut times = vec![Vec::new(); threads.len()];
    let mut last = None;
    for _ in 0..effort.least.max(1) {
        for (&threads, times) in threads.iter().zip(&mut times) {
            let (result, seconds) = on_threads(threads, || {
                let (result, seconds) = time(&work);
                Ok((result?, seconds))
            })?;
            times.push(seconds);
            last = Some(result);
        }
    }
    let none = || error::setting("measuring", "no run", "at least one number of threads");
    Ok((last.ok_or_else(none)?, times.into_iter().map(Sample::of).collect()))
}

fn pair(samples: &[Sample]) -> (Sample, Sample) {
    let at = |i: usize| samples.get(i).copied().unwrap_or_else(|| Sample::of(Vec::new()));
    (at(0), at(1))
}

/// The network in plain f32 at the best block size, and its outputs, `[output][image]`.
fn baseline(model: &Model, images: &[Vec<f32>], quick: bool) -> Result<(PlainFigures, Vec<f32>)> {
    let plain = Plain::new(model)?;
    let (input, count) = (by_element(images), images.len());
    let mut best: Option<PlainFigures> = None;
    let mut outputs = Vec::new();
    let blocks = || BLOCKS.into_iter().filter(|&b| count.is_multiple_of(b));
    for block in blocks().chain(blocks().next().is_none().then_some(count)) {
        let mut run = || {
            outputs = plain.run(&input, count, block)?;
            Ok(())
        };
        let sample = crate::clock::sample(Effort::small(quick), &mut run)?;
        let seconds_per_image = sample.minimum / count as f64;
        if best.as_ref().is_none_or(|b| seconds_per_image < b.seconds_per_image) {
            let products = plain.products();
            let products_per_second = products as f64 / seconds_per_image;
            best = Some(PlainFigures { seconds_per_image, block, products_per_second, products });
        }
    }
    let none = || error::setting("measuring plain f32", "no images", "at least one");
    Ok((best.ok_or_else(none)?, outputs))
}

/// The largest difference between `[image][output]` and `[output][image]`.
fn difference(answers: &[Vec<f64>], expected: &[f32], images: usize) -> f64 {
    let mut largest = 0.0_f64;
    for (i, answer) in answers.iter().enumerate() {
        for (o, found) in answer.iter().enumerate() {
            let expected = expected.get(o * images + i).copied().map_or(f64::NAN, f64::from);
            let difference = (found - expected).abs();
            if difference.is_nan() {
                return f64::NAN;
            }
            largest = largest.max(difference);
        }
    }
    largest
}
