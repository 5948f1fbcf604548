//! Lowers a model to small integers and look-up tables for the `tfhe` backend: calibrated on sample images, choices searched from cheap to
//! dear until enough of the samples keep their class. Must never see a test image.

mod budget;
mod chain;
mod dead_elements;
mod dense;
mod emit;
mod report;
mod rounding;
mod stage;

use beaa_ir::Model;
use beaa_ir::tfhe::{DECOMPOSITIONS, Program, ProgramLiteral, evaluate, quantise_pixels};
use serde::{Deserialize, Serialize};

pub use report::{Report, StageReport, explain};

use crate::{Error, Machine, Result};

/// What the user may ask of the lowering.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// The share of samples, other than those calibrated on, that must keep the class that the model gives them.
    pub agreement: f64,
    /// Bits of what a table hands on, 2 to 6; searched when absent.
    pub activation_bits: Option<u32>,
    /// Bits of a pixel, for a model that was trained on such; searched when absent.
    pub pixel_bits: Option<u32>,
    /// log2 of the largest probability that any integer of one image comes out wrong.
    pub log2_failure: f64,
    /// How much wider than seen on samples the sums of later stages may get before they wrap.
    pub margin: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self { agreement: 0.985, activation_bits: None, pixel_bits: None, log2_failure: -40.0, margin: 1.25 }
    }
}

impl Options {
    /// Refuses what makes no sense.
    pub fn check(&self) -> Result<()> {
        let refuse =
            |option, found: String, expected: &str| Err(Error::Option { option, found, expected: expected.into() });
        if !(0.0..1.0).contains(&self.agreement) {
            return refuse("agreement", self.agreement.to_string(), "at least 0, and below 1");
        }
        if self.activation_bits.is_some_and(|b| !(2..=6).contains(&b)) {
            return refuse("activation_bits", format!("{:?}", self.activation_bits), "2 to 6");
        }
        if self.pixel_bits.is_some_and(|b| !(1..=8).contains(&b)) {
            return refuse("pixel_bits", format!("{:?}", self.pixel_bits), "1 to 8");
        }
        if !(-128.0..=-10.0).contains(&self.log2_failure) {
            return refuse("log2_failure", self.log2_failure.to_string(), "-128 to -10");
        }
        if !(1.0..=16.0).contains(&self.margin) {
            return refuse("margin", self.margin.to_string(), "1 to 16");
        }
        Ok(())
    }
}

/// What decides cost and precision.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Setting {
    pub(crate) pixel_steps: u32,
    /// What a table hands on is `0..=steps`.
    pub(crate) steps: u32,
    /// Bits taken off the sums of the first stage, one bootstrapping each.
    pub(crate) first_drop: u32,
    /// Likewise of later stages.
    pub(crate) drop: u32,
    pub(crate) decomposition: (usize, usize),
}

/// From cheap to dear: bits of a pixel, bits dropped in the first stage, and later, bits of what tables hand on.
const LADDER: [(u32, u32, u32, u32); 7] =
    [(1, 0, 5, 4), (1, 0, 6, 5), (2, 1, 6, 5), (2, 2, 6, 5), (3, 4, 6, 5), (4, 4, 8, 5), (6, 6, 8, 6)];

/// A lowered program and what it costs.
#[derive(Debug, Clone)]
pub struct Compiled {
    /// The program.
    pub program: Program,
    /// What it costs and how well it agrees.
    pub report: Report,
}

