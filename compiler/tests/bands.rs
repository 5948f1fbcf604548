//! Programs in bands compute what whole ones do, to the last bit, in as much memory as they say.

#![allow(clippy::unwrap_used, clippy::panic)]

#[allow(dead_code, reason = "shared")]
mod kit;

use beaa_compiler::Error;
use beaa_compiler::ckks::{LayerCost, Options, compile_for, cost};
use beaa_ir::ckks::{Program, SignatureFile, StepOp};
use beaa_ir::images::ImageMajor;
use beaa_ir::{Activation, LayerOp, Linear, Model, Shape, Tensor};
use beaa_runtime::ckks::{KeyPair, decrypt, encrypt, keygen, run, verify};
use beaa_runtime::{Silent, plaintext};
use kit::images;
use kit::networks::{Network, Size, resnet8, vgg7};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn options(memory: Option<u64>) -> Options {
    Options { logit_error: 0.1, memory, ..Options::default() }
}

/// A random network with few enough activations for a small ring: convolutions, pooling, perhaps a
/// residual.
fn random(seed: u64) -> Model {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut net = Network::new(Size { image: 8, channels: 2 }, seed);
    let channels = rng.random_range(2..=4);
    net.convolution("conv1", channels, rng.random_range(1..=2));
    net.activation("act1");
    if rng.random_bool(0.5) {
        net.convolution("conv2", channels, 1);
        net.push("add", LayerOp::Add { with: "act1".into() }, net.shape());
    } else {
        net.pool("pool");
        net.convolution("conv2", 2 * channels, rng.random_range(1..=2));
    }
    if rng.random_bool(0.7) {
        net.activation("act2");
        if rng.random_bool(0.5) {
            net.pool("pool2");
        }
    }
    net.linear("fc", rng.random_range(1..=12));
    net.finish("random")
}

/// The programs for several budgets, the first without one.
fn programs(model: &Model, options: impl Fn(Option<u64>) -> Options) -> Vec<Program> {
    // Deep random networks are only tame on images like those that gave them their ranges.
    let samples = images(model, 0x2000, 16);
    let compile = |model: &Model, options: &Options| compile_for(model, options, Some((&samples).into()));
    let whole = compile(model, &options(None)).unwrap();
    let peak = whole.report.totals.peak_bytes;
    let error = compile(model, &options(Some(1))).unwrap_err();
    let Error::Memory { least, .. } = error else { panic!("a byte is not enough: {error}") };
    assert!(error.to_string().contains("at least") && least <= peak);
    let mut programs = vec![whole.program];
    let mut budgets = vec![peak.saturating_sub(1), (peak + least) / 2, least];
    budgets.retain(|b| (least..peak).contains(b));
    for budget in budgets {
        let compiled = compile(model, &options(Some(budget))).unwrap();
        assert!(compiled.report.totals.peak_bytes <= budget, "what was asked for is obeyed");
        programs.push(compiled.program);
    }
    // What fits is left alone.
    assert_eq!(compile(model, &options(Some(peak))).unwrap().program, programs[0]);
    programs
}

fn logits(program: &Program, images: &ImageMajor<f32>) -> ImageMajor<f64> {
    let file = SignatureFile::from(program);
    let KeyPair { client, server } = keygen(&file.signature, Some(5)).unwrap();
    let (input, receipt) = encrypt(&file, &client, images, Some(6), &Silent).unwrap();
    let (output, _) = run(program, &server, &input, &Silent).unwrap();
    decrypt(&file, &client, &output, &receipt).unwrap().exact().clone()
}

fn products(program: &Program) -> usize {
    let of = |op: &StepOp| match op {
        StepOp::Linear { terms, .. } => terms.iter().map(|t| t.weights.entries()).sum(),
        _ => 0,
    };
    program.steps().iter().map(|s| of(&s.op)).sum()
}

