//! What a class is, as a user sees it: a single score with its threshold, labels by name, and the
//! figures beside an accuracy.

#![cfg(feature = "command")]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use beaa_ir::{
    Activation, InputSpec, Layer, LayerOp, Linear, Model, ModelLiteral, Provenance, Tensor, load_model, save_model,
};
use serde_json::{Value, json};

/// Images of 2 x 2 pixels.
const PIXELS: usize = 4;

fn beaa(arguments: &[&str]) -> Output {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("no_home");
    let mut command = Command::new(env!("CARGO_BIN_EXE_beaa"));
    command.env_remove("BEAA_DATA").env("HOME", &home).env("XDG_CACHE_HOME", &home);
    command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap()
}

/// stdout as JSON and stderr of a command that must succeed.
fn good(arguments: &[&str]) -> (Value, String) {
    let output = beaa(&[arguments, &["--json"]].concat());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}");
    (serde_json::from_slice(&output.stdout).unwrap(), said)
}

/// stdout of a command that must succeed.
fn printed(arguments: &[&str]) -> String {
    let output = beaa(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn refused(arguments: &[&str], words: &[&str]) {
    let output = beaa(arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{arguments:?}: {said}");
    words.iter().for_each(|word| assert!(said.contains(word), "{arguments:?}: no {word:?} in {said}"));
}

fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("classes").join(name);
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|&n| n.to_owned()).collect()
}

/// Mean brightness m of an image, 0..1, squared, and from that `rows` of weight and bias.
fn brightness(path: &Path, classes: &[&str], threshold: Option<f64>, rows: &[(f32, f32)]) -> Model {
    let linear = |name: &str, inputs: usize, rows: &[(f32, f32)]| {
        let weight = rows.iter().flat_map(|r| vec![r.0; inputs]).collect();
        let weight = Tensor::new(vec![rows.len(), inputs], weight).unwrap();
        let bias = Some(Tensor::new(vec![rows.len()], rows.iter().map(|r| r.1).collect()).unwrap());
        Layer { name: name.into(), op: LayerOp::Linear(Linear { weight, bias }) }
    };
    let literal = ModelLiteral {
        name: "brightness".into(),
        input: InputSpec::pixels([1, 2, 2], vec![0.0], vec![1.0]),
        classes: names(classes),
        threshold,
        layers: vec![
            Layer { name: "flatten".into(), op: LayerOp::Flatten },
            linear("mean", PIXELS, &[(1.0 / PIXELS as f32, 0.0)]),
            Layer { name: "square".into(), op: LayerOp::Activation { function: Activation::Square, range: None } },
            linear("out", 1, rows),
        ],
        accuracy: None,
        provenance: Provenance::default(),
    };
    let model = Model::try_from(literal).unwrap();
    save_model(&model, path).unwrap();
    model
}

/// A data set in which label `i` has `counts[i]` images, all pixels `levels[i]`. Returns its
/// description.
fn data_set(folder: &Path, classes: Option<&[&str]>, levels: &[u8], counts: &[usize]) -> String {
    let labels: Vec<u8> = counts.iter().enumerate().flat_map(|(label, &n)| vec![label as u8; n]).collect();
    let pixels: Vec<u8> = labels.iter().flat_map(|&label| [levels[usize::from(label)]; PIXELS]).collect();
    let idx = |sides: &[u32], data: &[u8]| {
        let mut bytes = vec![0, 0, 8, sides.len() as u8];
        sides.iter().for_each(|side| bytes.extend(side.to_be_bytes()));
        bytes.extend(data);
        bytes
    };
    let (images, truth) = (folder.join("images.idx"), folder.join("labels.idx"));
    let n = labels.len() as u32;
    std::fs::write(&images, idx(&[n, 2, 2], &pixels)).unwrap();
    std::fs::write(&truth, idx(&[n], &labels)).unwrap();
    let pair = json!({"images": images, "labels": truth});
    let mut files = json!({"train": pair, "test": pair});
    if let Some(classes) = classes {
        files["classes"] = json!(classes);
    }
    json!({"idx": files, "validation": 0}).to_string()
}

const DARK: u8 = 51;
const BRIGHT: u8 = 204;
/// 0.2 and 0.8 squared are 0.04 and 0.64.
const TWO: [(f32, f32); 2] = [(1.0, 0.0), (0.0, 0.34)];

#[test]
fn labels_are_matched_by_name() {
    let at = folder("names");
    let model = at.join("m.safetensors");
    let set = data_set(&at, Some(&["ant", "zebra"]), &[DARK, BRIGHT], &[20, 20]);
    let eval = ["eval", text(&model), "--data-set", &set];
    brightness(&model, &["zebra", "ant"], None, &TWO);
    let (found, said) = good(&eval);
    assert_eq!((&found["accuracy"], &found["auc"]), (&json!(1.0), &json!(1.0)), "{said}");
    assert!(!said.contains("number"), "{said}");
    // The same data set in the other order, of a program and of the model.
    let program = at.join("p.beaa");
    good(&["compile", text(&model), "-o", text(&program), "--batch", "64"]);
    let other = folder("names-other");
    let turned = data_set(&other, Some(&["zebra", "ant"]), &[BRIGHT, DARK], &[20, 20]);
    let (found, _) = good(&["eval", text(&model), "--data-set", &turned, "--program", text(&program)]);
    assert_eq!((&found["accuracy"], &found["program"]["accuracy"]), (&json!(1.0), &json!(1.0)));
    assert_eq!(found["program"]["agreement"], 1.0);

    let cats = data_set(&folder("names-cats"), Some(&["cat", "dog"]), &[DARK, BRIGHT], &[9, 9]);
    refused(&["eval", text(&model), "--data-set", &cats], &["cat, dog", "zebra, ant", "--classes"]);
    let case = data_set(&folder("names-case"), Some(&["Ant", "zebra"]), &[DARK, BRIGHT], &[9, 9]);
    refused(&["eval", text(&model), "--data-set", &case], &["`Ant` and `ant`", "different names"]);
    let three = data_set(&folder("names-three"), None, &[DARK, BRIGHT, 9], &[9, 9, 9]);
    refused(&["eval", text(&model), "--data-set", &three], &["found the label 2 among 2 classes", "0 is zebra"]);

    // Without names on one side, numbers count, and that is said.
    let plain = data_set(&folder("names-plain"), None, &[BRIGHT, DARK], &[20, 20]);
    let (found, said) = good(&["eval", text(&model), "--data-set", &plain]);
    assert_eq!(found["accuracy"], 1.0);
    assert!(said.contains("by number: 0 is zebra, 1 is ant"), "{said}");
    brightness(&model, &[], None, &TWO);
    let (found, said) = good(&eval);
    assert_eq!(found["accuracy"], 0.0);
    assert!(said.contains("the network does not name its classes") && said.contains("0 is ant"), "{said}");
}

#[test]
fn names_cannot_act_as_commands() {
    let at = folder("commands");
    let model = at.join("m.safetensors");
    brightness(&model, &["zebra", "ant"], None, &TWO);
    for (name, shown, words) in [
        ("\u{1b}[2J", "\\u001b[2J", "control characters"),
        ("\u{202e}x", "\\u202ex", "control characters"),
        ("=HYPERLINK(1)", "(=HYPERLINK(1))", "spreadsheets"),
    ] {
        let set = data_set(&at, Some(&["ant", name]), &[DARK, BRIGHT], &[20, 20]);
        refused(&["eval", text(&model), "--data-set", &set], &[shown, words, "rename the class"]);
    }
    // Nor does anything else of what others wrote.
    let missing = at.join("\u{1b}[31m.beaa");
    let output = beaa(&["inspect", text(&missing)]);
    assert!(!output.stderr.contains(&0x1b) && output.stderr.windows(6).any(|w| w == b"\\u001b"));
}

#[test]
fn a_program_of_another_model_is_no_comparison() {
    let at = folder("program");
    let (one, other, program) = (at.join("one.safetensors"), at.join("other.safetensors"), at.join("p.beaa"));
    brightness(&one, &["zebra", "ant"], None, &TWO);
    brightness(&other, &["ant", "zebra"], None, &TWO);
    good(&["compile", text(&one), "-o", text(&program), "--batch", "64"]);
    let set = data_set(&at, Some(&["ant", "zebra"]), &[DARK, BRIGHT], &[20, 20]);
    let words = ["comparing a program with its model", "(zebra, ant)", "(ant, zebra)"];
    refused(&["eval", text(&other), "--program", text(&program), "--data-set", &set], &words);
}

#[test]
fn one_output_is_a_score_with_a_threshold_and_two_names() {
    let at = folder("score");
    let model = at.join("m.safetensors");
    // The score is m^2: 0.04 for dark images, 0.64 for bright ones.
    brightness(&model, &["healthy", "ill"], Some(0.3), &[(1.0, 0.0)]);
    assert_eq!(load_model(&model).unwrap().classes().threshold(), Some(0.3));
    assert!(printed(&["inspect", text(&model)]).contains("ill where the score is above 0.3, else healthy"));
    let set = data_set(&at, Some(&["ill", "healthy"]), &[BRIGHT, DARK], &[24, 72]);
    let (found, _) = good(&["eval", text(&model), "--data-set", &set]);
    assert_eq!((&found["accuracy"], &found["confusion"]), (&json!(1.0), &json!([[72, 0], [0, 24]])));

    let (program, keys) = (at.join("p.beaa"), at.join("keys"));
    let compile = ["compile", text(&model), "-o", text(&program), "--batch", "96", "--samples", &set];
    // An agreement is a promise about the distance of scores from the threshold.
    good(&[&compile[..], &["--agreement", "0.98"]].concat());
    good(&[&compile[..], &["--logit-error", "2^-8"]].concat());
    let signature = at.join("p.beaa.signature");
    let key = keys.join("secret.key");
    good(&["keygen", text(&signature), "--out", text(&keys)]);
    let (images, answers) = (at.join("images.ct"), at.join("answers.ct"));
    let labels = at.join("labels.json");
    let encrypt = ["encrypt", text(&signature), "--key", text(&key), "--data-set", &set, "-o", text(&images)];
    good(&[&encrypt[..], &["--labels", text(&labels)]].concat());
    // One square: no keys are switched.
    assert!(!keys.join("evaluation.key").exists());
    good(&["run", text(&program), "--input", text(&images), "-o", text(&answers)]);
    let csv = printed(&["decrypt", text(&signature), "--key", text(&key), "--input", text(&answers)]);
    let count = |what: &str| csv.lines().filter(|line| line.contains(what)).count();
    assert_eq!((count(",1,ill"), count(",0,healthy")), (24, 72), "{csv}");
    // The labels file names the classes, which the data set has in the other order.
    let decrypt = ["decrypt", text(&signature), "--key", text(&key), "--input", text(&answers)];
    let (found, _) = good(&[&decrypt[..], &["--labels", text(&labels)]].concat());
    assert_eq!((&found["accuracy"], &found["figures"]["confusion"]), (&json!(1.0), &json!([[72, 0], [0, 24]])));
    assert_eq!(found["images"][0]["label"], found["images"][0]["prediction"]);
    let (found, _) = good(&["verify", text(&program), "--data-set", &set]);
    assert_eq!(found["verification"]["agreeing"], 96);

    // The same model with the threshold above all scores: nobody is ill any more.
    brightness(&model, &["healthy", "ill"], Some(0.7), &[(1.0, 0.0)]);
    let (found, _) = good(&["eval", text(&model), "--data-set", &set]);
    assert_eq!(
        (&found["accuracy"], &found["balanced_accuracy"], &found["auc"]),
        (&json!(0.75), &json!(0.5), &json!(1.0))
    );
    refused(
        &["eval", text(&model), "--program", text(&program), "--data-set", &set],
        &["threshold 0.7", "threshold 0.3"],
    );
}

#[test]
#[cfg(feature = "tfhe")]
fn a_score_is_looked_up_with_its_threshold() {
    let at = folder("score-tfhe");
    let (model, program) = (at.join("m.safetensors"), at.join("p.tfhe"));
    brightness(&model, &["healthy", "ill"], Some(0.3), &[(1.0, 0.0)]);
    let set = data_set(&at, Some(&["healthy", "ill"]), &[DARK, BRIGHT], &[150, 150]);
    good(&["compile", text(&model), "--backend", "tfhe", "--samples", &set, "-o", text(&program)]);
    let (found, _) = good(&["eval", text(&model), "--program", text(&program), "--data-set", &set]);
    assert_eq!((&found["accuracy"], &found["program"]["accuracy"]), (&json!(1.0), &json!(1.0)));
    assert_eq!(found["program"]["agreement"], 1.0);
}

#[test]
fn an_accuracy_that_the_largest_class_explains_is_named() {
    let at = folder("majority");
    let model = at.join("m.safetensors");
    // Always healthy.
    brightness(&model, &["healthy", "ill"], None, &[(0.0, 1.0), (1.0, 0.0)]);
    let set = data_set(&at, Some(&["healthy", "ill"]), &[DARK, BRIGHT], &[192, 8]);
    let said = printed(&["eval", text(&model), "--data-set", &set]);
    for words in [
        "96.00 % on 200 test images",
        "balanced accuracy 50.00 %, AUC 1.0000; always answering `healthy`: 96.00 %",
        "does not exceed that of always answering `healthy`",
        "few images of `ill` (8)",
    ] {
        assert!(said.contains(words), "no {words:?} in {said}");
    }
    let (found, _) = good(&["eval", text(&model), "--data-set", &set]);
    assert_eq!((&found["classes"][1]["recall"], &found["majority_share"]), (&json!(0.0), &json!(0.96)));
    assert_eq!(found["remarks"].as_array().unwrap().len(), 2);
}
