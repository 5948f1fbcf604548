//! A thousand random networks: the compiled program in clear is the model within the predicted
//! rounding error, encrypted it is the program in clear within the predicted noise, layer by layer.
//! Reproducible by seed; nothing here is secure.

#![allow(clippy::unwrap_used, clippy::panic)]

#[allow(dead_code, reason = "shared")]
mod kit;
mod walk;

use beaa_compiler::Error;
use beaa_compiler::ckks::{Compiled, Options, Packing, compile_without_security};
use beaa_ir::images::ImageMajor;
use beaa_ir::{Model, evaluate};
use kit::{images, random_model};
use walk::{encrypted, in_clear};

const MODELS: u64 = 1000;
const DEGREE: usize = 64;
/// Seeds of images: what the compiler sees, and what it is tested on.
const SEEN: u64 = 0x5000;
const UNSEEN: u64 = 0x6000;

struct Case {
    seed: u64,
    model: Model,
    compiled: Compiled,
    images: ImageMajor<f32>,
}

/// An error that suits the size of the model's outputs: between four and ten bits.
fn case(seed: u64) -> Case {
    let model = random_model(seed);
    let seen = images(&model, seed ^ SEEN, 256);
    let largest = seen.rows().take(8).flat_map(|i| evaluate(&model, i).unwrap()).fold(1e-3_f64, |m, v| m.max(v.abs()));
    let options = Options {
        logit_error: largest * 2.0_f64.powi(-4 - (seed % 7) as i32),
        batch: 1,
        packing: Packing::Element,
        ..Options::default()
    };
    let compiled = compile_without_security(&model, &options, Some((&seen).into()), DEGREE)
        .unwrap_or_else(|e| panic!("seed {seed}: {e}"));
    let images = images(&model, seed ^ UNSEEN, DEGREE);
    Case { seed, model, compiled, images }
}

fn rms<'a>(pairs: impl Iterator<Item = (&'a f64, &'a f64)>) -> f64 {
    let (sum, count) = pairs.fold((0.0, 0_usize), |(s, n), (a, b)| (s + (a - b).powi(2), n + 1));
    (sum / count.max(1) as f64).sqrt()
}

/// Measured over predicted error.
#[derive(Debug)]
#[expect(dead_code, reason = "seed and layer are for the message of a failure")]
struct Ratio {
    seed: u64,
    layer: String,
    value: f64,
}

/// Of the output against the model, both in clear; and of every layer, encrypted against clear.
fn ratios(case: &Case) -> (Ratio, Vec<Ratio>) {
    let Case { seed, model, compiled, images } = case;
    let program = &compiled.program;
    let clear = in_clear(program, images);
    let exact: Vec<Vec<f64>> = images.rows().map(|i| evaluate(model, i).unwrap()).collect();
    let rows = &clear[program.output()].values;
    let rounding = rms(rows.rows().enumerate().flat_map(|(j, r)| r.iter().zip(exact.iter().map(move |e| &e[j]))));
    let totals = &compiled.report.totals;
    let both = totals.output_error.unwrap().hypot(totals.output_rounding.unwrap());
    // What is far below the error as a whole need not be known to a factor, nor can it be measured
    // in `f32` weights.
    let floor = (0.05 * both).max(1e-9);
    let value = (rounding + floor) / (totals.output_rounding.unwrap() + floor);
    let rounding = Ratio { seed: *seed, layer: "rounding".into(), value };
    let decrypted = encrypted(program, images, *seed);
    // Where the output is constant, padding having pushed all weights out, layers before it may
    // drown in noise.
    let noise = program.notes().iter().filter(|note| note.error < note.bound).map(|note| {
        let pairs = decrypted[note.value].iter().flatten().zip(clear[note.value].values.data());
        // Constants have no error, but are decoded in `f64`.
        Ratio { seed: *seed, layer: note.layer.clone(), value: (rms(pairs) + 1e-9) / (note.error + 1e-9) }
    });
    (rounding, noise.collect())
}

/// At most one in `exceptions` is off by more than a factor of 2 (three squares in a row have
/// images far out that no standard deviation describes), none by more than 8; half of all are
/// within a few per cent.
fn check(what: &str, mut ratios: Vec<Ratio>, exceptions: usize) {
    ratios.sort_by(|a, b| a.value.total_cmp(&b.value));
    let outside: Vec<&Ratio> = ratios.iter().filter(|r| !(0.5..=2.0).contains(&r.value)).collect();
    assert!(outside.len() * exceptions <= ratios.len(), "{what}: {} of {}: {outside:?}", outside.len(), ratios.len());
    assert!(outside.iter().all(|r| (0.125..=8.0).contains(&r.value)), "{what}: {outside:?}");
    let median = ratios[ratios.len() / 2].value;
    assert!((0.95..1.05).contains(&median), "{what}: typically {median}");
}

#[test]
fn a_thousand_random_models_are_as_precise_as_predicted() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let all: Vec<(Ratio, Vec<Ratio>)> = std::thread::scope(|scope| {
        let mine = |t: u64| (t..MODELS).step_by(threads as usize).map(|seed| ratios(&case(seed))).collect::<Vec<_>>();
        let workers: Vec<_> = (0..threads).map(|t| scope.spawn(move || mine(t))).collect();
        workers.into_iter().flat_map(|w| w.join().unwrap()).collect()
    });
    let (rounding, noise): (Vec<Ratio>, Vec<Vec<Ratio>>) = all.into_iter().unzip();
    check("rounding", rounding, 100);
    check("noise", noise.into_iter().flatten().collect(), 200);
}

/// Over many models, as many images keep their class as predicted; for each, at least as many as
/// asked for are predicted to.
#[test]
fn as_many_images_keep_their_class_as_predicted() {
    const ASKED: f64 = 0.95;
    let (mut predicted, mut kept, mut count) = (0.0, 0, 0_u32);
    for seed in 0..60 {
        let model = random_model(seed);
        if model.outputs() < 2 {
            continue;
        }
        let options = Options { agreement: Some(ASKED), batch: 1, packing: Packing::Element, ..Options::default() };
        let compiled =
            compile_without_security(&model, &options, Some((&images(&model, seed ^ SEEN, 1000)).into()), DEGREE);
        if let Err(Error::Option { option: "agreement", expected, .. }) = &compiled {
            assert!(expected.contains("are equal"), "seed {seed}: {expected}");
            continue;
        }
        let compiled = compiled.unwrap();
        let agreement = compiled.report.totals.agreement.unwrap();
        assert!(agreement.at_least >= ASKED - 1e-9 && agreement.predicted > agreement.at_least, "seed {seed}");
        let unseen = images(&model, seed ^ UNSEEN, DEGREE);
        let answers = encrypted(&compiled.program, &unseen, seed).swap_remove(compiled.program.output());
        let largest = |v: &[f64]| (0..v.len()).max_by(|&a, &b| v[a].total_cmp(&v[b]));
        for (i, image) in unseen.rows().enumerate() {
            let answer: Vec<f64> = answers.iter().map(|row| row[i]).collect();
            kept += u32::from(largest(&answer) == largest(&evaluate(&model, image).unwrap()));
            count += 1;
        }
        predicted += agreement.predicted * unseen.images() as f64;
    }
    assert!(count > 1500);
    let (predicted, kept) = (predicted / f64::from(count), f64::from(kept) / f64::from(count));
    assert!((predicted - kept).abs() < 0.015, "{predicted} predicted, {kept} measured over {count} images");
}