#[test]
fn bands_give_the_same_bits() {
    let mut banded = 0;
    for seed in 0..6 {
        let model = random(seed);
        let images = images(&model, 1, 3);
        let programs = programs(&model, options);
        banded += programs.len() - 1;
        let expected = logits(&programs[0], &images);
        let clear = plaintext::run(&programs[0], &images).unwrap();
        for program in &programs[1..] {
            assert!(program.steps().len() > programs[0].steps().len());
            assert_eq!(products(program), products(&programs[0]), "no product is made twice");
            assert!(logits(program, &images) == expected, "seed {seed}: the same bits");
            // In f64 the order of a sum matters.
            let found = plaintext::run(program, &images).unwrap();
            let pairs = || found.data().iter().zip(clear.data());
            assert!(pairs().all(|(f, c)| (f - c).abs() <= 1e-10 * c.abs().max(1.0)), "seed {seed}");
        }
    }
    assert!(banded >= 9, "most networks take less in bands: {banded}");
}

#[test]
fn deep_networks_in_bands_compute_the_same_in_clear() {
    let size = Size { image: 16, channels: 4 };
    for model in [vgg7(size, 3), resnet8(size, 4)] {
        let images = images(&model, 1, 2);
        let programs = programs(&model, options);
        let clear = plaintext::run(&programs[0], &images).unwrap();
        for program in &programs[1..] {
            assert_eq!(products(program), products(&programs[0]));
            let found = plaintext::run(program, &images).unwrap();
            let pairs = || found.data().iter().zip(clear.data());
            assert!(pairs().all(|(f, c)| (f - c).abs() <= 1e-9 * c.abs().max(1.0)));
        }
    }
}

#[test]
fn layers_are_verified_and_reported_over_all_their_bands() {
    let model = random(1);
    let images = images(&model, 2, 3);
    let programs = programs(&model, options);
    let summary = |program: &Program| {
        let keys = keygen(program.signature(), Some(5)).unwrap();
        let verification = verify(program, &keys, &images, Some(6), &Silent).unwrap();
        assert!(verification.holds, "{verification:?}");
        verification.layers
    };
    let whole = summary(&programs[0]);
    let layers = |program: &Program| -> Vec<(String, usize, usize, u64, usize)> {
        let of = |l: LayerCost| (l.layer, l.ciphertexts, l.limbs, l.products, l.relinearisations);
        cost(program).layers.into_iter().map(of).collect()
    };
    for program in &programs[1..] {
        let bands = summary(program);
        assert_eq!(bands.len(), whole.len(), "one line for each layer");
        for layer in &bands {
            let other = whole.iter().find(|w| w.layer == layer.layer).unwrap();
            assert!((layer.measured / other.measured - 1.0).abs() < 1e-6, "{layer:?} {other:?}");
            assert_eq!((layer.bound, layer.predicted), (other.bound, other.predicted));
        }
        assert_eq!(layers(program), layers(&programs[0]));
    }
}

/// A layer of which some outputs read nothing: their bands have no term to read from, but as many
/// components as the rest.
#[test]
fn weights_of_zero_leave_every_band_its_components() {
    let mut net = Network::new(Size { image: 8, channels: 2 }, 1);
    net.push("square", LayerOp::Activation { function: Activation::Square, range: None }, net.shape());
    let inputs = net.shape().len();
    net.push("flatten", LayerOp::Flatten, Shape::Flat { features: inputs });
    let mut weights = vec![0.0; 96 * inputs];
    weights[..inputs].fill(0.01);
    weights[95 * inputs + 3] = 0.5;
    let weight = Tensor::new(vec![96, inputs], weights).unwrap();
    net.push("sparse", LayerOp::Linear(Linear { weight, bias: None }), Shape::Flat { features: 96 });
    net.activation("act");
    net.linear("fc", 2);
    let model = net.finish("sparse");
    let images = images(&model, 1, 2);
    let programs = programs(&model, options);
    let expected = logits(&programs[0], &images);
    assert!(programs[1..].iter().all(|p| logits(p, &images) == expected));
}
