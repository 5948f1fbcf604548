//! What is promised without samples holds for every image that the input allows: random networks
//! of random means, deviations and ranges, and images that the compiler has not seen. Reproducible
//! by seed; nothing here is secure.

#![allow(clippy::unwrap_used, clippy::panic)]

#[allow(dead_code, reason = "shared")]
mod kit;
#[allow(dead_code, reason = "shared")]
mod walk;

use beaa_compiler::Error;
use beaa_compiler::ckks::{Compiled, Coverage, Options, Packing, compile, compile_without_security, explain};
use beaa_ir::images::ImageMajor;
use beaa_ir::{Layer, LayerOp, Linear, Model, evaluate, evaluate_traced};
use kit::{conv, images, linear, model_with, random_model, rng, square, tensor, with_ranges};
use rand::RngExt;
use walk::encrypted;

const DEGREE: usize = 64;
const MODELS: u64 = 60;

/// A random network on pixels whose mean and deviation are any: those of a data set, of pixels from
/// 0 to 255 that nobody normalised, of dark images. Two thirds have no ranges.
fn model(seed: u64) -> Model {
    let mut rng = rng(seed ^ 0xABCD);
    let mut literal = random_model(seed).into_literal();
    for (mean, std) in literal.input.mean.iter_mut().zip(&mut literal.input.std) {
        (*mean, *std) = match seed % 3 {
            0 => (0.0, 1.0 / 255.0),
            1 => (rng.random_range(0.0..1.0), 10.0_f32.powf(rng.random_range(-2.0..0.5))),
            _ => (rng.random_range(0.3..0.7), rng.random_range(0.1..0.4)),
        };
    }
    for layer in &mut literal.layers {
        if let LayerOp::Activation { range, .. } = &mut layer.op {
            *range = None;
        }
    }
    let model = Model::try_from(literal).unwrap();
    if seed.is_multiple_of(2) || seed.is_multiple_of(5) { model } else { with_ranges(model, seed) }
}

/// Batches of allowed images, each of one kind.
fn batches(model: &Model, seed: u64) -> Vec<ImageMajor<f32>> {
    let mut rng = rng(seed ^ 0x7777);
    let [channels, height, width] = model.input().shape;
    let n = channels * height * width;
    let mut batch = |pixel: &mut dyn FnMut(&mut rand_chacha::ChaCha8Rng, usize, usize) -> u8| {
        let rows = (0..DEGREE).map(|i| {
            let pixels: Vec<u8> = (0..n).map(|j| pixel(&mut rng, i, j)).collect();
            model.input().normalise(&pixels)
        });
        ImageMajor::from_rows(n, rows.collect::<Vec<_>>()).unwrap()
    };
    vec![
        batch(&mut |_, _, _| 0),
        batch(&mut |_, _, _| 255),
        batch(&mut |_, i, _| (i * 4) as u8),
        batch(&mut |rng, _, _| rng.random()),
        batch(&mut |rng, _, _| if rng.random() { 255 } else { 0 }),
        batch(&mut |rng, i, _| (i * 3) as u8 + rng.random_range(0..=(i as u8))),
        batch(&mut |_, i, j| ((j % width) * 255 / width.max(2)).wrapping_add(i) as u8),
        batch(&mut |_, i, j| if (j / width + j % width + i).is_multiple_of(2) { 255 } else { 0 }),
        batch(&mut |_, i, j| if j % n == i % n { 255 } else { 0 }),
    ]
}

/// Whether the inputs of all activations stay within their ranges, `safety` times as wide.
fn within_ranges(model: &Model, image: &[f32], safety: f64) -> bool {
    let trace = evaluate_traced(model, image).unwrap();
    let input: Vec<f64> = image.iter().map(|&v| f64::from(v)).collect();
    model.layers().iter().enumerate().all(|(i, layer)| {
        let LayerOp::Activation { range: Some(range), .. } = &layer.op else { return true };
        let (lo, hi) = (f64::from(range.min), f64::from(range.max));
        let slack = (hi - lo) * (safety - 1.0) / 2.0;
        let before = if i == 0 { &input } else { &trace[i - 1] };
        before.iter().all(|v| (lo - slack..=hi + slack).contains(v))
    })
}

