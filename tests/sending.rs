//! What travels between client and server: pixels that are read, keys that are used, answers in as
//! few bits as they need, in as many batches of a small ring as it takes.

#![cfg(feature = "command")]
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::{Command, Output};

use beaa::{ImageMajor, Program, Signature, Split, open_dataset, pixels};
use beaa_ir::{
    Activation, InputSpec, Layer, LayerOp, Linear, ModelLiteral, Polynomial, Provenance, Range, Tensor, save_model,
};
use serde_json::Value;

/// Rows and columns of the picture that the network reads: the others have zero weights.
const READ: std::ops::Range<usize> = 7..21;

fn beaa(folder: &Path, arguments: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_beaa"));
    command.args(arguments.split_whitespace()).current_dir(folder);
    command.env_remove("BEAA_DATA").env("HOME", folder).env("XDG_CACHE_HOME", folder).output().unwrap()
}

fn good(folder: &Path, arguments: &str) -> String {
    let output = beaa(folder, arguments);
    assert!(output.status.success(), "`beaa {arguments}`:\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn json(folder: &Path, arguments: &str) -> Value {
    serde_json::from_str(&good(folder, &format!("{arguments} --json"))).unwrap()
}

/// Every image whose outputs, in clear, are apart by ten times the error that was asked for has the
/// class that they say.
fn expect_classes(clear: &ImageMajor<f64>, error: f64, predicted: impl Fn(usize) -> usize) {
    let mut compared = 0;
    for (image, logits) in clear.rows().enumerate().filter(|(_, l)| (l[1] - l[0]).abs() > 10.0 * error) {
        assert_eq!(predicted(image), usize::from(logits[1] > logits[0]), "image {image}: {logits:?}");
        compared += 1;
    }
    assert!(compared > 1000, "{compared} images are clear");
}

/// A network of one hidden layer on X-rays that reads the middle of the picture alone.
fn middle_reader(path: &Path) {
    let (hidden, side) = (8, 28);
    let weight = |i: usize| {
        let (row, column) = (i / side % side, i % side);
        let inside = READ.contains(&row) && READ.contains(&column);
        if inside { ((i * 7919 % 97) as f32 / 97.0 - 0.5) * 0.02 } else { 0.0 }
    };
    let tensor = |shape: &[usize], data: Vec<f32>| Tensor::new(shape.to_vec(), data).unwrap();
    let constant = |value: f32| tensor(&[hidden], vec![value; hidden]);
    let fc1 = tensor(&[hidden, side * side], (0..hidden * side * side).map(weight).collect());
    let fc2 = tensor(&[2, hidden], (0..2 * hidden).map(|i| if i % 3 == 0 { 0.8 } else { -0.4 }).collect());
    let function = Activation::Polynomial(Polynomial { a: constant(0.5), b: constant(0.25), c: constant(0.1) });
    let linear = |weight, bias| LayerOp::Linear(Linear { weight, bias: Some(bias) });
    let layer = |name: &str, op| Layer { name: name.into(), op };
    let model = ModelLiteral {
        name: "middle".into(),
        input: InputSpec::pixels([1, side, side], vec![0.5], vec![0.25]),
        classes: vec!["normal".into(), "pneumonia".into()],
        threshold: None,
        layers: vec![
            layer("flat", LayerOp::Flatten),
            layer("fc1", linear(fc1, constant(1.0))),
            layer("act", LayerOp::Activation { function, range: Some(Range { min: -5.0, max: 5.0 }) }),
            layer("fc2", linear(fc2, tensor(&[2], vec![0.0, 0.0]))),
        ],
        accuracy: None,
        provenance: Provenance::default(),
    };
    save_model(&model.try_into().unwrap(), path).unwrap();
}

#[test]
fn more_images_than_slots_are_several_batches_of_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    middle_reader(&at.join("m.safetensors"));
    good(at, "compile m.safetensors -o p.beaa --logit-error 0.002 --samples pneumoniamnist");
    good(at, "keygen p.beaa.signature --out keys");
    let encrypt = "encrypt p.beaa.signature --key keys/secret.key --data-set pneumoniamnist --split train";
    let sent = json(at, &format!("{encrypt} -o all.ct --labels all.json"));
    assert_eq!((&sent["images"], &sent["batches"], &sent["slots"]), (&4708.into(), &2.into(), &4096.into()));
    let ran = beaa(at, "run p.beaa --input all.ct -o all.out --report run.json");
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(ran.status.success() && said.contains("run, batch 2 of 2"), "{said}");
    let report: Value = serde_json::from_str(&std::fs::read_to_string(at.join("run.json")).unwrap()).unwrap();
    assert_eq!((&report["batches"], &report["images"]), (&2.into(), &4708.into()));

    // All answers, in the order of the images.
    let decrypt = "decrypt p.beaa.signature --key keys/secret.key --input";
    let answers = json(at, &format!("{decrypt} all.out --labels all.json"));
    let predicted = |i: usize| answers["images"][i]["prediction"].as_u64().unwrap() as usize;
    let program = Program::load(at.join("p.beaa")).unwrap();
    let images = open_dataset("pneumoniamnist", &[]).unwrap().split(Split::Train).clone();
    let images = program.signature().normalise(&pixels(&images).unwrap()).unwrap();
    let clear = program.evaluate(&images).unwrap();
    assert_eq!(answers["images"].as_array().unwrap().len(), 4708);
    expect_classes(&clear, 0.002, predicted);

    // One receipt is that of all batches, and of no others.
    good(at, &format!("{encrypt} -o few.ct --limit 60"));
    good(at, "run p.beaa --input few.ct -o few.out");
    good(at, &format!("{decrypt} few.out"));
    let refused = beaa(at, &format!("{decrypt} few.out --receipt all.ct.receipt"));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        refused.status.code() == Some(3) && said.contains("the answers name 1 batch, expected 2 batches"),
        "{said}"
    );
    assert!(good(at, "inspect all.ct.receipt").contains("batch 2 of 2: 2354 images and 1742 copies"));
}

