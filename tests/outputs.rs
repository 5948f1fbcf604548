//! What the command does to files: nothing of the user's is destroyed, nothing incomplete is left,
//! and what cannot be written is told before the work.
#![cfg(all(feature = "command", unix))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use beaa_ir::{Activation, InputSpec, Layer, LayerOp, Linear, Model, ModelLiteral, Provenance, Tensor, save_model};

fn command(folder: &Path, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_beaa"));
    command.args(arguments.split(' ')).current_dir(folder).env_remove("BEAA_DATA").env("HOME", folder);
    command
}

fn beaa(folder: &Path, arguments: &str) -> Output {
    command(folder, arguments).output().unwrap()
}

fn good(folder: &Path, arguments: &str) -> String {
    let output = beaa(folder, arguments);
    assert!(output.status.success(), "{arguments}: {}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// Fails with `code`, saying `words`; gives all that it said.
fn bad(folder: &Path, code: i32, words: &[&str], arguments: &str) -> String {
    let output = beaa(folder, arguments);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(code), "{arguments}: {said}");
    for word in words {
        assert!(said.contains(word), "{arguments}: no {word:?} in {said}");
    }
    said
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A program, its keys and encrypted images, made once.
fn files() -> &'static Path {
    static FILES: OnceLock<PathBuf> = OnceLock::new();
    FILES.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("outputs");
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        save_model(&two_squares(), &folder.join("m.safetensors")).unwrap();
        let picture = image::GrayImage::from_pixel(2, 2, image::Luma([50]));
        picture.save(folder.join("picture.png")).unwrap();
        good(&folder, "compile m.safetensors -o p.beaa --logit-error 0.01 --batch 1");
        good(&folder, "keygen p.beaa.signature --out k");
        good(&folder, "encrypt p.beaa.signature --key k/secret.key --images picture.png -o images.ct");
        good(&folder, "run p.beaa --keys k/evaluation.key --input images.ct -o answers.ct");
        folder
    })
}

/// A network on 2 x 2 pixels whose program switches keys: a square of sums of squares.
fn two_squares() -> Model {
    let linear = |name: &str, outs: usize, ins: usize| {
        let weight = (0..outs * ins).map(|i| 0.25 - 0.125 * (i % 3) as f32).collect();
        let weight = Tensor::new(vec![outs, ins], weight).unwrap();
        let bias = Some(Tensor::new(vec![outs], vec![0.125; outs]).unwrap());
        Layer { name: name.into(), op: LayerOp::Linear(Linear { weight, bias }) }
    };
    let square =
        |name: &str| Layer { name: name.into(), op: LayerOp::Activation { function: Activation::Square, range: None } };
    let flatten = Layer { name: "flatten".into(), op: LayerOp::Flatten };
    let layers = vec![
        flatten,
        linear("linear1", 3, 4),
        square("square1"),
        linear("linear2", 2, 3),
        square("square2"),
        linear("out", 2, 2),
    ];
    Model::try_from(ModelLiteral {
        name: "two-squares".into(),
        input: InputSpec::pixels([1, 2, 2], vec![0.0], vec![1.0]),
        classes: vec!["no".into(), "yes".into()],
        threshold: None,
        layers,
        accuracy: None,
        provenance: Provenance::default(),
    })
    .unwrap()
}

