//! A model file written outside this project (safetensors' own Python package, as
//! docs/model-format.md shows) loads, means what an independent evaluation says, and compiles.
//! `data/by-hand.safetensors` must load for ever.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use beaa_compiler::ckks::{Options, compile};
use beaa_ir::{evaluate, load_model};

/// By numpy, in `f64`, for the pixels `37 i mod 256`.
const LOGITS: [f64; 3] = [1.1570956785363837, 2.8992927433884583, -1.9759005863198684];

#[test]
fn a_file_from_python_loads_evaluates_and_compiles() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/by-hand.safetensors");
    let model = load_model(&path).unwrap();
    assert_eq!((model.name(), model.layers().len(), model.outputs()), ("by-hand", 9, 3));
    let pixels: Vec<u8> = (0..36).map(|i| u8::try_from(i * 37 % 256).unwrap()).collect();
    let logits = evaluate(&model, &model.input().normalise(&pixels)).unwrap();
    for (found, expected) in logits.iter().zip(LOGITS) {
        assert!((found - expected).abs() < 1e-5, "{found} against {expected}");
    }
    let compiled = compile(&model, &Options::default()).unwrap();
    assert_eq!(compiled.program.signature().classes.names(), ["a", "b", "c"]);
    assert_eq!(compiled.report.layers.first().map(|l| l.layer.as_str()), Some("conv"));
}
