//! Programs in bands compute what whole ones do, to the last bit, in as much memory as they say.

#![allow(clippy::unwrap_used, unreachable_pub)]

mod networks;

use beaa_compiler::{Error, Options, compile};
use beaa_ir::{Model, Program, StepOp, program_hash};
use beaa_runtime::{Silent, decrypt, encrypt, keygen, run, run_clear};
use networks::{Size, images, resnet8, vgg7};

/// An error that small networks reach at a small ring degree.
fn options(memory: Option<u64>) -> Options {
    Options { logit_error: 0.5, memory, ..Options::default() }
}

fn small() -> [Model; 2] {
    let size = Size { image: 8, channels: 2 };
    [vgg7(size, 3), resnet8(size, 4)]
}

/// The programs for several budgets, the first without one.
fn programs(model: &Model) -> Vec<Program> {
    let whole = compile(model, &options(None)).unwrap();
    let peak = whole.report.totals.peak_bytes;
    let Err(Error::Memory { least, .. }) = compile(model, &options(Some(1))) else { panic!("a byte is not enough") };
    assert!(least < peak);
    let mut programs = vec![whole.program];
    for budget in [peak - 1, (peak + least) / 2, least] {
        let compiled = compile(model, &options(Some(budget))).unwrap();
        assert!(compiled.report.totals.peak_bytes <= budget);
        programs.push(compiled.program);
    }
    programs
}

fn logits(program: &Program, images: &[Vec<f32>]) -> Vec<Vec<f64>> {
    let signature = program.signature();
    let (client, server) = keygen(&signature.parameters, Some(5)).unwrap();
    let input = encrypt(signature, &program_hash(program), &client, images, Some(6), &Silent).unwrap();
    let (output, _) = run(program, &server, &input, &Silent).unwrap();
    decrypt(signature, &program_hash(program), &client, &output, None).unwrap()
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
    for model in small() {
        let images = images(&model, 1, 3);
        let programs = programs(&model);
        let expected = logits(&programs[0], &images);
        let clear = run_clear(&programs[0], &images).unwrap();
        for program in &programs[1..] {
            assert!(program.steps().len() > programs[0].steps().len());
            assert_eq!(products(program), products(&programs[0]), "no product is made twice");
            assert!(logits(program, &images) == expected, "the same bits");
            // In f64 the order of a sum matters.
            let found = run_clear(program, &images).unwrap();
            let pairs = || found.iter().flatten().zip(clear.iter().flatten());
            assert!(pairs().all(|(f, c)| (f - c).abs() <= 1e-10 * c.abs().max(1.0)));
        }
    }
}
