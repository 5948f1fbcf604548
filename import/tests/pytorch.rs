//! Networks exported by PyTorch (tests/data/import/make.py) give PyTorch's own answers, by both
//! exporters and from state dictionaries.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::{Path, PathBuf};

use beaa_import::{Error, Imported, Options, import_onnx, import_state_dict};
use beaa_ir::{Activation, LayerOp, Model, evaluate_traced};
use safetensors::SafeTensors;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/import").join(name)
}

fn import(name: &str) -> Imported {
    import_onnx(&data(name), &Options::default()).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// Images and PyTorch's answers to them.
fn answers(network: &str) -> Vec<(Vec<f32>, Vec<f32>)> {
    let bytes = std::fs::read(data(&format!("{network}.answers.safetensors"))).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let rows = |name: &str| -> Vec<Vec<f32>> {
        let view = tensors.tensor(name).unwrap();
        let numbers: Vec<f32> = view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        numbers.chunks(numbers.len() / view.shape()[0]).map(<[f32]>::to_vec).collect()
    };
    rows("images").into_iter().zip(rows("logits")).collect()
}

/// PyTorch computes in `f32`, the model in `f64`. Summing n products in f32 is off by at most about
/// n 2^-24 of the largest partial sum, and errors of the layers add up: 2^-24 times the number of
/// terms of all layers' sums, of the largest value anywhere in the network. Quadratics may double a
/// relative error, which worst-case sums leave room for.
fn tolerance(model: &Model, trace: &[Vec<f64>]) -> f64 {
    let terms = |op: &LayerOp| match op {
        LayerOp::Conv2d(c) => c.weight.shape()[1..].iter().product::<usize>() + 1,
        LayerOp::Linear(l) => l.weight.shape()[1] + 1,
        LayerOp::AvgPool(p) => p.kernel[0] * p.kernel[1],
        LayerOp::BatchNorm { .. } | LayerOp::Activation { .. } => 4,
        LayerOp::Add { .. } => 1,
        LayerOp::Flatten | LayerOp::Branch { .. } => 0,
    };
    let count: usize = model.layers().iter().map(|l| terms(&l.op)).sum();
    let largest = trace.iter().flatten().fold(0.0_f64, |m, v| m.max(v.abs()));
    count as f64 * 2.0_f64.powi(-24) * largest
}

fn agrees(model: &Model, network: &str, what: &str) {
    let mut checked = 0;
    for (image, expected) in answers(network) {
        let trace = evaluate_traced(model, &image).unwrap();
        let allowed = tolerance(model, &trace);
        // A tolerance near the logits' own size could not fail.
        let size = expected.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
        assert!(allowed < 1e-3 * f64::from(size), "{what}: tolerance {allowed:e} for logits of {size}");
        let found = trace.last().unwrap();
        assert_eq!(found.len(), expected.len());
        for (f, e) in found.iter().zip(&expected) {
            assert!((f - f64::from(*e)).abs() <= allowed, "{what}: {f} against {e}, tolerance {allowed:e}");
            checked += 1;
        }
    }
    assert!(checked >= 12);
}

fn kinds(model: &Model) -> Vec<&str> {
    model.layers().iter().map(|l| l.op.kind()).collect()
}

fn names(model: &Model) -> Vec<&str> {
    model.layers().iter().map(|l| l.name.as_str()).collect()
}

#[test]
fn every_network_gives_pytorch_s_answers() {
    for (network, files) in [
        ("cryptonets", &["classic", "dynamo"][..]),
        ("residual", &["classic", "dynamo", "unfolded"]),
        ("grouped", &["classic", "dynamo"]),
        ("plain", &["classic", "dynamo"]),
    ] {
        for file in files {
            let name = format!("{network}.{file}.onnx");
            agrees(&import(&name).model, network, &name);
        }
    }
}

#[test]
fn element_wise_quadratics_become_single_layers() {
    for exporter in ["classic", "dynamo"] {
        let Imported { model, notes } = import(&format!("cryptonets.{exporter}.onnx"));
        assert_eq!(names(&model)[..2], ["conv", "act1"]);
        assert_eq!(kinds(&model), ["conv2d", "activation", "flatten", "linear", "activation", "linear"]);
        let coefficients = |layer: usize| match &model.layers()[layer].op {
            LayerOp::Activation { function: Activation::Polynomial(p), .. } => {
                [&p.a, &p.b, &p.c].map(|t| t.shape().to_vec())
            }
            op => panic!("{op:?}"),
        };
        assert_eq!(coefficients(1), [vec![3, 13, 13], vec![3, 13, 13], vec![3, 13, 13]]);
        assert_eq!(coefficients(4), [vec![32], vec![32], vec![32]]);
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert!(notes[0].contains("LogSoftmax") && notes[0].contains("left out"), "{notes:?}");
        assert_eq!(model.input().shape, [1, 28, 28]);
        assert_eq!((model.input().mean[0], model.input().std[0]), (0.0, 1.0));
        assert_eq!(model.name(), format!("cryptonets.{exporter}"));
    }
}

#[test]
fn shortcuts_become_branches() {
    let model = import("residual.unfolded.onnx").model;
    let layer = |name: &str| model.layers().iter().find(|l| l.name == name).unwrap_or_else(|| panic!("{name}"));
    for name in
        ["bn0", "conv", "act", "same.conv1", "same.bn1", "same.act1", "down.shortcut.0", "down.shortcut.1", "fc"]
    {
        layer(name);
    }
    assert_eq!(layer("same").op, LayerOp::Add { with: "act".into() });
    assert_eq!(layer("same.act2.branch").op, LayerOp::Branch { from: "same.act2".into() });
    assert_eq!(kinds(&model).iter().filter(|k| **k == "activation").count(), 5);
    assert_eq!(kinds(&model).iter().filter(|k| **k == "batch_norm").count(), 6);
}

#[test]
fn biases_beside_products_join_them_and_padding_need_not_be_even() {
    for exporter in ["classic", "dynamo"] {
        let model = import(&format!("plain.{exporter}.onnx")).model;
        assert_eq!(kinds(&model), ["conv2d", "activation", "flatten", "linear", "activation", "linear"], "{exporter}");
        let squares =
            model.layers().iter().filter(|l| matches!(l.op, LayerOp::Activation { function: Activation::Square, .. }));
        assert_eq!(squares.count(), 2, "the shift of the first square joins the convolution's bias");
    }
}

#[test]
fn relu_imports_as_a_teacher_and_the_rest_is_listed() {
    for exporter in ["classic", "dynamo"] {
        let model = import(&format!("teacher.{exporter}.onnx")).model;
        assert_eq!(kinds(&model), ["conv2d", "activation", "avg_pool", "flatten", "linear"]);
        let error =
            beaa_compiler::ckks::compile(&model, &beaa_compiler::ckks::Options::default()).unwrap_err().to_string();
        assert!(error.contains("relu") && error.contains("train a student"), "{error}");

        let file = data(&format!("unsupported.{exporter}.onnx"));
        let error = import_onnx(&file, &Options::default()).unwrap_err();
        let Error::Unsupported { problems, .. } = &error else { panic!("{error}") };
        let found: Vec<&str> = problems.iter().map(|p| p.kind.as_str()).collect();
        assert_eq!(found, ["Sigmoid", "MaxPool", "Tanh"], "{error}");
        for words in ["3 of its parts", "train with a quadratic", "average pooling"] {
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}

const CRYPTONETS: &str = r#"{
  "name": "cryptonets",
  "input": {"shape": [1, 28, 28], "mean": [0.1307], "std": [0.3081]},
  "classes": ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
  "layers": [
    {"name": "conv", "type": "conv2d", "stride": 2, "padding": 1},
    {"name": "act1", "type": "activation", "function": "polynomial", "range": {"min": -4, "max": 4}},
    {"name": "flatten", "type": "flatten"},
    {"name": "fc1", "type": "linear"},
    {"name": "second", "type": "activation", "function": "polynomial", "tensors": "act2"},
    {"name": "fc2", "type": "linear"}
  ]
}"#;

fn state_dict(network: &str, architecture: &str) -> Result<Imported, Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("architecture.json");
    std::fs::write(&path, architecture).unwrap();
    import_state_dict(&data(&format!("{network}.state.safetensors")), &path, &Options::default())
}

#[test]
fn state_dictionaries_give_pytorch_s_answers() {
    let model = state_dict("cryptonets", CRYPTONETS).unwrap().model;
    agrees(&model, "cryptonets", "state dictionary");
    assert_eq!(model.input().mean, [0.1307]);
    assert_eq!(model.classes().names().len(), 10);

    let text = std::fs::read_to_string(data("residual.architecture.json")).unwrap();
    agrees(&state_dict("residual", &text).unwrap().model, "residual", "state dictionary");
}

#[test]
fn whatever_does_not_fit_a_state_dictionary_is_listed_at_once() {
    let broken = CRYPTONETS.replace("\"fc1\"", "\"dense\"").replace("\"stride\": 2", "\"strides\": 2");
    let broken = broken.replace(", \"type\": \"flatten\"", "");
    let error = state_dict("cryptonets", &broken).unwrap_err().to_string();
    for words in [
        "`conv` (conv2d): unknown field `strides`",
        "`flatten` (layer): no text as `type`; use conv2d",
        "`dense.weight` (tensor): is missing",
        "`fc1.weight`",
        "`fc1.bias`",
    ] {
        assert!(error.contains(words), "no {words} in {error}");
    }
    let error = state_dict("cryptonets", &CRYPTONETS.replace("\"linear\"", "\"lstm\"")).unwrap_err().to_string();
    assert!(error.contains("`fc1` (lstm)") && error.contains("`fc2` (lstm)"), "{error}");
    assert!(state_dict("cryptonets", "{").unwrap_err().to_string().contains("docs/import.md"));
    for shape in ["18446744073709551360, 28", "4294967296, 4294967296", "0, 28"] {
        let error = state_dict("cryptonets", &CRYPTONETS.replace("28, 28", shape)).unwrap_err().to_string();
        assert!(error.contains("an input of shape [1, ") && error.contains("2^24"), "{error}");
    }
    assert!(
        state_dict("cryptonets", &CRYPTONETS.replace("28, 28", "26, 28")).unwrap_err().to_string().contains("`act1`")
    );
}
