//! Few images the whole way through the command: packed programs, their keys, batches and answers.
#![cfg(feature = "command")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[allow(dead_code, reason = "shared")]
mod kit;

use kit::{bad, folder, good, text};

#[test]
fn few_images_are_packed_and_answered_as_in_clear() {
    let root = folder("packing");
    let at = |name: &str| root.join(name).to_str().unwrap().to_owned();
    let [run, model] = ["run", "run/student.safetensors"].map(at);
    good(&["train", "configs/tiny.json", "--out", &run]);
    let [element, packed] = ["element.beaa", "packed.beaa"].map(at);
    good(&["compile", &model, "-o", &element, "--batch", "4", "--packing", "element"]);
    let report = good(&["compile", &model, "-o", &packed, "--batch", "4", "--packing", "auto"]);
    let totals = &report["report"]["totals"];
    let images = totals["images"].as_u64().unwrap();
    assert!(images < totals["degree"].as_u64().unwrap(), "{report}");
    assert!(totals["rotations"].as_u64().unwrap() > 0);

    let [keys, secret, evaluation] = ["keys", "keys/secret.key", "keys/evaluation.key"].map(at);
    good(&["keygen", &packed, "--out", &keys]);
    // More images than one batch holds.
    let limit = (images + 2).to_string();
    let [input, output, labels] = ["input.ct", "output.ct", "labels.json"].map(at);
    let set = ["--data-set", "pneumoniamnist", "--limit", &limit];
    good(&[&["encrypt", &packed, "--key", &secret, "-o", &input, "--labels", &labels], &set[..]].concat());
    good(&["run", &packed, "--keys", &evaluation, "--input", &input, "-o", &output]);
    let answers = good(&["decrypt", &packed, "--key", &secret, "--input", &output, "--labels", &labels]);
    assert_eq!(answers["images"].as_array().unwrap().len() as u64, images + 2);
    let clear = good(&[&["eval", &model, "--program", &element], &["--limit", &limit][..]].concat());
    assert_eq!(answers["accuracy"], clear["program"]["accuracy"]);
    let verified = good(&["verify", &packed, "--data-set", "pneumoniamnist", "--limit", "3"]);
    assert_eq!(verified["verification"]["holds"], true, "{verified}");

    // Keys of a program without rotations, and packings that there are not.
    let [other, theirs] = ["other", "other/evaluation.key"].map(at);
    good(&["keygen", &element, "--out", &other]);
    bad(3, &["expected"], &["run", &packed, "--keys", &theirs, "--input", &input, "-o", &at("none.ct")]);
    bad(2, &["block:S"], &["compile", &model, "-o", &at("none.beaa"), "--packing", "block:3"]);
    assert!(!root.join("none.ct").exists() && text(&root).contains("packing"));
}
