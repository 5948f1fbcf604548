//! The text form of a small network after every pass of the pipeline, and of its program: golden
//! files, so that whatever changes a pass shows where.

#![allow(clippy::unwrap_used, clippy::panic)]

#[allow(dead_code, reason = "shared")]
mod kit;

use std::collections::BTreeMap;

use beaa_compiler::ckks::{Options, compile_for, compile_observed, explain, explain_choices};
use beaa_ir::Model;
use beaa_ir::ckks::dump;
use kit::{conv, images, linear, model_with, polynomial, pool, with_ranges};

/// Convolution, element-wise polynomials of which some are split, residual, pooling, dense layer.
fn small() -> Model {
    let coefficients = |j: usize| if j % 8 == 3 { [0.0, 0.7, 0.1] } else { [0.2 + 0.01 * (j % 5) as f64, 0.5, 0.1] };
    let residual = beaa_ir::Layer { name: "add".into(), op: beaa_ir::LayerOp::Add { with: "conv".into() } };
    let layers = vec![
        conv("conv", 2, 1, 3, 1),
        polynomial("act1", &[2, 4, 4], coefficients),
        residual,
        conv("conv2", 2, 2, 3, 1),
        polynomial("act2", &[2, 2, 2], coefficients),
        pool("pool", 2),
        linear("fc", 3, 2),
    ];
    with_ranges(model_with(layers), 1)
}

#[test]
fn every_pass_of_a_small_network() {
    let model = small();
    let mut shown: BTreeMap<&str, String> = BTreeMap::new();
    let mut order = Vec::new();
    compile_observed(&model, &Options::default(), Some((&images(&model, 7, 64)).into()), &mut |pass, product| {
        // The search runs again as long as the simulation finds another error than it expects.
        if !shown.contains_key(pass) {
            order.push(pass);
            shown.insert(pass, product.to_string());
        }
    })
    .unwrap();
    let graphs = ["import", "fold_affine", "drop_dead_elements", "observe_ranges", "complete_squares", "equalise_rows"];
    assert_eq!(order[..6], graphs);
    assert_eq!(order[6..], ["summarise", "search", "refine"]);
    for pass in order {
        insta::assert_snapshot!(format!("after_{pass}"), shown[pass]);
    }
}

#[test]
fn program_of_a_small_network() {
    let model = small();
    let compiled = compile_for(&model, &Options::default(), Some((&images(&model, 7, 64)).into())).unwrap();
    insta::assert_snapshot!("small_program", dump(&compiled.program));
    insta::assert_snapshot!("small_choices", explain_choices(&compiled.program));
    let mut report = compiled.report;
    report.passes.clear();
    insta::assert_snapshot!("small_report", explain(&report));
}