/// The error of a batch, encrypted against the model, root mean square; none of no image.
fn error(model: &Model, compiled: &Compiled, images: &ImageMajor<f32>, seed: u64, keep: &[bool]) -> Option<f64> {
    let answers = encrypted(&compiled.program, images, seed).swap_remove(compiled.program.output());
    let (mut sum, mut count) = (0.0, 0_u32);
    for (i, image) in images.rows().enumerate().filter(|(i, _)| keep[*i]) {
        for (row, exact) in answers.iter().zip(evaluate(model, image).unwrap()) {
            sum += (row[i] - exact).powi(2);
            count += 1;
        }
    }
    (count > 0).then(|| (sum / f64::from(count)).sqrt())
}

#[test]
fn what_is_promised_without_samples_holds_for_every_allowed_image() {
    let (mut promised, mut measured) = (0, 0);
    for seed in 0..MODELS {
        let model = model(seed);
        let batches = batches(&model, seed);
        let outputs = batches.iter().flat_map(|b| b.rows().take(8)).flat_map(|i| evaluate(&model, i).unwrap());
        let largest = outputs.fold(1e-3_f64, |m, v| m.max(v.abs()));
        let logit_error = largest * 2.0_f64.powi(-4 - (seed % 7) as i32);
        let options = Options { logit_error, batch: 1, packing: Packing::Element, ..Options::default() };
        let compiled = compile_without_security(&model, &options, None, DEGREE);
        let compiled = match compiled {
            Ok(compiled) => compiled,
            // No promise, and it says so.
            Err(Error::Precision { .. } | Error::Parameters { .. } | Error::UnknownRange { .. }) => continue,
            Err(e) => panic!("seed {seed}: {e}"),
        };
        let safety = match compiled.report.totals.coverage.as_ref().unwrap() {
            Coverage::EveryAllowed { .. } => None,
            Coverage::WithinRanges { range_safety, .. } => Some(*range_safety),
            Coverage::Nothing { .. } => continue,
            other => panic!("seed {seed}: {other:?} without samples"),
        };
        promised += 1;
        for (kind, images) in batches.iter().enumerate() {
            let keep: Vec<bool> =
                images.rows().map(|image| safety.is_none_or(|s| within_ranges(&model, image, s))).collect();
            if let Some(error) = error(&model, &compiled, images, seed, &keep) {
                measured += 1;
                assert!(error <= logit_error, "seed {seed}, kind {kind}: {error:.2e}, promised {logit_error:.2e}");
            }
        }
    }
    assert!(promised * 10 >= MODELS * 9 && measured >= 5 * promised, "{promised} of {MODELS}, {measured} batches");
}

/// Layers on pixels from 0 to 255, as a network takes them that nobody normalised for.
fn raw(layers: Vec<Layer>) -> Model {
    let mut literal = model_with(layers).into_literal();
    (literal.input.mean, literal.input.std) = (vec![0.0], vec![1.0 / 255.0]);
    Model::try_from(literal).unwrap()
}

#[test]
fn pixels_from_0_to_255_have_the_error_that_was_asked_for() {
    let model = raw(vec![conv("conv", 3, 1, 3, 1), square("act"), linear("fc", 4, 48)]);
    let size = evaluate(&model, &[255.0; 36]).unwrap().iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    let options = Options { logit_error: size / 1024.0, ..Options::default() };
    let compiled = compile(&model, &options).unwrap();
    let report = explain(&compiled.report);
    assert!(report.contains("promised for every image that the input allows"), "{report}");
    assert!(compiled.program.notes().iter().any(|n| n.remark.contains("promised for every allowed image")));
}

