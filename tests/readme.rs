//! README.md is true: every command in it runs as printed, and what it points to exists.

#![cfg(feature = "command")]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The lines of all `sh` blocks.
fn commands(page: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root().join(page)).unwrap();
    let blocks = text.split("```sh\n").skip(1).map(|b| b.split("```").next().unwrap());
    blocks.flat_map(|b| b.lines().map(str::to_string)).filter(|l| !l.is_empty()).collect()
}

/// A fresh folder that looks like the repository to commands that read its configurations.
fn workplace() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("configs")).unwrap();
    for entry in std::fs::read_dir(root().join("configs")).unwrap().map(|e| e.unwrap()) {
        if entry.path().is_file() {
            std::fs::copy(entry.path(), folder.path().join("configs").join(entry.file_name())).unwrap();
        }
    }
    let matrix = "configs/experiments/tiny.json";
    std::fs::create_dir(folder.path().join("configs/experiments")).unwrap();
    std::fs::copy(root().join(matrix), folder.path().join(matrix)).unwrap();
    folder
}

fn beaa(folder: &Path, arguments: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_beaa"))
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .env_remove("BEAA_DATA")
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "`beaa {arguments}` failed:\n{errors}");
    String::from_utf8(output.stdout).unwrap() + &errors
}

#[test]
fn every_command_runs_as_printed() {
    let folder = workplace();
    let mut seen = 0;
    for command in commands("README.md") {
        seen += 1;
        if command == "cargo test --release" {
            // This very run; that CI calls it is all that is left to check.
            let ci = std::fs::read_to_string(root().join(".ci/run")).unwrap();
            assert!(ci.contains(&command), "CI runs the README's test command");
            continue;
        }
        let arguments = command.strip_prefix("cargo run --release -- ").or_else(|| command.strip_prefix("beaa "));
        let arguments = arguments.unwrap_or_else(|| panic!("`{command}` is not tested"));
        let output = beaa(folder.path(), arguments);
        match arguments.split_whitespace().next().unwrap() {
            "demo" => {
                assert!(output.contains("student encrypted") && output.contains("128 bits"), "{output}");
                assert!(folder.path().join("runs/demo/report.html").is_file());
            }
            "decrypt" => assert!(accuracy(&output) > 80.0, "{output}"),
            _ => {}
        }
    }
    assert!(seen >= 10, "only {seen} commands found");
}

/// The percentage in "NN.NN % of N images right".
fn accuracy(output: &str) -> f64 {
    let line =
        output.lines().find(|l| l.ends_with("images right")).unwrap_or_else(|| panic!("no accuracy in {output}"));
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn every_page_that_is_pointed_to_exists() {
    for page in [
        "README.md",
        "ARCHITECTURE.md",
        "docs/security.md",
        "docs/model-format.md",
        "docs/import.md",
        "docs/mnist.md",
        "docs/experiments.md",
    ] {
        let text = std::fs::read_to_string(root().join(page)).unwrap_or_else(|_| panic!("{page} is missing"));
        let folder = root().join(page).parent().unwrap().to_path_buf();
        for target in text.split("](").skip(1).filter_map(|t| t.split(')').next()).filter(|t| !t.starts_with("http")) {
            assert!(folder.join(target).exists(), "{page} points to {target}");
        }
        assert!(!text.contains('@') || page != "README.md", "README.md still has a gap to fill");
    }
}

/// Needs the MNIST files and ten to fifteen minutes:
/// `BEAA_DATA=folder cargo test --release --test readme -- --ignored`.
#[test]
#[ignore = "trains on MNIST for some minutes; needs BEAA_DATA"]
fn every_command_of_the_mnist_page_runs_as_printed() {
    let data = std::env::var("BEAA_DATA").unwrap();
    let folder = workplace();
    let mut accuracies = Vec::new();
    for command in commands("docs/mnist.md") {
        let arguments = command.strip_prefix("beaa ").unwrap_or_else(|| panic!("`{command}` is not tested"));
        let arguments = arguments.replace("--data DIR", &format!("--data {data}"));
        let output = beaa(folder.path(), &arguments);
        if arguments.starts_with("decrypt") {
            accuracies.push(accuracy(&output));
        }
    }
    assert_eq!(accuracies.len(), 3);
    assert!(accuracies[1..].iter().all(|a| *a >= 99.2), "{accuracies:?}");
}
