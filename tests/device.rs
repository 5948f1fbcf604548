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

#[test]
fn a_card_gives_the_same_bytes_or_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/mnist/student.safetensors");
    let model = model.to_str().unwrap();
    let run = "run p.beaa --keys k/evaluation.key --input images.ct --insecure";
    good(at, &format!("compile {model} -o p.beaa --logit-error 0.5 --packing element"));
    good(at, "keygen p.beaa --out k --seed 1");
    std::fs::write(at.join("rows.csv"), format!("{}\n", vec!["7"; 784].join(",")).repeat(2)).unwrap();
    good(at, "encrypt p.beaa --key k/secret.key --rows rows.csv --pixels 255 -o images.ct --seed 2 --insecure");
    good(at, &format!("{run} -o processor.ct"));
    let on_card = beaa(at, &format!("{run} --device cuda -o card.ct"));
    if on_card.status.success() {
        assert!(std::fs::read(at.join("card.ct")).unwrap() == std::fs::read(at.join("processor.ct")).unwrap());
        std::fs::remove_file(at.join("card.ct")).unwrap();
    } else {
        refused(at, &format!("{run} --device cuda -o card.ct"), &["--device: opening a graphics card: found"]);
    }
    refused(at, &format!("{run} --device gpu -o card.ct"), &["found `gpu`, expected processor, cuda or cuda:N"]);
    // What only the processor does is refused before any driver is looked for.
    good(at, &format!("compile {model} -o packed.beaa --logit-error 0.5 --batch 1 --packing channel"));
    refused(
        at,
        "run packed.beaa --keys k/evaluation.key --input images.ct --device cuda -o card.ct",
        &["--device: ", "a program that rotates packed elements", "without `--device`"],
    );
}