#[test]
fn what_samples_promise_is_said() {
    let model = model_with(vec![conv("conv", 3, 1, 3, 1), square("act"), linear("fc", 4, 48)]);
    let compiled =
        beaa_compiler::ckks::compile_for(&model, &Options::default(), Some((&images(&model, 1, 40)).into())).unwrap();
    assert_eq!(
        compiled.report.totals.coverage,
        Some(Coverage::LikeSamples { samples: 40, range_safety: Options::default().range_safety })
    );
    assert!(explain(&compiled.report).contains("promised for images like the 40 samples given"));
}

/// `depth` layers with a square after each.
fn deep(depth: usize, weight: f64) -> Model {
    let mut layers = vec![Layer { name: "flat".into(), op: LayerOp::Flatten }];
    for k in 0..depth {
        let inputs = if k == 0 { 36 } else { 4 };
        let weight = tensor(&[4, inputs], |i| weight * if i % 3 == 0 { -1.0 } else { 1.0 });
        layers.push(Layer { name: format!("dense{k}"), op: LayerOp::Linear(Linear { weight, bias: None }) });
        layers.push(square(&format!("square{k}")));
    }
    layers.push(linear("last", 3, 4));
    model_with(layers)
}

#[test]
fn a_deep_network_without_ranges_asks_for_samples() {
    for depth in [6, 8, 9, 12, 20, 60] {
        let error = compile(&deep(depth, 0.4), &Options::default()).unwrap_err();
        let Error::UnknownRange { layer, .. } = &error else { panic!("depth {depth}: {error}") };
        assert!(layer.starts_with("dense") || layer.starts_with("square"), "{layer}");
        assert!(error.to_string().contains("give --samples"), "{error}");
    }
}

#[test]
fn numbers_that_overflow_are_the_network_s_fault_and_named() {
    for weight in [3e38, 1e30, 1e-38] {
        for depth in [1, 3, 8, 60] {
            let model = deep(depth, weight);
            let samples = images(&model, 1, 20);
            for images in [None, Some(&samples)] {
                let Err(error) = beaa_compiler::ckks::compile_for(&model, &Options::default(), images.map(Into::into))
                else {
                    continue;
                };
                assert!(!matches!(error, Error::Internal { .. }), "{weight:e}, depth {depth}: {error}");
                let message = error.to_string();
                assert!(!message.contains("bug") && !message.contains("NaN"), "{weight:e}, depth {depth}: {message}");
            }
            if weight > 1.0 && depth > 2 {
                let error =
                    beaa_compiler::ckks::compile_for(&model, &Options::default(), Some((&samples).into())).unwrap_err();
                let named = matches!(&error, Error::Overflow { layer, .. } if !layer.is_empty());
                assert!(named, "{weight:e}, depth {depth}: {error}");
            }
        }
    }
}

#[test]
fn outputs_that_do_not_depend_on_the_image_are_named() {
    let zero_rows = |rows: &[usize]| {
        let Layer { name, op: LayerOp::Linear(last) } = linear("fc", 4, 48) else { unreachable!() };
        let values = last.weight.data().to_vec();
        let weight = tensor(&[4, 48], |i| if rows.contains(&(i / 48)) { 0.0 } else { f64::from(values[i]) });
        let last = Layer { name, op: LayerOp::Linear(Linear { weight, ..last }) };
        let model = model_with(vec![conv("conv", 3, 1, 3, 1), square("act"), last]);
        compile(&model, &Options::default()).unwrap().report
    };
    assert!(zero_rows(&[]).totals.constant_outputs.is_empty());
    let report = zero_rows(&[1]);
    assert_eq!(report.totals.constant_outputs, [1]);
    assert!(explain(&report).contains("CAUTION: output 1 does not depend on the image"), "{}", explain(&report));
    assert_eq!(zero_rows(&[0, 1, 2, 3]).totals.constant_outputs, [0, 1, 2, 3]);
}
