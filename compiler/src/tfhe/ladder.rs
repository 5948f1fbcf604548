//! The ladder of settings, from cheap to dear: each rung is lowered and judged on samples until one
//! is good enough.

use beaa_ir::images::{ElementMajor, ImageMajor};
use beaa_ir::promise::Interval;
use beaa_ir::tfhe::{DECOMPOSITIONS, Program, ProgramLiteral, quantise_pixels};
use beaa_ir::{Classes, Model};

use super::chain::{self, Chain};
use super::emit::{Samples, Setting, lower, real_sums};
use super::options::Options;
use super::report::{self, Report};
use crate::cost::budget::check_samples_size;
use crate::network::calibration::check_samples;
use crate::network::promise;
use crate::pipeline::constant_rows;
use crate::{Error, Machine, Result};

/// Fewest images that say anything about a network.
const MIN_IMAGES: usize = 64;

/// What one try takes.
#[derive(Debug, Clone, Copy)]
struct Rung {
    pixel_bits: u32,
    /// Bits taken off the sums of the first stage, one bootstrapping each.
    first_dropped_bits: u32,
    /// Bits taken off the sums of later stages.
    dropped_bits: u32,
    /// Bits of a table's entries.
    activation_bits: u32,
}

const fn rung(pixel_bits: u32, first_dropped_bits: u32, dropped_bits: u32, activation_bits: u32) -> Rung {
    Rung { pixel_bits, first_dropped_bits, dropped_bits, activation_bits }
}

const LADDER: [Rung; 7] = [
    rung(1, 0, 5, 4),
    rung(1, 0, 6, 5),
    rung(2, 1, 6, 5),
    rung(2, 2, 6, 5),
    rung(3, 4, 6, 5),
    rung(4, 4, 8, 5),
    rung(6, 6, 8, 6),
];

/// A lowered program and what it costs.
#[derive(Debug, Clone)]
pub struct Compiled {
    /// The program.
    pub program: Program,
    /// What it costs and how well it agrees.
    pub report: Report,
}

/// Lowers `model`, calibrated on `images` (8-bit pixels, none of them test images). Takes the first
/// rung of the ladder that meets the agreement, or the best; times are predicted with the rates of
/// `machine`.
///
/// # Errors
/// An [`Error`]: options out of range, too few images, a network that is no chain of layers, or
/// noise that no rung carries.
pub fn compile(model: &Model, options: &Options, machine: &Machine, images: &ImageMajor<u8>) -> Result<Compiled> {
    options.check()?;
    if images.images() < MIN_IMAGES {
        let found = format!("{} images to calibrate on", images.images());
        let expected = format!("{MIN_IMAGES} at least; give --samples");
        return Err(Error::Option { option: "samples", found, expected });
    }
    check_samples(images, model.input().shape().len())?;
    check_samples_size(model, images.images())?;
    let chain = chain::chain(model)?;
    // Every fourth image is kept apart, to judge by.
    let (judges, calibration): (Vec<_>, Vec<_>) = images.rows().enumerate().partition(|(i, _)| i % 4 == 3);
    let real = |set: &[(usize, &[u8])]| -> Vec<Vec<f64>> {
        set.iter()
            .map(|(_, p)| model.input().normalise(&as_trained(p, options)).into_iter().map(f64::from).collect())
            .collect()
    };
    let wanted = real_sums(&chain, &real(&calibration));
    let judged = real_sums(&chain, &real(&judges));
    check_sums(&chain, &wanted)?;
    check_sums(&chain, &judged)?;
    let classes = classes(model.classes(), &judged[judged.len() - 1]);
    let outputs = ElementMajor::from_rows(judges.len(), &judged[judged.len() - 1])?;
    let mut best: Option<Compiled> = None;
    let mut refused = None;
    for rung in LADDER {
        let pixel_bits = options.pixel_bits.unwrap_or(rung.pixel_bits);
        let activation_bits = options.activation_bits.unwrap_or(rung.activation_bits);
        let mut found = None;
        for decomposition in DECOMPOSITIONS {
            let setting = Setting {
                pixel_steps: (1 << pixel_bits) - 1,
                steps: (1 << activation_bits) - 1,
                first_dropped_bits: rung.first_dropped_bits,
                dropped_bits: rung.dropped_bits,
                decomposition,
            };
            let integers: Vec<Vec<i64>> =
                calibration.iter().map(|(_, p)| quantise_pixels(setting.pixel_steps, p)).collect();
            let samples = Samples { wanted: &wanted, integers: &integers };
            match lower(model, &chain, samples, &setting, options).and_then(|program| with_failure(program, options)) {
                Ok(program) => {
                    found = Some(program);
                    break;
                }
                // Another rung may carry it. Whatever else goes wrong does so on every rung.
                Err(e @ (Error::TfheNoise { .. } | Error::TfheOutputs { .. } | Error::TfheFailure { .. })) => {
                    refused = Some(e);
                }
                Err(e) => return Err(e),
            }
        }
        let Some(program) = found else { continue };
        let mut report = report::report(model, &program, machine, judges.iter().map(|(_, p)| *p), &classes);
        report.constant_outputs = constant_rows(&outputs);
        tracing::info!(?rung, agreement = report.agreement, "look-up program");
        let good = report.agreement >= options.agreement;
        if best.as_ref().is_none_or(|b| report.agreement > b.report.agreement) {
            best = Some(Compiled { program, report });
        }
        if good {
            break;
        }
    }
    let best = best.ok_or_else(|| refused.unwrap_or_else(|| unreachable!("no rung was tried")))?;
    let program = with_promise(best.program, images, [&wanted[wanted.len() - 1], &judged[judged.len() - 1]])?;
    Ok(Compiled { program, ..best })
}

