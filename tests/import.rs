//! `beaa import` as a user sees it: a network exported by PyTorch becomes a model, a program, an
//! answer; what cannot be imported is listed.

#![cfg(feature = "command")]
#![allow(clippy::unwrap_used, clippy::panic)]

mod kit;

use kit::{bad, folder, good, text};

const DATA: &str = "tests/data/import";

#[test]
fn an_onnx_file_becomes_a_program_that_verifies() {
    let folder = folder("import/program");
    let (model, program) = (folder.join("cryptonets.safetensors"), folder.join("cryptonets.beaa"));
    let (model, program) = (text(&model), text(&program));
    let network = format!("{DATA}/cryptonets.dynamo.onnx");
    let normalised = ["--mean", "0.5", "--std", "0.25", "--name", "imported"];
    let samples = ["--samples", "pneumoniamnist", "--limit", "200"];
    let record = good(&[&["import", &network, "-o", model][..], &normalised, &samples].concat());
    assert_eq!((&record["outputs"], &record["ranges"], &record["activations"]), (&10.into(), &2.into(), &2.into()));
    assert!(record["notes"].as_array().unwrap().iter().any(|n| n.as_str().unwrap().contains("LogSoftmax")));
    assert_eq!(good(&["inspect", model])["name"], "imported");
    good(&["compile", model, "-o", program, "--batch", "64"]);
    let data = ["--data-set", "pneumoniamnist", "--limit", "16"];
    good(&[&["verify", program][..], &data].concat());
}

#[test]
fn without_samples_the_command_says_what_follows() {
    let model = folder("import/plain").join("m.safetensors");
    let record = good(&["import", &format!("{DATA}/grouped.classic.onnx"), "-o", text(&model)]);
    let notes = record["notes"].to_string();
    assert!(notes.contains("interval arithmetic") && notes.contains("--mean"), "{notes}");
    assert_eq!(record["ranges"], 0);
}

#[test]
fn a_state_dictionary_needs_its_architecture() {
    let (network, model) =
        (format!("{DATA}/residual.state.safetensors"), folder("import/residual").join("m.safetensors"));
    let import = ["import", &network, "-o", text(&model)];
    bad(2, &["--architecture"], &import);
    let record = good(&[&import[..], &["--architecture", &format!("{DATA}/residual.architecture.json")]].concat());
    assert_eq!(record["outputs"], 5);
    bad(3, &["no architecture"], &["compile", &network, "-o", "/dev/null"]);
}

#[test]
fn what_cannot_be_imported_is_listed_with_remedies() {
    let never = folder("import/never").join("m.safetensors");
    let out = text(&never);
    let network = format!("{DATA}/unsupported.classic.onnx");
    let words = ["3 of its parts", "`/Sigmoid` (Sigmoid)", "`/MaxPool` (MaxPool)", "`/Tanh` (Tanh)", "average pooling"];
    bad(3, &words, &["import", &network, "-o", out]);
    bad(3, &["beaa import"], &["compile", &network, "-o", out]);
    bad(3, &["nowhere.onnx"], &["import", "nowhere.onnx", "-o", out]);
    bad(3, &["as many numbers"], &["import", &format!("{DATA}/operators/vector.onnx"), "-o", out, "--shape", "1x2x4"]);
    assert!(!never.exists());
}

#[test]
fn one_score_has_two_names_and_a_threshold() {
    let model = folder("import/score").join("m.safetensors");
    let model = text(&model);
    let network = format!("{DATA}/networks/keras_sigmoid.onnx");
    let import = ["import", &network, "-o", model];
    let record = good(&[&import[..], &["--classes", "healthy,ill", "--threshold", "0.2"]].concat());
    assert_eq!((&record["outputs"], &record["classes"][1]), (&1.into(), &"ill".into()));
    assert!((record["threshold"].as_f64().unwrap() + 4.0_f64.ln()).abs() < 1e-12, "{record}");
    assert!(record["notes"].to_string().contains("Sigmoid"), "{record}");
    bad(3, &["1 class name (ill) for one output", "healthy,ill"], &[&import[..], &["--classes", "ill"]].concat());
    bad(3, &["between 0 and 1"], &[&import[..], &["--threshold", "7"]].concat());
}

#[test]
fn a_network_of_labels_and_probabilities_needs_no_choice_but_a_wrong_one_is_told_the_names() {
    let model = folder("import/labels").join("m.safetensors");
    let network = format!("{DATA}/networks/sklearn_zipmap.onnx");
    let import = ["import", &network, "-o", text(&model), "--shape", "12x1x1"];
    let record = good(&import);
    assert_eq!(record["classes"], serde_json::json!(["healthy", "ill", "unsure"]));
    bad(
        3,
        &["no output `scores`", "`output_label`, `output_probability`"],
        &[&import[..], &["--output", "scores"]].concat(),
    );
}
