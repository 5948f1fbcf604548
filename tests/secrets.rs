//! Secrets as a user's system sees them: no core dumps, locked memory, keys from seeds that are
//! marked and refused, and what a process that was killed leaves.
#![cfg(all(feature = "command", unix))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use beaa::{Client, EncryptedImages, EncryptedResults, Error, EvaluationKey, Signature};
use serde_json::Value;

const PROGRAM: &str = "tests/data/v2/program.beaa";

/// Runs `beaa` with words that stand in a folder as `@/`.
fn beaa(folder: &Path, arguments: &str) -> Output {
    let folder = folder.to_str().unwrap();
    let words = arguments.split_whitespace().map(|w| w.replace("@/", &format!("{folder}/")));
    let mut command = Command::new(env!("CARGO_BIN_EXE_beaa"));
    command.args(words).current_dir(env!("CARGO_MANIFEST_DIR")).env_remove("BEAA_DATA");
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What a command that must succeed says on stderr.
fn good(folder: &Path, arguments: &str) -> String {
    let output = beaa(folder, arguments);
    assert!(output.status.success(), "{arguments}: {}", said(&output));
    said(&output)
}

/// A command that must fail with `code` and say all of `words`.
fn bad(folder: &Path, code: i32, words: &[&str], arguments: &str) {
    let output = beaa(folder, arguments);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(code), "{arguments}: {said}");
    assert!(words.iter().all(|w| said.contains(w)), "{arguments}: {said}");
}

/// A folder with a small picture.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, grey) in [("a.png", 60), ("b.png", 200)] {
        image::GrayImage::from_pixel(2, 2, image::Luma([grey])).save(folder.path().join(name)).unwrap();
    }
    folder
}

/// A field of /proc/PID/status.
#[cfg(target_os = "linux")]
fn status(process: &str, field: &str) -> String {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = text.lines().find_map(|l| l.strip_prefix(field)).unwrap();
    line.split_whitespace().next().unwrap().to_owned()
}

#[cfg(target_os = "linux")]
#[test]
fn a_process_that_dies_leaves_no_core_dump() {
    let folder = folder();
    // As much as the system allows; it waits for a configuration.
    let script = "ulimit -c $(ulimit -H -c); exec \"$0\" train /dev/stdin --out \"$1\"";
    let mut child = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_beaa")])
        .arg(folder.path().join("run"))
        .current_dir(folder.path())
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let process = format!("/proc/{}", child.id());
    let limit = || {
        let limits = std::fs::read_to_string(format!("{process}/limits")).unwrap();
        let line = limits.lines().find_map(|l| l.strip_prefix("Max core file size")).unwrap().to_owned();
        line.split_whitespace().take(2).map(str::to_owned).collect::<Vec<_>>()
    };
    let started = Instant::now();
    while limit() != ["0", "0"] {
        assert!(started.elapsed() < Duration::from_secs(20), "the limit is {:?}", limit());
        std::thread::sleep(Duration::from_millis(20));
    }
    // What is not dumpable belongs to root; root itself cannot tell the difference here.
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(std::fs::metadata(format!("{process}/environ")).unwrap().uid(), 0);
    // SIGQUIT does the same, but is ignored by what shells start in the background.
    Command::new("kill").args(["-ABRT", &child.id().to_string()]).status().unwrap();
    let status = child.wait().unwrap();
    assert_eq!((status.signal(), status.core_dumped()), (Some(6), false));
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("core")), "{left:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_key_that_cannot_be_locked_is_told_to_who_wants_to_know() {
    let folder = folder();
    let keygen = |name: &str, verbose: &str| {
        let script = format!("ulimit -l 0; exec \"$0\" keygen {PROGRAM} {verbose} --out \"$1\"");
        let mut command = Command::new("sh");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_beaa")]).arg(folder.path().join(name));
        let output = command.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        said(&output).contains("not locked in memory")
    };
    // Whoever has CAP_IPC_LOCK, which is bit 14, has no limit.
    let unlimited = u64::from_str_radix(&status("self", "CapEff:"), 16).unwrap() >> 14 & 1 == 1;
    assert_eq!(keygen("verbose", "-v"), !unlimited);
    assert!(!keygen("plain", ""));
}

