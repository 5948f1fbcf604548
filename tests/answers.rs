//! How a client knows and judges the answers to what it sent: receipts, labels of batches, images
//! and answers outside of what a program promises, and answers that are made to be shared.

#![cfg(feature = "command")]
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;

/// A student of the embedded X-rays, trained for a moment.
fn model() -> &'static Path {
    static MODEL: OnceLock<PathBuf> = OnceLock::new();
    MODEL.get_or_init(|| {
        let run = Path::new(env!("CARGO_TARGET_TMPDIR")).join("answers-run");
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        good(root, &format!("train configs/tiny.json --force --out {}", run.display()));
        run.join("student.safetensors")
    })
}

fn beaa(folder: &Path, arguments: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_beaa"));
    let arguments = arguments.split_whitespace();
    command.args(arguments.map(|a| if a == "MODEL" { model().to_str().unwrap() } else { a })).current_dir(folder);
    command.env_remove("BEAA_DATA").env("HOME", folder).env("XDG_CACHE_HOME", folder).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn good(folder: &Path, arguments: &str) -> String {
    let output = beaa(folder, arguments);
    assert!(output.status.success(), "`beaa {arguments}` failed:\n{}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn json(folder: &Path, arguments: &str) -> Value {
    serde_json::from_str(&good(folder, &format!("{arguments} --json"))).unwrap()
}

fn bad(folder: &Path, code: i32, arguments: &str, words: &[&str]) {
    let output = beaa(folder, arguments);
    let errors = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "`beaa {arguments}`:\n{errors}");
    assert!(words.iter().all(|w| errors.contains(w)), "`beaa {arguments}`:\n{errors}");
}

/// A program with one element in each ciphertext, so that there are copies of images, and keys.
fn compiled(folder: &Path, options: &str) {
    good(folder, &format!("compile MODEL -o p.beaa --batch 64 --packing element {options}"));
    good(folder, "keygen p.beaa.signature --out keys");
}

/// Encrypts and runs: `NAME.ct`, `NAME.json`, `NAME.out`.
fn batch(folder: &Path, name: &str, images: &str) {
    let set = format!("--data-set pneumoniamnist {images} --labels {name}.json");
    good(folder, &format!("encrypt p.beaa.signature --key keys/secret.key -o {name}.ct {set}"));
    good(folder, &format!("run p.beaa --keys keys/evaluation.key --input {name}.ct -o {name}.out"));
}

const DECRYPT: &str = "decrypt p.beaa.signature --key keys/secret.key --input";

#[test]
fn answers_are_known_by_the_receipt_of_their_batch() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    compiled(at, "");
    batch(at, "a", "--limit 20");
    batch(at, "b", "--limit 20 --split validation");
    good(at, &format!("{DECRYPT} a.out --labels a.json"));
    bad(at, 3, &format!("{DECRYPT} a.out --labels b.json"), &["labels of batch", "written with this batch"]);
    bad(at, 3, &format!("{DECRYPT} b.out --receipt a.ct.receipt"), &["the answers name batch", "expected batch"]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(at.join("a.ct.receipt").metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
    // Elsewhere the receipt is not found by itself; beside the key it is.
    std::fs::create_dir(at.join("inbox")).unwrap();
    std::fs::rename(at.join("a.out"), at.join("inbox/a.out")).unwrap();
    bad(at, 3, &format!("{DECRYPT} inbox/a.out"), &["no receipt of batch", "--receipt", "--without-receipt"]);
    good(at, &format!("{DECRYPT} inbox/a.out --receipt a.ct.receipt"));
    std::fs::copy(at.join("a.ct.receipt"), at.join("keys/a.receipt")).unwrap();
    good(at, &format!("{DECRYPT} inbox/a.out"));
    let trusted = beaa(at, &format!("{DECRYPT} inbox/a.out --without-receipt"));
    assert!(trusted.status.success() && stderr(&trusted).contains("show them to nobody"), "{}", stderr(&trusted));
    // A receipt shall not replace what another option writes.
    let encrypt = "encrypt p.beaa --key keys/secret.key --data-set pneumoniamnist --limit 2";
    bad(at, 2, &format!("{encrypt} -o x.ct --receipt x.ct"), &["the same file for --out and for --receipt"]);
    assert_eq!(json(at, "inspect a.ct.receipt")["header"]["batches"][0]["images"], 20);
}

#[test]
fn precise_answers_can_be_shared_once() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    compiled(at, "--logit-error 2^-15 --samples pneumoniamnist");
    batch(at, "a", "--limit 2");
    bad(at, 3, &format!("{DECRYPT} a.out --share 60"), &["--share", "--logit-error"]);
    let shared = json(at, &format!("{DECRYPT} a.out --share 8"));
    assert!(shared["flooding"].as_f64().unwrap() > 0.0 && shared["shared_numbers"] == 4, "{shared}");
    assert_eq!(json(at, "inspect a.ct.receipt")["header"]["shared"], 8.0);
    bad(at, 3, &format!("{DECRYPT} a.out --share 8"), &["--share", "shared before"]);
    bad(at, 2, &format!("{DECRYPT} a.out --share --logits raw"), &["--logits"]);
    bad(at, 2, &format!("{DECRYPT} a.out --share --without-receipt"), &["--without-receipt"]);
}

#[test]
fn images_outside_of_what_was_compiled_for_are_named_and_get_no_class() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    compiled(at, "--samples pneumoniamnist");
    // Black and white squares, one pixel each.
    let squares = |x: u32, y: u32| image::Luma([if (x + y).is_multiple_of(2) { 255_u8 } else { 0 }]);
    image::GrayImage::from_fn(28, 28, squares).save(at.join("squares.png")).unwrap();
    let encrypt = "encrypt p.beaa.signature --key keys/secret.key -o in.ct";
    let encrypted = beaa(at, &format!("{encrypt} --images squares.png --json"));
    let said = stderr(&encrypted);
    assert!(encrypted.status.success() && said.contains("1 of 1 images are outside"), "{said}");
    assert!(said.contains("image 0 (squares.png)"), "{said}");
    let record: Value = serde_json::from_slice(&encrypted.stdout).unwrap();
    assert_eq!(record["deviating"][0]["image"], 0);
    let run = "run p.beaa --keys keys/evaluation.key --input in.ct -o out.ct";
    good(at, run);
    let decrypted = beaa(at, &format!("{DECRYPT} out.ct --json"));
    let answers: Value = serde_json::from_slice(&decrypted.stdout).unwrap();
    assert!(stderr(&decrypted).contains("outside of what the program was compiled for"), "{}", stderr(&decrypted));
    if answers["outside"] == 1 {
        assert_eq!(decrypted.status.code(), Some(4));
        assert!(answers["images"][0]["prediction"].is_null() && answers["images"][0]["logits"].is_null());
        let allowed = json(at, &format!("{DECRYPT} out.ct --allow-out-of-range"));
        assert!(allowed["images"][0]["prediction"].is_u64() && allowed["images"][0]["outside"] == true);
    }
    // What the network was trained on is inside.
    let encrypted = json(at, &format!("{encrypt} --data-set pneumoniamnist --limit 60"));
    assert_eq!(encrypted["deviating"].as_array().unwrap().len(), 0);
    good(at, run);
    assert_eq!(json(at, &format!("{DECRYPT} out.ct"))["outside"], 0);
}

#[test]
fn keys_lie_apart_where_that_is_wished_and_are_asked_for_where_they_are_needed() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    good(at, "compile MODEL -o p.beaa --batch 64");
    good(at, "keygen p.beaa.signature --out client --public shared");
    assert!(at.join("client/secret.key").exists() && at.join("shared/evaluation.key").exists());
    assert!(!at.join("client/evaluation.key").exists() && !at.join("shared/secret.key").exists());
    good(at, "encrypt p.beaa --key client/secret.key -o in.ct --data-set pneumoniamnist --limit 2");
    bad(at, 2, "run p.beaa --input in.ct -o out.ct", &["found no --keys", "switches keys"]);
    good(at, "run p.beaa --keys shared/evaluation.key --input in.ct -o out.ct");
    good(at, "decrypt p.beaa --key client/secret.key --input out.ct");
}
