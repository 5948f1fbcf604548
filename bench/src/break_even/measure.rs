//! The two backends side by side, by the number of images that wait: `ckks` takes a whole batch at once, `tfhe` one image after the other.
//! Wall-clock times on all threads, of encryption, run and decryption together. Must never time a run whose answers are wrong.

use beaa_compiler::Machine;
use beaa_ir::{Model, evaluate, tfhe};
use beaa_runtime::tfhe::{KeyPair, decrypt, encrypt, keygen, run};
use beaa_runtime::{Silent, ckks};

use super::figures::{BackendCost, BackendFigures, BackendPoint};
use crate::end_to_end::DEVIATIONS;
use crate::fixtures::program::ProgramFixture;
use crate::timing::{on_threads, time};
use crate::{BenchSettings, Error, Result};

/// Images of a batch, from one on, times this.
const STEP: usize = 4;
/// Images that really go through `tfhe`; more take as many times longer, since it takes them one by one.
const IMAGES: usize = 2;
/// Images of a batch whose answers are compared with those in clear.
const CHECKED: usize = 16;
/// Times that a batch is run; the best counts.
const RUNS: usize = 3;

/// What to compare on.
pub struct BreakEvenCase<'a> {
    /// The network.
    pub model: &'a Model,
    /// What the `tfhe` backend calibrates on, 8-bit pixels.
    pub images: &'a [Vec<u8>],
    /// Its options.
    pub options: beaa_compiler::tfhe::Options,
}

/// Measures one network on both backends.
pub fn compare_backends(
    case: &BreakEvenCase<'_>,
    setting: &BenchSettings,
    machine: &Machine,
) -> Result<BackendFigures> {
    let (tfhe, agreement, bootstrappings) = lookup(case, setting, machine)?;
    let (ckks, points) = batches(case, setting, &tfhe)?;
    Ok(BackendFigures {
        name: case.model.name().to_owned(),
        threads: setting.threads,
        ckks,
        tfhe,
        agreement,
        bootstrappings,
        points,
    })
}

/// One image of `tfhe`, the agreement of its program and the bootstrappings of an image.
fn lookup(case: &BreakEvenCase<'_>, setting: &BenchSettings, machine: &Machine) -> Result<(BackendCost, f64, usize)> {
    let compiled = beaa_compiler::tfhe::compile(case.model, &case.options, machine, case.images)?;
    let (program, signature) = (&compiled.program, compiled.program.signature());
    let hash = tfhe::program_hash(program);
    let KeyPair { client, server } = keygen(&signature.parameters, Some(setting.seed))?;
    let images: Vec<&[u8]> =
        case.images.iter().take(if setting.quick { 1 } else { IMAGES }).map(Vec::as_slice).collect();
    let count = images.len().max(1);
    let ((answers, [encrypt, run, decrypt]), [upload, answer]) = on_threads(setting.threads, || {
        let (input, encrypt) = time(|| encrypt(signature, &hash, &client, &images, Some(setting.seed), &Silent));
        let input = input?;
        let (output, report) = run(program, &server, &input, &Silent)?;
        let (answers, decrypt) = time(|| decrypt(signature, &hash, &client, &output));
        Ok(((answers?, [encrypt, report.seconds, decrypt]), [input.bytes(), output.bytes()]))
    })?;
    let wrong = images.iter().zip(&answers).filter(|(image, found)| {
        tfhe::evaluate(program, &tfhe::quantise_pixels(signature.pixel_steps, image)).outputs != **found
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

/// A full batch of `ckks`, and every size of batch on both.
fn batches(
    case: &BreakEvenCase<'_>,
    setting: &BenchSettings,
    tfhe: &BackendCost,
) -> Result<(BackendCost, Vec<BackendPoint>)> {
    let prepared = ProgramFixture::new(case.model, &setting.options, setting.seed)?;
    let slots = prepared.slots();
    let mut whole = BackendCost { seconds: f64::INFINITY, upload: 0, answer: 0, keys: prepared.server.bytes() };
    let counts = std::iter::successors(Some(1), |n| Some(n * STEP)).take_while(|n| *n < slots).chain([slots]);
    let mut points: Vec<BackendPoint> = Vec::new();
    for images in counts {
        let sent: Vec<Vec<f32>> =
            case.images.iter().cycle().take(images).map(|p| case.model.input().normalise(p)).collect();
        let mut seconds = f64::INFINITY;
        for _ in 0..if setting.quick { 1 } else { RUNS } {
            let (answered, taken) = on_threads(setting.threads, || {
                let (outcome, taken) = time(|| {
                    let input = prepared.encrypt(&sent)?;
                    let (output, _) = ckks::run(&prepared.program, &prepared.server, &input, &Silent)?;
                    let answers =
                        ckks::decrypt(prepared.program.signature(), &prepared.hash, &prepared.client, &output, None)?;
                    Ok::<_, Error>((answers, input.bytes(), output.bytes()))
                });
                Ok((outcome?, taken))
            })?;
            seconds = seconds.min(taken);
            (whole.upload, whole.answer) = (answered.1, answered.2);
            check(case.model, &sent, &answered.0, DEVIATIONS * setting.options.logit_error)?;
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
fn check(model: &Model, images: &[Vec<f32>], answers: &[Vec<f64>], allowed: f64) -> Result<()> {
    for (image, answer) in images.iter().zip(answers).take(CHECKED) {
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
