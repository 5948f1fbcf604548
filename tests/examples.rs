//! The programs in examples/ run and say what they should.
#![cfg(feature = "train")]
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::process::Command;

/// What the example prints. `cargo test` builds it before this test.
fn output_of(name: &str) -> String {
    let test = std::env::current_exe().unwrap();
    let program: PathBuf = test.parent().unwrap().with_file_name("examples").join(name);
    assert!(program.is_file(), "{} is missing: `cargo build --release --examples`", program.display());
    let output = Command::new(program).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn quickstart_classifies_encrypted_images() {
    let text = output_of("quickstart");
    let right: usize = text.split(' ').next().unwrap().parse().unwrap();
    assert!(right > 65, "{text}");
}

#[test]
fn own_model_verifies() {
    let text = output_of("own_model");
    assert!(text.contains("holds: true") && text.contains("predicted"), "{text}");
}

#[test]
fn client_and_server_meet_in_files_alone() {
    let text = output_of("client_server");
    assert_eq!(text.matches("client: image ").count(), 3, "{text}");
    assert!(text.contains("server: ran the program on 3 images"), "{text}");
}
