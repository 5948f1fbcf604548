//! Parameters below the promised security are refused by every command and marked by `inspect`;
//! those that only the superseded table allows work, with a warning.

#![cfg(feature = "command")]
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;

use beaa_ir::ckks::{load_signature, save_signature};

/// Exit code, standard output, standard error.
fn beaa(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_beaa")).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// A signature of degree 4096 with these moduli, said to have `security` bits.
fn signature(folder: &Path, name: &str, moduli: &[u64], security: u32) -> PathBuf {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/v2/program.beaa.signature");
    let mut file = load_signature(&kept).unwrap();
    file.signature.parameters.moduli = moduli.to_vec();
    file.signature.parameters.security = security;
    let path = folder.join(name);
    save_signature(&file, &path).unwrap();
    path
}

#[test]
fn what_no_table_grants_is_refused_and_marked() {
    let folder = tempfile::tempdir().unwrap();
    // 61 bits, of which 256-bit security allows 56 at N = 4096.
    let path = signature(folder.path(), "s", &[2_147_352_577, 1_073_692_673], 256);
    let (path, keys) = (path.to_str().unwrap(), folder.path().join("keys"));
    let (code, shown, _) = beaa(&["inspect", path]);
    assert_eq!(code, Some(0));
    assert!(shown.contains("INSECURE") && shown.contains("allows 56"), "{shown}");
    let (_, json, _) = beaa(&["inspect", path, "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(json["security"]["holds_by"].is_null(), "{json}");
    let (code, _, error) = beaa(&["keygen", path, "--out", keys.to_str().unwrap()]);
    assert_eq!(code, Some(3), "{error}");
    assert!(error.contains("less than 256-bit security") && !keys.exists(), "{error}");
    let refused = beaa::Signature::load(path).unwrap_err().to_string();
    assert!(refused.contains("less than 256-bit security"), "{refused}");
}

#[test]
fn what_the_superseded_table_grants_works_with_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    // 58 bits: as many as the table of 2018 allows for 256 bits at N = 4096.
    let path = signature(folder.path(), "s", &[2_147_352_577, 133_857_281], 256);
    let (path, keys) = (path.to_str().unwrap(), folder.path().join("keys"));
    let (code, _, warning) = beaa(&["keygen", path, "--out", keys.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{warning}");
    assert!(warning.contains("superseded") && warning.contains("compile the model again"), "{warning}");
    let (_, shown, _) = beaa(&["inspect", keys.join("secret.key").to_str().unwrap()]);
    assert!(shown.contains("superseded") && shown.contains("allows 56"), "{shown}");
    assert!(beaa::Signature::load(path).unwrap().is_security_superseded().unwrap());
}

#[test]
fn the_smallest_ring_is_used_by_the_table_in_force_alone() {
    let folder = tempfile::tempdir().unwrap();
    let of = |name: &str, moduli: &[u64], security: u32| {
        let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/v2/program.beaa.signature");
        let mut file = load_signature(&kept).unwrap();
        let path = folder.path().join(name);
        let parameters = &mut file.signature.parameters;
        (parameters.degree, parameters.moduli, parameters.security) = (2048, moduli.to_vec(), security);
        (file.signature.input_limbs, file.signature.output_limbs) = (1, 1);
        save_signature(&file, &path).unwrap();
        let keys = folder.path().join(format!("{name}-keys"));
        beaa(&["keygen", path.to_str().unwrap(), "--out", keys.to_str().unwrap()])
    };
    // 50 bits, and two primes of 27.
    let (code, _, error) = of("fits", &[1_125_899_906_826_241], 128);
    assert_eq!(code, Some(0), "{error}");
    let (code, _, error) = of("long", &[134_176_769, 134_111_233], 128);
    assert!(code == Some(3) && error.contains("less than 128-bit security"), "{error}");
    let (code, _, error) = of("strict", &[1_125_899_906_826_241], 192);
    assert!(code == Some(3) && error.contains("2048 at 128 alone"), "{error}");
}

#[test]
fn the_table_in_force_is_named() {
    let kept = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/v2/program.beaa");
    // 61 bits at N = 4096: against quantum attacks, 80 are allowed for 128 bits of security and 59
    // for 192.
    let quantum = |path: &str| {
        let (_, json, _) = beaa(&["inspect", path, "--json"]);
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["security"]["holds_by"], "Bossuat et al. 2024");
        json["security"]["quantum"].as_bool().unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let strict = signature(folder.path(), "s", &[2_147_352_577, 1_073_692_673], 192);
    assert!(quantum(kept) && !quantum(strict.to_str().unwrap()));
    let (_, shown, _) = beaa(&["inspect", kept]);
    assert!(shown.contains("security: 128 bits by Bossuat et al. 2024, quantum attacks included"), "{shown}");
    assert!(!beaa::Signature::load(kept).unwrap().is_security_superseded().unwrap());
}