/// Lowers `model`, calibrated on `images` (8-bit pixels). Takes the first rung of the ladder that meets the agreement, or
/// the best; times are predicted with the rates of `machine`.
pub fn compile(model: &Model, options: &Options, machine: &Machine, images: &[Vec<u8>]) -> Result<Compiled> {
    options.check()?;
    if images.len() < 64 {
        let found = format!("{} images to calibrate on", images.len());
        return Err(Error::Option { option: "samples", found, expected: "64 at least; give --samples".into() });
    }
    let chain = chain::chain(model)?;
    // Every fourth image is kept apart, to judge by.
    let (judges, calibration): (Vec<_>, Vec<_>) = images.iter().enumerate().partition(|(i, _)| i % 4 == 3);
    let real = |set: &[(usize, &Vec<u8>)]| -> Vec<Vec<f64>> {
        set.iter()
            .map(|(_, p)| model.input().normalise(&meant(p, options)).into_iter().map(f64::from).collect())
            .collect()
    };
    let wanted = emit::real_sums(&chain, &real(&calibration));
    let judged = emit::real_sums(&chain, &real(&judges));
    let classes = judged.last().map(|outputs| classes(outputs)).unwrap_or_default();
    let mut best: Option<Compiled> = None;
    let mut refused = None;
    for (pixel_bits, first_drop, drop, activation_bits) in LADDER {
        let pixel_bits = options.pixel_bits.unwrap_or(pixel_bits);
        let found = DECOMPOSITIONS.iter().find_map(|&decomposition| {
            let setting = Setting {
                pixel_steps: (1 << pixel_bits) - 1,
                steps: (1 << options.activation_bits.unwrap_or(activation_bits)) - 1,
                first_drop,
                drop,
                decomposition,
            };
            let integers: Vec<Vec<i64>> = calibration.iter().map(|(_, p)| steps(p, setting.pixel_steps)).collect();
            match emit::lower(model, &chain, &wanted, &integers, &setting, options) {
                Ok(program) => Some(program),
                Err(e) => {
                    refused = Some(e);
                    None
                }
            }
        });
        let Some(program) = found else { continue };
        let program = with_failure(program)?;
        let report = report::report(model, &program, machine, judges.iter().map(|(_, p)| p.as_slice()), &classes);
        tracing::info!(pixel_bits, first_drop, drop, agreement = report.agreement, "look-up program");
        let good = report.agreement >= options.agreement;
        if best.as_ref().is_none_or(|b| report.agreement > b.report.agreement) {
            best = Some(Compiled { program, report });
        }
        if good {
            break;
        }
    }
    match (best, refused) {
        (Some(best), _) => Ok(best),
        (None, Some(e)) => Err(e),
        (None, None) => Err(crate::error::internal("lookup", "no choice was tried")),
    }
}

fn steps(pixels: &[u8], steps: u32) -> Vec<i64> {
    quantise_pixels(steps, pixels)
}

/// The pixels on which the model is meant: of fewer bits, where these were given.
fn meant(pixels: &[u8], options: &Options) -> Vec<u8> {
    let Some(bits) = options.pixel_bits else { return pixels.to_vec() };
    let steps = (1_u32 << bits) - 1;
    quantise_pixels(steps, pixels).iter().map(|v| (v * 255 / i64::from(steps)) as u8).collect()
}

/// The most likely class of each sample: `outputs[class][sample]`.
fn classes(outputs: &[Vec<f64>]) -> Vec<usize> {
    let samples = outputs.first().map_or(0, Vec::len);
    (0..samples).map(|s| largest(outputs.iter().map(|o| o[s]))).collect()
}

pub(crate) fn largest(values: impl Iterator<Item = f64>) -> usize {
    values.enumerate().fold((0, f64::MIN), |best, (i, v)| if v > best.1 { (i, v) } else { best }).0
}

/// Works out the probability of failure of the whole program.
fn with_failure(program: Program) -> Result<Program> {
    let failure = report::failure(&program);
    let mut literal: ProgramLiteral = program.as_literal().clone();
    literal.signature.log2_failure = failure;
    Ok(Program::try_from(literal)?)
}

/// Class of one image by the integers of the program.
pub(crate) fn predict(program: &Program, pixels: &[u8]) -> (usize, usize) {
    let signature = program.signature();
    let levels = evaluate(program, &quantise_pixels(signature.pixel_steps, pixels));
    (largest(signature.logits(&levels.outputs).into_iter()), levels.wrapped)
}
