//! Operators that PyTorch's exporters write otherwise or not at all: the import means what ONNX's
//! reference evaluator computes (tests/data/import/make_operators.py).

#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::{Path, PathBuf};

use beaa_import::{Options, import_onnx};
use beaa_ir::{Model, evaluate};
use safetensors::SafeTensors;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/import/operators")
}

fn rows(tensors: &SafeTensors<'_>, name: &str) -> Vec<Vec<f32>> {
    let view = tensors.tensor(name).unwrap_or_else(|e| panic!("{name}: {e}"));
    let numbers: Vec<f32> = view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    numbers.chunks(numbers.len() / view.shape()[0]).map(<[f32]>::to_vec).collect()
}

fn import(name: &str, shape: Option<[usize; 3]>) -> Model {
    let options = Options { shape, ..Options::default() };
    import_onnx(&folder().join(format!("{name}.onnx")), &options).unwrap_or_else(|e| panic!("{name}: {e}")).model
}

#[test]
fn operators_mean_what_the_reference_computes() {
    let bytes = std::fs::read(folder().join("answers.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let mut seen = 0;
    for entry in std::fs::read_dir(folder()).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        let Some(name) = file.strip_suffix(".onnx") else { continue };
        let shape = match name {
            "to_a_vector_and_back" => Some([1, 3, 4]),
            "vector" => Some([1, 2, 3]),
            _ => None,
        };
        let model = import(name, shape);
        for (image, expected) in
            rows(&tensors, &format!("{name}.images")).iter().zip(rows(&tensors, &format!("{name}.scores")))
        {
            let found = evaluate(&model, image).unwrap();
            assert_eq!(found.len(), expected.len(), "{name}");
            for (f, e) in found.iter().zip(&expected) {
                // The reference computes in f32: some twenty terms of size about 1, at 2^-24 each.
                let allowed = 32.0 * 2.0_f64.powi(-24) * f64::from(e.abs()).max(1.0);
                assert!((f - f64::from(*e)).abs() <= allowed, "{name}: {f} against {e}");
            }
        }
        seen += 1;
    }
    assert!(seen >= 20, "only {seen} files");
}

#[test]
fn a_vector_as_input_needs_the_shape_of_an_image() {
    let path = folder().join("vector.onnx");
    let error = import_onnx(&path, &Options::default()).unwrap_err().to_string();
    assert!(error.contains("--shape"), "{error}");
    let wrong = Options { shape: Some([1, 2, 4]), ..Options::default() };
    assert!(import_onnx(&path, &wrong).is_err());
}

#[test]
fn a_bias_that_another_branch_must_not_see_stays_apart() {
    let kinds: Vec<String> = import("shared_bias", None).layers().iter().map(|l| l.op.kind().to_owned()).collect();
    assert_eq!(kinds.iter().filter(|k| *k == "branch").count(), 1, "{kinds:?}");
}
