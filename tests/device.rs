//! `beaa run --device cuda`: on a machine with a card the answers are the processor's, byte for
//! byte; on one without, the command says what is missing, writes nothing and exits with code 2.

#![cfg(feature = "command")]
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::{Command, Output};

fn beaa(folder: &Path, arguments: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_beaa"));
    command.args(arguments.split_whitespace()).current_dir(folder);
    command.env_remove("BEAA_DATA").env("HOME", folder).env("XDG_CACHE_HOME", folder).output().unwrap()
}

fn good(folder: &Path, arguments: &str) {
    let output = beaa(folder, arguments);
    assert!(output.status.success(), "`beaa {arguments}`:\n{}", String::from_utf8_lossy(&output.stderr));
}

/// Refused with exit code 2, all of `parts` in the message, and no file of answers.
fn refused(folder: &Path, arguments: &str, parts: &[&str]) {
    let output = beaa(folder, arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "`beaa {arguments}`:\n{said}");
    assert!(parts.iter().all(|part| said.contains(part)), "{parts:?} in\n{said}");
    assert!(!folder.join("card.ct").exists(), "a file of answers after `beaa {arguments}`");
}

/// On a machine with a card the same answers; otherwise refused, and what is missing is said.
fn same_or_refused(folder: &Path, run: &str) {
    good(folder, &format!("{run} -o processor.ct"));
    let on_card = beaa(folder, &format!("{run} --device cuda -o card.ct"));
    if on_card.status.success() {
        let [card, processor] = ["card.ct", "processor.ct"].map(|name| std::fs::read(folder.join(name)).unwrap());
        assert!(card == processor, "other answers on the card");
        std::fs::remove_file(folder.join("card.ct")).unwrap();
    } else {
        refused(folder, &format!("{run} --device cuda -o card.ct"), &["--device: opening a graphics card: found"]);
    }
    std::fs::remove_file(folder.join("processor.ct")).unwrap();
}

/// Programs in which each ciphertext holds one element, and such in which it holds several.
#[test]
fn a_card_gives_the_same_bytes_or_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/mnist/student.safetensors");
    let model = model.to_str().unwrap();
    std::fs::write(at.join("rows.csv"), format!("{}\n", vec!["7"; 784].join(",")).repeat(2)).unwrap();
    for (name, options) in [("element", "--packing element"), ("packed", "--batch 2 --packing channel")] {
        good(at, &format!("compile {model} -o {name}.beaa --logit-error 0.5 {options}"));
        good(at, &format!("keygen {name}.beaa --out {name} --seed 1"));
        good(
            at,
            &format!(
                "encrypt {name}.beaa --key {name}/secret.key --rows rows.csv --pixels 255 -o {name}.ct --seed 2 \
                 --insecure"
            ),
        );
        let run = format!("run {name}.beaa --keys {name}/evaluation.key --input {name}.ct --insecure");
        same_or_refused(at, &run);
        refused(at, &format!("{run} --device gpu -o card.ct"), &["found `gpu`, expected processor, cuda or cuda:N"]);
    }
}

/// Whatever computes on a card refuses one that is not there before it begins.
#[test]
fn a_card_that_is_not_there_is_refused_by_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/v2");
    let program = data.join("program.beaa");
    for command in [
        format!("verify {} --data-set mnist", program.display()),
        "bench network --quick".to_owned(),
        "serve worker --store store".to_owned(),
    ] {
        // No machine has so many.
        refused(at, &format!("{command} --device cuda:1000"), &["--device: opening a graphics card: found"]);
    }
    assert!(!at.join("store").exists(), "a store of a worker that never began");
}
