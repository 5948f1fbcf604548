//! What a look-up program costs and how well it agrees with its model, as numbers and as text, all
//! worked out from the program.

use std::fmt::Write;

use beaa_ir::tfhe::{PARAMETER_SET, Program, evaluate, quantise_pixels};
use beaa_ir::{Classes, Model};
use serde::Serialize;

use super::budget::{SumOrigin, element_failure, log2_add, output_failure};
use crate::Machine;
use crate::cost::text::constant_warning;

/// Seconds of one product of a ciphertext under the large key with an integer; too few to matter.
const PRODUCT_SECONDS: f64 = 0.5e-6;

/// One stage.
#[derive(Debug, Clone, Serialize)]
pub struct StageReport {
    /// The model's layer.
    pub layer: String,
    /// Its elements: those that are looked up.
    pub elements: usize,
    /// Products with integers.
    pub products: usize,
    /// Bootstrappings.
    pub bootstrappings: usize,
    /// Entries of a table.
    pub levels: u32,
    /// Bits taken off before.
    pub drop: u32,
    /// Bits that the sums of any input whatever would need.
    pub bits_for_any_input: f64,
    /// Bits that the sums have.
    pub bits: f64,
    /// Whether that is proven to be enough.
    pub proven: bool,
    /// log2 of the probability that one of its integers is wrong.
    pub log2_failure: f64,
}

/// The whole program.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The model's name.
    pub model: String,
    /// Stage by stage.
    pub stages: Vec<StageReport>,
    /// Bootstrappings of one image.
    pub bootstrappings: usize,
    /// Products of one image.
    pub products: usize,
    /// Bits of a pixel.
    pub pixel_bits: u32,
    /// Bits of an output.
    pub output_bits: u32,
    /// Predicted seconds of one image on one core.
    pub seconds: f64,
    /// Predicted seconds of one image on several threads: how many, and the seconds.
    pub seconds_threads: (usize, f64),
    /// Bytes of the server's keys on disk, seeded.
    pub key_bytes: u64,
    /// Bytes of one encrypted image, seeded.
    pub image_bytes: u64,
    /// log2 of the probability that any integer of one image comes out wrong.
    pub log2_failure: f64,
    /// The share of the samples kept apart that keep their class.
    pub agreement: f64,
    /// Of those samples, how many have a sum that wraps.
    pub wrapping: usize,
    /// How many samples were kept apart.
    pub judged: usize,
    /// Outputs of the model that are the same for all samples kept apart.
    pub constant_outputs: Vec<usize>,
}

/// Never a probability of zero, whose logarithm a file could not hold.
const LEAST_LOG2_FAILURE: f64 = -1000.0;

/// log2 of the probability that any integer of one image comes out wrong, at most 0.
pub(super) fn failure(program: &Program) -> f64 {
    let stages = (0..program.stages().len()).map(|k| stage_failure(program, k));
    stages.chain([outputs_failure(program)]).fold(LEAST_LOG2_FAILURE, log2_add)
}

/// The layer whose integers are most likely wrong, and log2 of the probability that one of them is.
pub(super) fn worst_layer(program: &Program) -> (String, f64) {
    let stages = program.stages().iter().enumerate().map(|(k, s)| (s.layer.clone(), stage_failure(program, k)));
    let outputs = ("the outputs".to_owned(), outputs_failure(program));
    stages.fold(outputs, |worst, next| if next.1 > worst.1 { next } else { worst })
}

fn outputs_failure(program: &Program) -> f64 {
    let (parameters, bits) = (&program.signature().parameters, program.signature().output_bits);
    let output = |r| output_failure(norm(program.last().row(r).1), bits, parameters);
    (0..program.last().rows()).map(output).fold(LEAST_LOG2_FAILURE, log2_add)
}

fn norm(weights: &[i32]) -> f64 {
    weights.iter().map(|&w| f64::from(w).powi(2)).sum()
}

fn stage_failure(program: &Program, k: usize) -> f64 {
    let stage = &program.stages()[k];
    let origin = SumOrigin::of(k, stage.dropped_bits);
    let parameters = &program.signature().parameters;
    let element = |r| element_failure(origin, norm(stage.weights.row(r).1), stage, parameters);
    (0..stage.bias.len()).map(element).fold(LEAST_LOG2_FAILURE, log2_add)
}

/// The class that the outputs say, all of them numbers.
pub(super) fn class(classes: &Classes, outputs: &[f64]) -> usize {
    classes.class(outputs).unwrap_or_else(|| unreachable!("outputs {outputs:?} that are no numbers"))
}

/// The class of one image by the integers of the program, and how many sums wrap.
fn predict(program: &Program, pixels: &[u8]) -> (usize, usize) {
    let signature = program.signature();
    let found = evaluate(program, &quantise_pixels(signature.pixel_steps, pixels));
    (class(&signature.classes, &signature.logits(&found.outputs)), found.wrapped)
}

