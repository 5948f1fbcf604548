//! The tfhe backend as a user sees it: compile, keys, encryption, run, decryption, verification in
//! separate processes, and files of the two backends mixed up.

#![cfg(all(feature = "command", feature = "tfhe"))]
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::{Command, Output};

fn beaa(folder: &Path, arguments: &str) -> Output {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/mnist-tfhe/student.safetensors");
    let arguments = arguments.replace("MODEL", model.to_str().unwrap());
    let mut command = Command::new(env!("CARGO_BIN_EXE_beaa"));
    command.args(arguments.split_whitespace()).current_dir(folder);
    command.env_remove("BEAA_DATA").env("HOME", folder).env("XDG_CACHE_HOME", folder).output().unwrap()
}

fn good(folder: &Path, arguments: &str) -> String {
    let output = beaa(folder, arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "`beaa {arguments}` failed:\n{errors}");
    String::from_utf8(output.stdout).unwrap()
}

fn bad(folder: &Path, arguments: &str, words: &[&str]) {
    let output = beaa(folder, arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && words.iter().all(|w| errors.contains(w)), "`beaa {arguments}`:\n{errors}");
    assert!(!errors.contains("panicked"), "{errors}");
}

/// The committed student of MNIST, calibrated on the embedded images: what it says of them is
/// nonsense, but must be the same nonsense encrypted as in clear.
#[test]
fn one_image_the_whole_way() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let report = good(at, "compile MODEL --backend tfhe --samples pneumoniamnist --agreement 0.5 -o p.tfhe");
    assert!(report.contains("bootstrappings") && report.contains("no sum can wrap"), "{report}");
    good(at, "keygen p.tfhe.signature --out keys");
    good(at, "encrypt p.tfhe.signature --key keys/secret.key --data-set pneumoniamnist -o image.ct");
    good(at, "run p.tfhe --keys keys/evaluation.key --input image.ct -o answer.ct --report run.json");
    let answer = good(at, "decrypt p.tfhe.signature --key keys/secret.key --input answer.ct --json");
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["images"].as_array().unwrap().len(), 1);
    let run: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(at.join("run.json")).unwrap()).unwrap();
    assert_eq!(run["images"], 1);
    good(at, "keygen p.tfhe.signature --out seeded --seed 1");
    assert!(good(at, "inspect seeded/secret.key").contains("INSECURE: made with --seed"));
    let encrypt = "encrypt p.tfhe.signature --key seeded/secret.key --data-set pneumoniamnist -o seeded.ct";
    bad(at, encrypt, &["made with --seed", "--insecure"]);
    good(at, &format!("{encrypt} --insecure"));
    bad(at, "run p.tfhe --keys seeded/evaluation.key --input seeded.ct -o x.ct", &["made with --seed", "--insecure"]);
    let verified = good(at, "verify p.tfhe --data-set pneumoniamnist --seed 5");
    assert!(verified.contains("0 differ"), "{verified}");
    assert!(good(at, "inspect p.tfhe").contains("tfhe program"));

    // Files of the two backends, mixed up.
    good(at, "compile MODEL --batch 1000 -o p.beaa");
    good(at, "keygen p.beaa --out other");
    bad(
        at,
        "run p.tfhe --keys other/evaluation.key --input image.ct -o x.ct",
        &["evaluation key", "tfhe evaluation key"],
    );
    bad(at, "run p.beaa --keys keys/evaluation.key --input image.ct -o x.ct", &["tfhe evaluation key"]);
    bad(at, "run p.tfhe --keys keys/secret.key --input image.ct -o x.ct", &["tfhe secret key"]);
    bad(at, "encrypt p.tfhe --key other/secret.key --data-set pneumoniamnist -o x.ct", &["tfhe secret key"]);
    bad(at, "decrypt p.tfhe --key keys/secret.key --input image.ct", &["encrypted results"]);
    let whole = std::fs::read(at.join("image.ct")).unwrap();
    std::fs::write(at.join("cut.ct"), &whole[..whole.len() - 9]).unwrap();
    bad(at, "run p.tfhe --keys keys/evaluation.key --input cut.ct -o x.ct", &["cut short"]);
    assert!(!at.join("x.ct").exists());
}

#[test]
fn both_backends_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let page = "<!-- bench backends -->\n<!-- end -->\n<!-- bench backend batches -->\n<!-- end -->\n";
    std::fs::write(at.join("page.md"), page).unwrap();
    let options = "--samples pneumoniamnist --agreement 0.5 --quick --docs page.md --json";
    let found = good(at, &format!("bench backends --model MODEL {options}"));
    let found: serde_json::Value = serde_json::from_str(&found).unwrap();
    let backends = &found["backends"];
    let points = backends["points"].as_array().unwrap();
    assert_eq!(points[0]["images"], 1);
    assert!(points.len() > 5 && points.iter().all(|p| p["ckks"].as_f64().unwrap() > 0.0));
    assert!(backends["tfhe"]["seconds"].as_f64().unwrap() > 0.0 && backends["bootstrappings"].as_u64().unwrap() > 100);
    // One image is sent in far fewer bytes than a batch, whatever the machine.
    assert!(points[0]["tfhe_bytes"].as_u64() < points[0]["ckks_bytes"].as_u64());
    let page = std::fs::read_to_string(at.join("page.md")).unwrap();
    assert!(page.contains("| bootstrappings |") && page.contains("| images that wait |"), "{page}");
    assert!(at.join("performance-backends.svg").exists() && at.join("performance-backend-bytes.svg").exists());
}
