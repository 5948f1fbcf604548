//! The library as a programmer meets it: the programs in examples/ run and say what they should,
//! and errors can be matched.
#![cfg(feature = "train")]
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::process::Command;

use beaa::{Client, CompileOptions, EncryptedResults, Error, ImageMajor, ImportOptions, Model, Program, Signature};

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

#[test]
fn errors_can_be_matched() {
    let signature = || Signature::load("tests/data/v2/program.beaa.signature").unwrap();
    let client = Client::load(signature(), "tests/data/v2/secret.key").unwrap();
    let no_image = ImageMajor::new(0, 4, Vec::new()).unwrap();
    assert!(matches!(client.encrypt(&no_image), Err(Error::BatchSize { images: 0, .. })));
    let too_small = ImageMajor::new(1, 3, vec![0_u8; 3]).unwrap();
    assert!(matches!(client.signature().normalise(&too_small), Err(Error::ImageSize { found: 3, expected: 4 })));

    let (other, _) = Client::new(signature()).unwrap();
    let answers = EncryptedResults::load("tests/data/v2/answers.ct").unwrap();
    assert!(client.decrypt(&answers).is_ok());
    assert!(matches!(other.decrypt(&answers), Err(Error::Mismatch(_))));

    assert!(matches!(Model::load("nowhere.safetensors"), Err(Error::Io { .. })));
    assert!(matches!(Program::load("tests/data/v2/secret.key"), Err(Error::BadFile(_))));
    let network = "tests/data/import/unsupported.classic.onnx";
    let imported = Model::import_onnx(network, &ImportOptions::default());
    assert!(matches!(imported, Err(Error::Unsupported { parts }) if parts.len() == 3));
    let model = Model::load("tests/data/v2/model.safetensors").unwrap();
    let impossible = CompileOptions { security: 100, ..CompileOptions::default() };
    assert!(matches!(beaa::compile(&model, &impossible), Err(Error::BadOption(_))));
}
