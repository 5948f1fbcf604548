//! Networks that PyTorch exported compile and run encrypted: the answers are PyTorch's, within the
//! error that the compiler predicts.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use beaa_compiler::ckks::{self, Compiled, compile};
use beaa_import::{Options, import_onnx, measure_ranges};
use beaa_ir::Model;
use beaa_ir::ckks::SignatureFile;
use beaa_ir::images::ImageMajor;
use beaa_runtime::Silent;
use beaa_runtime::ckks::{KeyPair, decrypt, encrypt, keygen, run};
use safetensors::SafeTensors;

fn rows(tensors: &SafeTensors<'_>, name: &str) -> ImageMajor<f32> {
    let view = tensors.tensor(name).unwrap();
    let numbers: Vec<f32> = view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    let images = view.shape()[0];
    ImageMajor::new(images, numbers.len() / images, numbers).unwrap()
}

/// The network with pixels wide enough for PyTorch's normally distributed test images, those
/// images, and PyTorch's answers.
fn imported(network: &str) -> (Model, ImageMajor<f32>, ImageMajor<f32>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/import");
    let options = Options { mean: Some(vec![0.5]), std: Some(vec![0.1]), ..Options::default() };
    let model = import_onnx(&folder.join(format!("{network}.dynamo.onnx")), &options).unwrap().model;
    let bytes = std::fs::read(folder.join(format!("{network}.answers.safetensors"))).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let images = rows(&tensors, "images");
    assert!(images.data().iter().all(|v| v.abs() <= 5.0), "within what pixels can be");
    (measure_ranges(model, &images).unwrap(), images, rows(&tensors, "logits"))
}

fn answers_as_predicted(network: &str) {
    let (model, images, expected) = imported(network);
    let options = ckks::Options { batch: 4, ..ckks::Options::default() };
    let Compiled { program, report } = compile(&model, &options).unwrap();
    let deviation = report.totals.output_error.unwrap().hypot(report.totals.output_rounding.unwrap());
    assert!(deviation <= 1.5 * options.logit_error, "{deviation}");
    let file = SignatureFile::from(&program);
    let KeyPair { client, server } = keygen(&file.signature, Some(1)).unwrap();
    let (input, receipt) = encrypt(&file, &client, &images, Some(2), &Silent).unwrap();
    let (output, _) = run(&program, &server, &input, &Silent).unwrap();
    let answers = decrypt(&file, &client, &output, &receipt).unwrap();
    let answers = answers.exact();
    let errors: Vec<f64> = answers.data().iter().zip(expected.data()).map(|(a, e)| a - f64::from(*e)).collect();
    assert_eq!(errors.len(), images.images() * model.outputs());
    // Five standard deviations: one in two million for each of some dozens of answers.
    let largest = errors.iter().fold(0.0_f64, |m, e| m.max(e.abs()));
    assert!(largest <= 5.0 * deviation, "{network}: off by {largest}, predicted deviation {deviation}");
}

#[test]
fn element_wise_quadratics_run_encrypted() {
    answers_as_predicted("cryptonets");
}

#[test]
fn a_residual_network_runs_encrypted() {
    answers_as_predicted("residual");
}