/// Works out the report; `judges` are 8-bit pixels of images that were not calibrated on, `classes`
/// what the model says of them.
pub(super) fn report<'a>(
    model: &Model,
    program: &Program,
    machine: &Machine,
    judges: impl Iterator<Item = &'a [u8]>,
    classes: &[usize],
) -> Report {
    let answers: Vec<(usize, usize)> = judges.map(|p| predict(program, p)).collect();
    let agreeing = answers.iter().zip(classes).filter(|((a, _), c)| a == *c).count();
    let signature = program.signature();
    let mut largest_input = f64::from(signature.pixel_steps);
    let stages: Vec<StageReport> = program
        .stages()
        .iter()
        .enumerate()
        .map(|(k, s)| {
            let widest = (0..s.bias.len()).map(|r| s.weights.row(r).1.iter().map(|w| f64::from(w.abs())).sum::<f64>());
            let any = (widest.fold(0.0, f64::max) * largest_input + 1.0).log2();
            largest_input = s.tables.iter().map(|t| f64::from(t.abs())).fold(0.0, f64::max);
            StageReport {
                layer: s.layer.clone(),
                elements: s.bias.len(),
                products: s.weights.entries(),
                bootstrappings: s.bias.len() * s.bootstrappings(),
                levels: s.levels,
                drop: s.dropped_bits,
                bits_for_any_input: any,
                bits: (s.slots() as f64).log2(),
                proven: s.proven,
                log2_failure: stage_failure(program, k),
            }
        })
        .collect();
    let digits = signature.parameters.levels;
    let rates = machine.bootstrap();
    let rotation = rates.rotation[digits - 1];
    // Sums of pixels under the small key are not switched.
    let fresh = program.stages().first().filter(|s| s.dropped_bits == 0).map_or(0, |s| s.bias.len());
    let switches = program.bootstrappings() - fresh;
    let seconds = program.bootstrappings() as f64 * rotation
        + switches as f64 * rates.switch
        + program.products() as f64 * PRODUCT_SECONDS;
    let (threads, factor) = machine.literal().speed_up;
    let (n, big) = (PARAMETER_SET.lwe_dimension as u64, PARAMETER_SET.polynomial_size as u64);
    Report {
        model: model.name().into(),
        bootstrappings: program.bootstrappings(),
        products: program.products(),
        pixel_bits: (signature.pixel_steps + 1).ilog2(),
        output_bits: signature.output_bits,
        seconds,
        seconds_threads: (threads, seconds / factor),
        key_bytes: 8 * (n * digits as u64 * 2 * big + big * PARAMETER_SET.switch_levels as u64),
        image_bytes: 8 * signature.input.shape().len() as u64,
        log2_failure: signature.log2_failure,
        agreement: agreeing as f64 / answers.len().max(1) as f64,
        wrapping: answers.iter().filter(|(_, w)| *w > 0).count(),
        judged: answers.len(),
        constant_outputs: Vec::new(),
        stages,
    }
}

/// The report as text.
pub fn explain(report: &Report) -> String {
    let mut text = format!("{}: {} bits of a pixel, 128 bits security\n", report.model, report.pixel_bits);
    let header =
        "layer         elements  products  bootstrappings  levels  dropped  bits  for any input  log2 failure\n";
    text.push_str(header);
    for s in &report.stages {
        let wraps = if s.proven {
            "no sum can wrap".to_owned()
        } else {
            format!("may wrap on inputs unlike the samples: proof needs {:.1} bits", s.bits_for_any_input)
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{:12} {:9} {:9} {:15} {:7} {:8} {:5.1} {:14.1} {:13.1}  {wraps}",
            s.layer,
            s.elements,
            s.products,
            s.bootstrappings,
            s.levels,
            s.drop,
            s.bits,
            s.bits_for_any_input,
            s.log2_failure
        );
    }
    let _ = writeln!(
        text,
        "total: {} bootstrappings, {} products; one image predicted to take {:.2} s on one core, {:.2} s on {} \
         threads; outputs of {} bits",
        report.bootstrappings,
        report.products,
        report.seconds,
        report.seconds_threads.1,
        report.seconds_threads.0,
        report.output_bits
    );
    let _ = writeln!(
        text,
        "an integer of an image is wrong with probability 2^{:.1}; {:.2} % of {} samples kept apart keep their class, \
         {} of them wrap somewhere",
        report.log2_failure,
        100.0 * report.agreement,
        report.judged,
        report.wrapping
    );
    if let Some(warning) = constant_warning(&report.constant_outputs) {
        let _ = writeln!(text, "CAUTION: {warning}");
    }
    let _ = writeln!(
        text,
        "sizes: key {:.1} MB, upload {:.1} kB per image",
        report.key_bytes as f64 / 1e6,
        report.image_bytes as f64 / 1e3
    );
    text
}