/// A folder of its own beside links to the files.
fn folder(name: &str) -> PathBuf {
    let path = files().join(name);
    std::fs::create_dir_all(&path).unwrap();
    for file in ["m.safetensors", "p.beaa", "p.beaa.signature", "k", "images.ct", "answers.ct", "picture.png"] {
        symlink(files().join(file), path.join(file)).unwrap();
    }
    path
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn inputs_and_outputs_are_different_files() {
    let at = &folder("equal");
    let key = std::fs::read(at.join("k/secret.key")).unwrap();
    std::fs::hard_link(files().join("k/secret.key"), at.join("hard.key")).unwrap();
    for out in ["k/secret.key", "./k/../k/secret.key", "hard.key"] {
        let encrypt = format!("encrypt p.beaa --key k/secret.key --images picture.png --force -o {out}");
        bad(at, 2, &["the same file for --key and for --out"], &encrypt);
    }
    assert_eq!(std::fs::read(at.join("k/secret.key")).unwrap(), key);
    bad(
        at,
        2,
        &["the same file for --out and for --labels"],
        "encrypt p.beaa --key k/secret.key --data-set \
        pneumoniamnist -o new.ct --labels new.ct",
    );
    bad(at, 2, &["the same file"], "run p.beaa --keys k/evaluation.key --input images.ct -o x.ct --report ./x.ct");
    bad(at, 2, &["the same file"], "run p.beaa --keys k/evaluation.key --input images.ct -o images.ct");
    bad(at, 2, &["the same file"], "compile m.safetensors -o m.safetensors --force");
    assert!(!at.join("new.ct").exists() && !at.join("x.ct").exists());
}

#[test]
fn only_the_same_kind_of_file_is_replaced() {
    let at = &folder("kinds");
    std::fs::write(at.join("thesis.tex"), "years of work").unwrap();
    for work in [
        "run p.beaa --keys k/evaluation.key --input images.ct -o thesis.tex",
        "run p.beaa --keys k/evaluation.key --input images.ct -o new.ct --report thesis.tex",
        "encrypt p.beaa --key k/secret.key --images picture.png -o thesis.tex",
        "compile m.safetensors -o thesis.tex",
        "import nothing.onnx -o thesis.tex",
    ] {
        bad(at, 2, &["thesis.tex", "--force"], work);
    }
    assert_eq!(std::fs::read_to_string(at.join("thesis.tex")).unwrap(), "years of work");
    good(at, "run p.beaa --keys k/evaluation.key --input images.ct -o x.ct");
    good(at, "run p.beaa --keys k/evaluation.key --input images.ct -o x.ct");
    std::fs::set_permissions(at.join("x.ct"), std::fs::Permissions::from_mode(0o444)).unwrap();
    bad(at, 2, &["write-protected"], "run p.beaa --keys k/evaluation.key --input images.ct -o x.ct");
    good(at, "run p.beaa --keys k/evaluation.key --input images.ct -o thesis.tex --force");
}

#[test]
fn devices_fifos_and_links_stay_what_they_are() {
    let at = &folder("special");
    good(at, "run p.beaa --keys k/evaluation.key --input images.ct -o /dev/null --report /dev/null");
    assert!(std::fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    symlink("target.ct", at.join("link.ct")).unwrap();
    good(at, "run p.beaa --keys k/evaluation.key --input images.ct -o link.ct");
    assert!(at.join("link.ct").is_symlink() && at.join("target.ct").is_file());
    assert!(Command::new("mkfifo").arg(at.join("fifo")).status().unwrap().success());
    let child = command(at, "run p.beaa --keys k/evaluation.key --input images.ct -o fifo").spawn().unwrap();
    assert_eq!(std::fs::read(at.join("fifo")).unwrap(), std::fs::read(at.join("target.ct")).unwrap());
    assert!(child.wait_with_output().unwrap().status.success());
    assert!(std::fs::metadata(at.join("fifo")).unwrap().file_type().is_fifo());
}

#[test]
fn what_is_no_file_is_one_error_everywhere() {
    let at = &folder("no_file");
    std::fs::create_dir(at.join("d")).unwrap();
    std::fs::create_dir(at.join("d.json")).unwrap();
    std::fs::create_dir(at.join("d.onnx")).unwrap();
    assert!(Command::new("mkfifo").arg(at.join("fifo")).status().unwrap().success());
    for work in [
        "inspect d",
        "compile d -o x",
        "eval d",
        "verify d",
        "keygen d --out x",
        "encrypt d --key k/secret.key --images picture.png -o x",
        "encrypt p.beaa --key d --images picture.png -o x",
        "run d --keys k/evaluation.key --input images.ct -o x",
        "run p.beaa --keys d --input images.ct -o x",
        "run p.beaa --keys k/evaluation.key --input d -o x",
        "run p.beaa --keys k/evaluation.key --input images.ct -o d",
        "run p.beaa --keys k/evaluation.key --input images.ct -o x --report d",
        "decrypt p.beaa --key d --input answers.ct",
        "decrypt p.beaa --key k/secret.key --input d",
        "import d.onnx -o x",
        "reproduce d --out x",
        "encrypt p.beaa --key k/secret.key --rows d --pixels 255 -o x",
        "eval m.safetensors --data-set d.json",
        "compile m.safetensors -o x --config d",
        "compile m.safetensors -o x --machine d",
    ] {
        bad(at, 3, &["found a folder, expected a file"], work);
        if !work.contains(" -o d") && !work.contains("--report d") && !work.contains("d.") {
            let fifo: Vec<&str> = work.split(' ').map(|w| if w == "d" { "fifo" } else { w }).collect();
            bad(at, 3, &["found a FIFO, expected a regular file"], &fifo.join(" "));
        }
    }
    for work in ["inspect /dev/zero", "train /dev/zero", "reproduce /dev/zero"] {
        bad(at, 3, &["found a device, expected a regular file"], work);
    }
    assert!(!at.join("x").exists());
}

#[test]
fn what_cannot_be_written_is_told_before_the_work() {
    let at = &folder("unwritable");
    let begun = Instant::now();
    let said =
        bad(at, 1, &["/proc/answers.ct"], "run p.beaa --keys k/evaluation.key --input images.ct -o /proc/answers.ct");
    assert!(!said.contains("run:"), "after {:?}: {said}", begun.elapsed());
    std::fs::write(at.join("file"), "x").unwrap();
    bad(at, 1, &["file/x.ct"], "run p.beaa --keys k/evaluation.key --input images.ct -o file/x.ct");
    // The folder of the key is there, and the evaluation key cannot be: no secret is left alone.
    std::fs::create_dir_all(at.join("keys/evaluation.key")).unwrap();
    bad(at, 3, &["found a folder"], "keygen p.beaa --out keys");
    assert_eq!(names(&at.join("keys")), ["evaluation.key"]);
}

#[test]
fn a_secret_key_that_others_can_read_is_refused() {
    let at = &folder("exposed");
    let key = at.join("open.key");
    std::fs::copy(files().join("k/secret.key"), &key).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    for work in [
        "encrypt p.beaa --key open.key --images picture.png -o x.ct",
        "decrypt p.beaa --key open.key --input answers.ct",
        "inspect open.key",
    ] {
        bad(at, 3, &["0644", "chmod 600"], work);
    }
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o400)).unwrap();
    good(at, "decrypt p.beaa --key open.key --input answers.ct --without-receipt");
}