#[test]
fn what_a_seed_made_says_so_and_is_refused() {
    let folder = folder();
    let at = folder.path();
    let words = good(at, &format!("keygen {PROGRAM} --out @/k --seed 1"));
    assert!(words.contains("INSECURE") && words.contains("--insecure"), "{words}");
    good(at, &format!("keygen {PROGRAM} --out @/random"));
    let refused = ["made with --seed", "guesses the number", "make it again without --seed", "--insecure"];
    let encrypt = |key: &str, more: &str| format!("encrypt {PROGRAM} --key @/{key}/secret.key --images @/a.png {more}");
    bad(at, 3, &refused, &encrypt("k", "-o @/x.ct"));
    assert!(!at.join("x.ct").exists());
    assert!(good(at, &encrypt("k", "-o @/under.ct --insecure")).contains("INSECURE"));
    // Asked for by name.
    good(at, &encrypt("random", "-o @/seeded.ct --seed 2"));
    good(at, &encrypt("random", "-o @/honest.ct"));

    let run = |key: &str, images: &str, more: &str| {
        format!("run {PROGRAM} --keys @/{key}/evaluation.key --input @/{images} -o @/{images}.answers {more}")
    };
    bad(at, 3, &refused, &run("k", "under.ct", ""));
    bad(at, 3, &refused, &run("random", "seeded.ct", ""));
    assert!(good(at, &run("k", "under.ct", "--insecure")).contains("INSECURE"));
    good(at, &run("random", "seeded.ct", "--insecure"));
    good(at, &run("random", "honest.ct", ""));

    let decrypt = |key: &str, images: &str, more: &str| {
        format!("decrypt {PROGRAM} --key @/{key}/secret.key --input @/{images}.answers {more}")
    };
    bad(at, 3, &refused, &decrypt("k", "under.ct", ""));
    bad(at, 3, &refused, &decrypt("random", "seeded.ct", ""));
    assert!(good(at, &decrypt("random", "seeded.ct", "--insecure")).contains("INSECURE"));
    assert!(!good(at, &decrypt("random", "honest.ct", "")).contains("INSECURE"));

    for (file, from_seed) in [
        ("k/secret.key", true),
        ("k/evaluation.key", true),
        ("under.ct", true),
        ("under.ct.receipt", true),
        ("seeded.ct", true),
        ("seeded.ct.receipt", true),
        ("seeded.ct.answers", true),
        ("random/secret.key", false),
        ("honest.ct", false),
        ("honest.ct.receipt", false),
        ("honest.ct.answers", false),
    ] {
        let shown = beaa(at, &format!("inspect @/{file}"));
        let text = String::from_utf8(shown.stdout).unwrap();
        assert_eq!(text.contains("INSECURE: made with --seed"), from_seed, "{file}: {text}");
        let json = beaa(at, &format!("inspect @/{file} --json"));
        assert_eq!(serde_json::from_slice::<Value>(&json.stdout).unwrap()["insecure"], from_seed, "{file}");
    }

    // The library has no seeds, and takes nothing that was made with one.
    let signature = || Signature::load(PROGRAM).unwrap();
    let seeded = |result: Result<(), Error>| assert!(matches!(result, Err(Error::FromSeed { .. })));
    seeded(Client::load(signature(), at.join("k/secret.key")).map(drop));
    seeded(EvaluationKey::load(at.join("k/evaluation.key")).map(drop));
    seeded(EncryptedImages::load(at.join("seeded.ct")).map(drop));
    seeded(EncryptedResults::load(at.join("seeded.ct.answers")).map(drop));
    Client::load(signature(), at.join("random/secret.key")).unwrap();
}

#[test]
fn two_batches_under_one_seed_have_nothing_in_common() {
    let folder = folder();
    let at = folder.path();
    good(at, &format!("keygen {PROGRAM} --out @/k"));
    for (picture, out) in [("a.png", "a1.ct"), ("a.png", "a2.ct"), ("b.png", "b.ct")] {
        let command = format!("encrypt {PROGRAM} --key @/k/secret.key --images @/{picture} --seed 4 -o @/{out}");
        good(at, &command);
    }
    let [first, again, other] = ["a1.ct", "a2.ct", "b.ct"].map(|name| at.join(name));
    assert!(std::fs::read(&first).unwrap() == std::fs::read(&again).unwrap(), "the same images give the same file");
    // The mask is expanded from this seed, the error is drawn behind it.
    let header = |path: &Path| {
        let shown = beaa(at, &format!("inspect {} --json", path.display()));
        serde_json::from_slice::<Value>(&shown.stdout).unwrap()["header"]["batches"][0].clone()
    };
    for field in ["seed", "batch"] {
        assert_ne!(header(&first)[field], header(&other)[field]);
    }
}

#[test]
fn a_keygen_that_was_killed_leaves_no_secret_and_a_way_on() {
    let folder = folder();
    let at = folder.path();
    let keygen = format!("keygen {PROGRAM} --out @/k");
    good(at, &keygen);
    let keys = at.join("k");
    // Killed before any file has its name: the secret is under a temporary one.
    let stray = keys.join(".beaa-killed.tmp");
    std::fs::copy(keys.join("secret.key"), &stray).unwrap();
    std::fs::set_permissions(&stray, std::fs::Permissions::from_mode(0o600)).unwrap();
    // Killed between the two.
    std::fs::remove_file(keys.join("secret.key")).unwrap();
    let words = good(at, &keygen);
    assert!(words.contains("without its secret key") && words.contains("is replaced"), "{words}");
    assert!(!stray.exists() && keys.join("secret.key").exists());
    // As earlier releases wrote them, the secret first.
    std::fs::remove_file(keys.join("evaluation.key")).unwrap();
    bad(at, 2, &["its evaluation key is not there", "--force makes a new pair"], &keygen);
    good(at, &format!("{keygen} --force"));
    assert!(keys.join("evaluation.key").exists());
}
