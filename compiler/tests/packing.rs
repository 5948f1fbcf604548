//! Packed programs: every network that has a program has one in each packing, encrypted answers are
//! those of the program in clear within the predicted noise, and the packing taken is the one that
//! costs less.

#![allow(clippy::unwrap_used, clippy::panic)]

#[allow(dead_code, reason = "shared")]
mod kit;

use beaa_compiler::Error;
use beaa_compiler::ckks::{Compiled, Options, Packing, compile_for, compile_without_security};
use beaa_ir::Model;
use beaa_ir::images::ImageMajor;
use beaa_runtime::Silent;
use beaa_runtime::ckks::{keygen, verify};
use kit::{images, random_model};

/// Seeds of images: what the compiler sees, and what it is tested on.
const SEEN: u64 = 0x5000;
const UNSEEN: u64 = 0x6000;

/// Options by which outputs keep some four bits.
fn options(model: &Model, seen: &ImageMajor<f32>, packing: Packing, batch: usize) -> Options {
    let outputs = seen.rows().take(8).flat_map(|i| beaa_ir::evaluate(model, i).unwrap());
    let largest = outputs.fold(1e-3_f64, |m, v| m.max(v.abs()));
    Options { logit_error: largest / 16.0, packing, batch, ..Options::default() }
}

#[test]
fn every_network_has_a_program_in_every_packing() {
    const DEGREE: usize = 64;
    for seed in 0..60 {
        let model = random_model(seed);
        let seen = images(&model, seed ^ SEEN, 64);
        for packing in [Packing::Block(2), Packing::Block(16), Packing::Channel] {
            let options = options(&model, &seen, packing, 4);
            let compiled = compile_without_security(&model, &options, Some((&seen).into()), DEGREE);
            let Compiled { program, report } = compiled.unwrap_or_else(|e| panic!("seed {seed}, {packing}: {e}"));
            let block = DEGREE / program.signature().capacity();
            assert_eq!(block, if let Packing::Block(positions) = packing { positions } else { DEGREE }, "seed {seed}");
            assert_eq!(report.totals.images * block, DEGREE);
        }
    }
}

#[test]
fn encrypted_answers_are_those_in_clear() {
    for seed in 0..10 {
        let model = random_model(seed);
        let seen = images(&model, seed ^ SEEN, 256);
        let packing = [Packing::Channel, Packing::Block(256), Packing::Block(32)][seed as usize % 3];
        let program = match compile_for(&model, &options(&model, &seen, packing, 1), Some((&seen).into())) {
            Ok(compiled) => compiled.program,
            // Four squares in a row may take more than the largest ring holds.
            Err(Error::Parameters { .. }) => continue,
            Err(e) => panic!("seed {seed}: {e}"),
        };
        let signature = program.signature();
        let keys = keygen(signature, Some(seed)).unwrap();
        let unseen = images(&model, seed ^ UNSEEN, signature.capacity().min(16));
        let found = verify(&program, &keys, &unseen, Some(seed), &Silent).unwrap();
        assert!(found.holds, "seed {seed}, {packing}: {:?}", found.layers);
    }
}

#[test]
fn the_packing_taken_is_the_one_that_costs_less() {
    let model = kit::cryptonets(1);
    let seen = images(&model, 1, 64);
    let found = |packing, batch| {
        let options = Options { logit_error: 0.25, packing, batch, ..Options::default() };
        compile_for(&model, &options, Some((&seen).into())).unwrap()
    };
    let block = |c: &Compiled| c.program.signature().parameters.degree / c.program.signature().capacity();
    let one = found(Packing::Auto, 1);
    assert!(block(&one) > 1, "one image is packed");
    assert!(one.report.totals.seconds < found(Packing::Element, 1).report.totals.seconds);
    let why = &one.program.alternatives()[0];
    assert!(why.instead.contains("element") && why.outcome.is_some(), "{why:?}");
    assert_eq!(block(&found(Packing::Auto, 4096)), 1, "thousands of images are not");
}

#[test]
fn pools_take_no_masks_where_elements_stay_in_their_places() {
    let layers =
        vec![kit::conv("conv", 2, 1, 3, 1), kit::square("act"), kit::pool("pool", 2), kit::linear("fc", 10, 8)];
    let model = kit::model_with(layers);
    let seen = images(&model, SEEN, 256);
    for packing in [Packing::Channel, Packing::Block(1024)] {
        let program = compile_for(&model, &options(&model, &seen, packing, 1), Some((&seen).into())).unwrap().program;
        let pool = program.steps().iter().position(|s| s.layer == "pool").unwrap();
        assert!(program.packed_map(pool).unwrap().0.unmasked, "{packing}");
        assert!(!program.packed_map(0).unwrap().0.unmasked, "a convolution has different weights");
        let note = program.notes().iter().find(|n| n.layer == "pool").unwrap();
        assert!(note.remark.starts_with("exact weights"), "{}", note.remark);
        let keys = keygen(program.signature(), Some(1)).unwrap();
        let unseen = images(&model, UNSEEN, program.signature().capacity().min(16));
        let found = verify(&program, &keys, &unseen, Some(1), &Silent).unwrap();
        assert!(found.holds, "{packing}: {:?}", found.layers);
    }
}