#[test]
fn a_key_of_another_client_is_not_replaced() {
    let at = &folder("shared_keys");
    good(at, "keygen p.beaa --out one --public shared");
    let first = std::fs::read(at.join("shared/evaluation.key")).unwrap();
    bad(at, 2, &["shared/evaluation.key", "another --public"], "keygen p.beaa --out two --public shared");
    assert_eq!(std::fs::read(at.join("shared/evaluation.key")).unwrap(), first);
    assert!(!at.join("two/secret.key").exists());
    good(at, "keygen p.beaa --out two --public shared --force");
    assert_ne!(std::fs::read(at.join("shared/evaluation.key")).unwrap(), first);
}

#[test]
fn folders_of_outputs_are_made() {
    let at = &folder("made_folders");
    good(at, "encrypt p.beaa --key k/secret.key --images picture.png -o sent/today/images.ct");
    good(at, "run p.beaa --keys k/evaluation.key --input sent/today/images.ct -o back/today/answers.ct");
    assert!(at.join("back/today/answers.ct").exists());
}

#[test]
fn the_mask_of_the_user_is_respected() {
    let at = &folder("mask");
    let work = format!(
        "umask 077; cd {} && {} -q run p.beaa --keys k/evaluation.key --input images.ct -o x.ct --report x.json && {} \
         -q compile m.safetensors -o q.beaa && {} -q keygen p.beaa --out k2",
        at.display(),
        env!("CARGO_BIN_EXE_beaa"),
        env!("CARGO_BIN_EXE_beaa"),
        env!("CARGO_BIN_EXE_beaa")
    );
    assert!(Command::new("sh").args(["-c", &work]).stdout(Stdio::null()).status().unwrap().success());
    for name in ["x.ct", "x.json", "q.beaa", "q.beaa.signature", "q.beaa.json", "k2/evaluation.key", "k2/secret.key"] {
        assert_eq!(std::fs::metadata(at.join(name)).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
    }
}

#[test]
fn folders_of_the_user_are_left_alone() {
    let at = &folder("own_folders");
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let notes = at.join("mine/checkpoints/notes.txt");
    let grades = at.join("own/students/grades.txt");
    for file in [&notes, &grades] {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, "x").unwrap();
    }
    let tiny = repository.join("configs/tiny.json");
    let train = format!("train {} --out mine", tiny.display());
    bad(at, 2, &["found checkpoints in mine", "--force"], &train);
    bad(at, 2, &["found checkpoints in mine"], &format!("{train} --resume"));
    bad(at, 2, &["found checkpoints in mine"], &format!("demo --config {} --out mine", tiny.display()));
    let matrix = repository.join("configs/experiments/tiny.json");
    let reproduce = format!("reproduce {} --out own", matrix.display());
    for option in ["", " --force", " --resume"] {
        bad(at, 2, &["found students in own"], &format!("{reproduce}{option}"));
    }
    good(at, &format!("{train} --force"));
    assert!(notes.is_file() && grades.is_file());
    bad(at, 2, &["found a run in mine"], &train);
}

