//! What an installation wants of the command: completions and manual pages.
#![cfg(feature = "command")]
#![allow(clippy::unwrap_used)]

use std::process::{Command, Output};

fn beaa(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_beaa")).args(arguments).output().unwrap()
}

/// stdout of a command that must succeed.
fn good(arguments: &[&str]) -> String {
    let output = beaa(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A command that must fail with exit code 2, saying `words`.
fn bad(words: &[&str], arguments: &[&str]) {
    let output = beaa(arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && words.iter().all(|word| said.contains(word)), "{arguments:?}: {said}");
}

#[test]
fn every_subcommand_has_a_manual_page() {
    let whole = good(&["man"]);
    assert!(whole.contains(".TH beaa 1") && whole.contains("SUBCOMMANDS"), "{whole}");
    let page = good(&["man", "run"]);
    assert!(page.contains("beaa\\-run") && page.contains("evaluation key"), "{page}");
    bad(&["found `walk`", "beaa help"], &["man", "walk"]);
}

#[test]
fn completions_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = good(&["completions", shell]);
        assert!(script.contains("keygen"), "{shell}");
    }
    bad(&["possible values"], &["completions", "cmd"]);
}