/// Says what the samples show of images and outputs; `outputs` are [class][sample], of those that
/// the program was made for and of those that it was judged by.
fn with_promise(program: Program, images: &ImageMajor<u8>, outputs: [&[Vec<f64>]; 2]) -> Result<Program> {
    let [wanted, judged] = outputs;
    let ranges = wanted.iter().zip(judged).map(|(w, j)| Interval::of(w.iter().chain(j).copied())).collect();
    let mut literal: ProgramLiteral = program.as_literal().clone();
    let input = &literal.signature.input;
    let normalised = input.normalise_bytes(images)?;
    literal.signature.promise = promise::with_samples(input, ranges, images.images(), normalised.rows())?;
    Ok(Program::try_from(literal)?)
}

/// The pixels as the model was trained on: of fewer bits, where options say so.
fn as_trained(pixels: &[u8], options: &Options) -> Vec<u8> {
    let Some(bits) = options.pixel_bits else { return pixels.to_vec() };
    let steps = (1_u32 << bits) - 1;
    quantise_pixels(steps, pixels).iter().map(|v| (v * 255 / i64::from(steps)) as u8).collect()
}

/// Refuses a network whose sums on a sample are beyond all numbers, so that no table holds them and
/// no class follows from them.
fn check_sums(chain: &Chain, sums: &[Vec<Vec<f64>>]) -> Result<()> {
    let finite = |sums: &[Vec<f64>]| sums.iter().flatten().all(|v| v.is_finite());
    match chain.maps.iter().zip(sums).find(|(_, sums)| !finite(sums)) {
        None => Ok(()),
        Some((map, _)) => Err(Error::Program(beaa_ir::Error::Malformed {
            operation: "evaluating the model on the samples",
            found: format!("a sum of layer `{}` that overflows", map.layer),
            expected: "finite numbers on every image".into(),
            remedy: "its weights are too large: train or export the model again",
        })),
    }
}

/// The class of each sample; `outputs` are [output][sample].
fn classes(classes: &Classes, outputs: &[Vec<f64>]) -> Vec<usize> {
    let of = |s: usize| report::class(classes, &outputs.iter().map(|o| o[s]).collect::<Vec<f64>>());
    (0..outputs[0].len()).map(of).collect()
}

/// Works out the probability of failure of the whole program.
///
/// # Errors
/// [`Error::TfheFailure`] where it is larger than was asked for.
fn with_failure(program: Program, options: &Options) -> Result<Program> {
    let failure = report::failure(&program);
    if failure > options.log2_failure {
        let (layer, worst) = report::worst_layer(&program);
        return Err(Error::TfheFailure { failure, allowed: options.log2_failure, layer, worst });
    }
    let mut literal: ProgramLiteral = program.as_literal().clone();
    literal.signature.log2_failure = failure;
    Ok(Program::try_from(literal)?)
}