#[test]
fn one_folder_has_one_writer() {
    let at = &folder("locked");
    std::fs::create_dir(at.join("run")).unwrap();
    let tiny = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/tiny.json");
    let held = std::fs::File::open(at.join("run")).unwrap();
    held.lock().unwrap();
    let train = format!("train {} --out run", tiny.display());
    bad(at, 1, &["another process"], &train);
    bad(at, 1, &["another process"], "keygen p.beaa --out run");
    assert!(names(&at.join("run")).is_empty());
}

#[test]
fn ctrl_c_ends_at_once_and_leaves_nothing() {
    let at = &folder("interrupted");
    assert!(Command::new("mkfifo").arg(at.join("fifo")).status().unwrap().success());
    // Computes, then waits for somebody who reads the answers: interrupted in either.
    let child = command(at, "run p.beaa --keys k/evaluation.key --input images.ct -o fifo")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let started = Instant::now();
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", said(&output));
    assert!(said(&output).contains("interrupted: stopped at once"), "{}", said(&output));
    // Without a limit a run that did not listen would wait for ever.
    assert!(started.elapsed() < Duration::from_secs(20));
    assert!(names(at).iter().all(|name| !name.starts_with(".beaa")), "{:?}", names(at));
}

#[test]
fn what_a_killed_process_left_is_removed_by_the_next() {
    let at = &folder("killed");
    std::fs::create_dir(at.join("keys")).unwrap();
    std::fs::write(at.join("keys/.beaa-half.tmp"), "a secret").unwrap();
    good(at, "keygen p.beaa --out keys");
    assert_eq!(names(&at.join("keys")), ["evaluation.key", "secret.key"]);
}
