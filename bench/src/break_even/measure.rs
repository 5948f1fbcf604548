//! The two backends side by side, by the number of images that wait: `ckks` takes a whole batch at
//! once, `tfhe` one image after the other. Times are wall-clock seconds on all threads, of
//! encryption, run and decryption together. A run whose answers are wrong is an error.

use beaa_compiler::Machine;
use beaa_ir::images::ImageMajor;
use beaa_ir::{Model, evaluate, tfhe};
use beaa_runtime::tfhe::{KeyPair, decrypt, encrypt, keygen, run};
use beaa_runtime::{Silent, ckks};

use super::figures::{BackendCost, BackendFigures, BackendPoint};
use crate::end_to_end::DEVIATIONS;
use crate::timing::{on_threads, time};
use crate::workloads::program::ProgramWorkload;
use crate::{BenchSettings, Error, Result};

/// Images of a batch, from one on, times this.
const STEP: usize = 4;
/// Images that really go through `tfhe`; more take as many times longer, since it takes them one by
/// one.
const IMAGES: usize = 2;
/// Images of a batch whose answers are compared with those in clear.
const CHECKED: usize = 16;
/// How often a batch is run; the least time counts.
const RUNS: usize = 3;

/// The network to compare the backends on.
pub struct BreakEvenCase<'a> {
    /// The network.
    pub model: &'a Model,
    /// Images that the `tfhe` backend is calibrated on, 8 bits a pixel.
    pub images: &'a ImageMajor<u8>,
    /// Options of the `tfhe` backend's compiler.
    pub options: beaa_compiler::tfhe::Options,
}

/// Measures one network on both backends.
///
/// # Errors
///
/// If the network does not compile for one of them, or encrypted answers differ from those in
/// clear.
pub fn compare_backends(
    case: &BreakEvenCase<'_>,
    settings: &BenchSettings,
    machine: &Machine,
) -> Result<BackendFigures> {
    let (tfhe, agreement, bootstrappings) = measure_tfhe(case, settings, machine)?;
    let (ckks, points) = measure_ckks(case, settings, &tfhe)?;
    Ok(BackendFigures {
        name: case.model.name().to_owned(),
        threads: settings.threads,
        ckks,
        tfhe,
        agreement,
        bootstrappings,
        points,
    })
}

/// Measures one image of `tfhe`; returns the agreement of its program and the bootstrappings of an
/// image, too.
fn measure_tfhe(
    case: &BreakEvenCase<'_>,
    settings: &BenchSettings,
    machine: &Machine,
) -> Result<(BackendCost, f64, usize)> {
    let compiled = beaa_compiler::tfhe::compile(case.model, &case.options, machine, case.images)?;
    let (program, signature) = (&compiled.program, compiled.program.signature());
    let file = tfhe::SignatureFile::from(program);
    let KeyPair { client, server } = keygen(&signature.parameters, Some(settings.seed))?;
    let images = case.images.rows().take(if settings.quick { 1 } else { IMAGES });
    let images = ImageMajor::from_rows(case.images.elements(), images)?;
    let count = images.images().max(1);
    let ((answers, [encrypt, run, decrypt]), [upload, answer]) = on_threads(settings.threads, || {
        let (sent, encrypt) = time(|| encrypt(&file, &client, &images, Some(settings.seed), &Silent));
        let (input, receipt) = sent?;
        let (output, report) = run(program, &server, &input, &Silent)?;
        let (answers, decrypt) = time(|| decrypt(&file, &client, &output, &receipt));
        Ok(((answers?, [encrypt, report.seconds, decrypt]), [input.bytes(), output.bytes()]))
    })?;
    let wrong = images.rows().zip(answers.exact().rows()).filter(|(image, found)| {
        let integers = tfhe::evaluate(program, &tfhe::quantise_pixels(signature.pixel_steps, image)).outputs;
        signature.logits(&integers) != *found
    });
    match wrong.count() {
        0 => {}
        n => {
            return Err(Error::Wrong {
                operation: "comparing encrypted and clear integers",
                found: n as f64,
                allowed: 0.0,
            });
        }
    }
    let side = BackendCost {
        seconds: (encrypt + run + decrypt) / count as f64,
        upload: upload / count as u64,
        answer: answer / count as u64,
        keys: server.bytes(),
    };
    Ok((side, compiled.report.agreement, compiled.report.bootstrappings))
}

/// Measures a full batch of `ckks`, and every size of batch on both.
fn measure_ckks(
    case: &BreakEvenCase<'_>,
    settings: &BenchSettings,
    tfhe: &BackendCost,
) -> Result<(BackendCost, Vec<BackendPoint>)> {
    let workload = ProgramWorkload::new(case.model, &settings.options, settings.seed)?;
    let slots = workload.slots();
    let mut whole = BackendCost { seconds: f64::INFINITY, upload: 0, answer: 0, keys: workload.key_bytes() };
    let counts = std::iter::successors(Some(1), |n| Some(n * STEP)).take_while(|n| *n < slots).chain([slots]);
    let mut points: Vec<BackendPoint> = Vec::new();
    for images in counts {
        let pixels = (0..images).map(|i| case.images.image(i % case.images.images()));
        let batch = case.model.input().normalise_bytes(&ImageMajor::from_rows(case.images.elements(), pixels)?)?;
        let mut seconds = f64::INFINITY;
        for _ in 0..if settings.quick { 1 } else { RUNS } {
            let (answered, elapsed) = on_threads(settings.threads, || {
                let (outcome, elapsed) = time(|| {
                    let (input, receipt) = workload.send(&batch)?;
                    let (output, _) = ckks::run(&workload.program, &workload.server, &input, &Silent)?;
                    let answers = ckks::decrypt(&workload.file, &workload.client, &output, &receipt)?;
                    Ok::<_, Error>((answers, input.bytes(), output.bytes()))
                });
                Ok((outcome?, elapsed))
            })?;
            seconds = seconds.min(elapsed);
            (whole.upload, whole.answer) = (answered.1, answered.2);
            check(case.model, &batch, answered.0.exact(), DEVIATIONS * settings.options.logit_error)?;
        }
        whole.seconds = seconds;
        points.push(BackendPoint {
            images,
            ckks: seconds,
            tfhe: tfhe.seconds * images as f64,
            ckks_bytes: whole.upload + whole.answer,
            tfhe_bytes: (tfhe.upload + tfhe.answer) * images as u64,
        });
    }
    Ok((whole, points))
}

/// Refuses answers that are further off than `allowed`.
fn check(model: &Model, images: &ImageMajor<f32>, answers: &ImageMajor<f64>, allowed: f64) -> Result<()> {
    for (image, answer) in images.rows().zip(answers.rows()).take(CHECKED) {
        for (clear, found) in evaluate(model, image)?.iter().zip(answer) {
            let difference = (clear - found).abs();
            // Not a number is wrong, too.
            if difference.is_nan() || difference > allowed {
                return Err(Error::Wrong { operation: "comparing encrypted and clear", found: difference, allowed });
            }
        }
    }
    Ok(())
}