#[test]
fn what_is_not_read_or_not_needed_is_not_sent() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    middle_reader(&at.join("m.safetensors"));
    good(at, "compile m.safetensors -o p.beaa --batch 2000 --logit-error 0.005 --samples pneumoniamnist");
    let signature = &json(at, "inspect p.beaa")["signature"];
    let read = READ.len() * READ.len();
    assert_eq!(Signature::load(at.join("p.beaa.signature")).unwrap().elements_read(), read);
    assert!(good(at, "inspect p.beaa").contains(&format!("{read} of 784 elements are read and sent")));
    // As many bits as the smallest ring is secure with.
    let parameters = &signature["parameters"];
    assert_eq!(parameters["degree"], 2048, "{parameters}");
    assert_eq!(signature["switches_keys"], false);

    // One square takes no evaluation key: none is made, and none is asked for.
    let said = good(at, "keygen p.beaa.signature --out keys --public shared");
    assert!(said.contains("switches no keys") && at.join("keys/secret.key").exists(), "{said}");
    assert!(!at.join("keys/evaluation.key").exists() && !at.join("shared").exists());
    let set = "--data-set pneumoniamnist --split train";
    let sent = json(at, &format!("encrypt p.beaa.signature --key keys/secret.key -o images.ct {set}"));
    assert_eq!((&sent["images"], &sent["batches"], &sent["slots"]), (&4708.into(), &3.into(), &2048.into()));
    assert!(sent["bytes"].as_u64().unwrap() <= (3 * read * 2048 * 53 / 8 + 4096) as u64, "{sent}");
    assert!(sent["seconds"].as_f64().unwrap() > 0.0);
    good(at, "run p.beaa --input images.ct -o answers.ct");
    let unused = beaa(at, "run p.beaa --keys nowhere --input images.ct -o again.ct");
    assert!(unused.status.success() && String::from_utf8_lossy(&unused.stderr).contains("--keys is not read"));

    // Plain labels, one a line, in the order of the images, as the program in clear says.
    let decrypt = "decrypt p.beaa.signature --key keys/secret.key --input answers.ct";
    assert_eq!(good(at, &format!("{decrypt} -o labels.txt --format labels")), "");
    let labels = std::fs::read_to_string(at.join("labels.txt")).unwrap();
    let labels: Vec<usize> = labels.lines().map(|l| l.parse().unwrap()).collect();
    let program = Program::load(at.join("p.beaa")).unwrap();
    let images = open_dataset("pneumoniamnist", &[]).unwrap().split(Split::Train).clone();
    let images = program.signature().normalise(&pixels(&images).unwrap()).unwrap();
    let clear = program.evaluate(&images).unwrap();
    assert_eq!(labels.len(), 4708);
    expect_classes(&clear, 0.005, |image| labels[image]);
    // A table of answers replaces another, and nothing else: bare numbers may be anybody's.
    assert_eq!(beaa(at, &format!("{decrypt} -o labels.txt")).status.code(), Some(2));
    good(at, &format!("{decrypt} -o labels.txt --force"));
    good(at, &format!("{decrypt} -o labels.txt"));
    assert!(std::fs::read_to_string(at.join("labels.txt")).unwrap().starts_with("image,prediction,class\n0,"));
    std::fs::write(at.join("notes"), "mine").unwrap();
    assert_eq!(beaa(at, &format!("{decrypt} -o notes")).status.code(), Some(2));
    assert_eq!(std::fs::read_to_string(at.join("notes")).unwrap(), "mine");
}

#[test]
fn answers_are_sent_in_fewer_bits_than_they_are_computed_in() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    middle_reader(&at.join("m.safetensors"));
    // Precise enough for more than one prime.
    good(at, "compile m.safetensors -o p.beaa --logit-error 2^-16 --samples pneumoniamnist");
    let signature = &json(at, "inspect p.beaa")["signature"];
    let limbs = |name: &str| signature[name].as_u64().unwrap();
    assert!(limbs("input_limbs") > limbs("output_limbs"), "{signature}");
    assert!(good(at, "inspect p.beaa --why").contains("more to send in answers"));
    // What is promised covers it.
    let verified = json(at, "verify p.beaa --data-set pneumoniamnist --limit 100");
    assert_eq!(verified["verification"]["holds"], true, "{verified}");
    good(at, "keygen p.beaa.signature --out keys");
    good(at, "encrypt p.beaa.signature --key keys/secret.key -o in.ct --data-set pneumoniamnist --limit 300");
    good(at, "run p.beaa --input in.ct -o out.ct");
    let answers = json(at, "decrypt p.beaa.signature --key keys/secret.key --input out.ct");
    assert_eq!((&answers["outside"], answers["images"].as_array().unwrap().len()), (&0.into(), 300));
}
