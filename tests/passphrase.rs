//! Keys under passphrases as a user has them: used by `encrypt` and `decrypt`, shown, changed, and
//! by the library.
#![cfg(all(feature = "command", unix))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use beaa::{Client, Error, Passphrase, Signature};
use serde_json::Value;

const PROGRAM: &str = "tests/data/v2/program.beaa";

/// Runs `beaa` with words that stand in a folder as `@/`, and `input` on its standard input. It has
/// no terminal.
fn beaa(folder: &Path, arguments: &str, input: &str) -> Output {
    let folder = folder.to_str().unwrap();
    let words = arguments.split_whitespace().map(|w| w.replace("@/", &format!("{folder}/")));
    let mut command = Command::new("setsid");
    command.args(["--wait", env!("CARGO_BIN_EXE_beaa")]).args(words).current_dir(env!("CARGO_MANIFEST_DIR"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn good(folder: &Path, arguments: &str) -> String {
    let output = beaa(folder, arguments, "");
    assert!(output.status.success(), "{arguments}: {}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn bad(folder: &Path, code: i32, words: &[&str], arguments: &str) {
    let output = beaa(folder, arguments, "");
    let said = said(&output);
    assert_eq!(output.status.code(), Some(code), "{arguments}: {said}");
    assert!(words.iter().all(|w| said.contains(w)), "{arguments}: {said}");
}

/// A folder with a picture, and passphrases in files that nobody else can read.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    image::GrayImage::from_pixel(2, 2, image::Luma([60])).save(folder.path().join("a.png")).unwrap();
    for (name, text) in [("open", "open sesame\nnot this line\n"), ("shut", "open Sesame\n"), ("empty", "\n")] {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    folder
}

#[cfg(target_os = "linux")]
#[test]
fn a_key_under_a_passphrase_the_whole_way() {
    let folder = folder();
    let at = folder.path();
    let said_first = good(at, &format!("keygen {PROGRAM} --out @/k --passphrase-file @/open"));
    assert!(said_first.contains("keep it and its passphrase"), "{said_first}");
    let secret = at.join("k/secret.key");
    assert_eq!(std::fs::metadata(&secret).unwrap().permissions().mode() & 0o777, 0o600);
    let shown: Value = serde_json::from_str(&good(at, "inspect @/k/secret.key --json")).unwrap();
    assert_eq!(shown["kind"], "encrypted secret key");
    assert!(said_first.contains(shown["header"]["id"].as_str().unwrap()), "{shown}");
    assert!(good(at, "inspect @/k/secret.key").contains("encrypted secret key file"));

    let encrypt = format!("encrypt {PROGRAM} --key @/k/secret.key --images @/a.png -o @/a.ct");
    bad(at, 2, &["asking for a passphrase", "found no terminal", "--passphrase-file"], &encrypt);
    bad(at, 3, &["found a wrong passphrase"], &format!("{encrypt} --passphrase-file @/shut"));
    bad(at, 3, &["found an empty passphrase"], &format!("{encrypt} --passphrase-file @/empty"));
    assert!(!at.join("a.ct").exists());
    let piped = beaa(at, &format!("{encrypt} --passphrase-file /dev/fd/0"), "open sesame\n");
    assert!(piped.status.success(), "{}", said(&piped));
    good(at, &format!("run {PROGRAM} --input @/a.ct -o @/answers.ct"));
    let decrypt = format!("decrypt {PROGRAM} --key @/k/secret.key --input @/answers.ct --passphrase-file");
    assert!(good(at, &format!("{decrypt} @/open")).starts_with("image,prediction,class"));
    std::fs::set_permissions(at.join("open"), std::fs::Permissions::from_mode(0o644)).unwrap();
    bad(at, 3, &["a passphrase with mode 0644", "chmod 600"], &format!("{decrypt} @/open"));
    // A key is replaced as any other.
    bad(at, 2, &["expected no key there"], &format!("keygen {PROGRAM} --out @/k"));
    bad(
        at,
        3,
        &["an encrypted secret key file"],
        &format!("run {PROGRAM} --keys @/k/secret.key --input @/a.ct -o @/x"),
    );
}

#[cfg(target_os = "linux")]
#[test]
fn passphrases_are_changed_in_place() {
    let folder = folder();
    let at = folder.path();
    good(at, &format!("keygen {PROGRAM} --out @/k"));
    let secret = at.join("k/secret.key");
    let plain = std::fs::read(&secret).unwrap();
    assert!(good(at, "passphrase @/k/secret.key --new-passphrase-file @/shut").contains("encrypted with the new"));
    assert_eq!(std::fs::metadata(&secret).unwrap().permissions().mode() & 0o777, 0o600);
    let remove = "passphrase @/k/secret.key --remove --passphrase-file";
    bad(at, 3, &["found a wrong passphrase"], &format!("{remove} @/open"));
    assert!(good(at, &format!("{remove} @/shut")).contains("without a passphrase"));
    assert!(std::fs::read(&secret).unwrap() == plain);
    let unasked = beaa(at, &format!("{remove} @/shut"), "");
    assert!(said(&unasked).contains("has no passphrase"), "{}", said(&unasked));
    bad(at, 3, &["a signature file"], &format!("passphrase {PROGRAM}.signature --new-passphrase-file @/open"));
    bad(at, 2, &["cannot be used with"], "passphrase @/k/secret.key --remove --new-passphrase-file @/open");
}

#[test]
fn the_library_has_passphrases() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret.key");
    let signature = || Signature::load("tests/data/v2/program.beaa.signature").unwrap();
    let [open, shut] = [b"open", b"shut"].map(|text| Passphrase::new(text).unwrap());
    let (client, _) = Client::new(signature()).unwrap();
    client.save_protected_key(&path, &open).unwrap();
    Client::load_protected(signature(), &path, &open).unwrap();
    let wrong = Client::load_protected(signature(), &path, &shut).err().unwrap();
    assert!(matches!(&wrong, Error::Passphrase(_)) && wrong.to_string().contains("wrong passphrase"), "{wrong}");
    assert!(matches!(Client::load(signature(), &path), Err(Error::Passphrase(_))));
    let empty = Passphrase::new(b"").map_err(Error::from);
    assert!(matches!(empty, Err(Error::BadOption(_))));
    assert_eq!(format!("{open:?}"), "Passphrase(..)");
}
