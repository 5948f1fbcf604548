//! The command as a user sees it: help, exit codes, messages, and the whole way through files in
//! separate processes. It uses no crate: whatever is checked here, a user can check.
#![cfg(feature = "command")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Runs `beaa` in the repository, without the caller's environment variables and data sets.
fn beaa(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

fn command(arguments: &[&str]) -> Command {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("no_home");
    let mut command = Command::new(env!("CARGO_BIN_EXE_beaa"));
    command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).env_remove("BEAA_DATA").env_remove("BEAA_THREADS");
    command.env("HOME", &home).env("XDG_CACHE_HOME", &home);
    command
}

/// stdout of a command that must succeed.
fn good(arguments: &[&str]) -> String {
    let output = beaa(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// The same as JSON.
fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&good(arguments)).unwrap()
}

/// A command that must fail with `code`, saying `words` on stderr and nothing on stdout.
fn bad(code: i32, words: &[&str], arguments: &[&str]) {
    let output = beaa(arguments);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    for word in words {
        assert!(said.contains(word), "{arguments:?}: no {word:?} in {said}");
    }
    assert!(output.stdout.is_empty(), "{arguments:?} wrote to stdout");
    assert!(!said.contains("panicked"), "{said}");
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Files of a tiny experiment, made once by the command itself.
struct Files {
    run: PathBuf,
    model: PathBuf,
    program: PathBuf,
    keys: PathBuf,
    secret: PathBuf,
    evaluation: PathBuf,
    input: PathBuf,
    labels: PathBuf,
    output: PathBuf,
}

fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

fn files() -> &'static Files {
    static FILES: OnceLock<Files> = OnceLock::new();
    FILES.get_or_init(|| {
        let root = folder("command_line");
        let at = |name: &str| root.join(name);
        let files = Files {
            run: at("run"),
            model: at("run/student.safetensors"),
            program: at("tiny.beaa"),
            keys: at("keys"),
            secret: at("keys/secret.key"),
            evaluation: at("keys/evaluation.key"),
            input: at("input.ct"),
            labels: at("labels.json"),
            output: at("output.ct"),
        };
        let Files { run, model, program, keys, secret, evaluation, input, labels, output } = &files;
        good(&["train", "configs/tiny.json", "--out", text(run)]);
        good(&["compile", text(model), "-o", text(program), "--batch", "64", "--packing", "element"]);
        good(&["keygen", text(program), "--out", text(keys)]);
        let set = ["--data-set", "pneumoniamnist", "--limit", "50"];
        let encrypt = ["encrypt", text(program), "--key", text(secret), "-o", text(input), "--labels", text(labels)];
        good(&[&encrypt[..], &set].concat());
        good(&["run", text(program), "--keys", text(evaluation), "--input", text(input), "-o", text(output)]);
        files
    })
}

#[test]
fn help_names_every_subcommand_and_exit_code() {
    let help = good(&["--help"]);
    for word in [
        "demo",
        "data",
        "train",
        "eval",
        "import",
        "compile",
        "inspect",
        "keygen",
        "passphrase",
        "encrypt",
        "run",
        "decrypt",
        "verify",
        "completions",
        "man",
        "Exit codes:",
        "130",
        "BEAA_DATA",
    ] {
        assert!(help.contains(word), "no {word} in {help}");
    }
    assert!(good(&["--version"]).starts_with("beaa "));
    for command in ["demo", "train", "encrypt", "verify"] {
        assert!(good(&[command, "--help"]).contains("--seed"), "{command}");
    }
}

#[test]
fn run_takes_no_secret() {
    let help = good(&["run", "--help"]);
    assert!(!help.contains("--key ") && !help.contains("--secret"), "{help}");
    let Files { program, secret, input, output, .. } = files();
    let into = output.with_extension("refused");
    bad(
        3,
        &["a secret key file", "evaluation key"],
        &["run", text(program), "--keys", text(secret), "--input", text(input), "-o", text(&into)],
    );
    assert!(!into.exists());
}

#[test]
fn wrong_use_is_exit_code_2() {
    bad(2, &["Usage"], &[]);
    bad(2, &["--nonsense"], &["demo", "--nonsense"]);
    bad(2, &["--threads"], &["data", "--threads", "0"]);
    bad(2, &["epoks", "epochs"], &["train", "--set", "student.epoks.x=1"]);
    bad(2, &["security", "192"], &["compile", text(&files().model), "-o", "/dev/null", "--security", "100"]);
    bad(2, &["8GiB", "lots"], &["compile", text(&files().model), "-o", "/dev/null", "--memory", "lots"]);
    bad(1, &["at least", "allow as much"], &["compile", text(&files().model), "-o", "/dev/null", "--memory", "1kB"]);
    bad(2, &["resume", "force"], &["train", "configs/tiny.json", "--out", text(&files().run)]);
    bad(2, &["--force"], &["keygen", text(&files().program), "--out", text(&files().keys)]);
    bad(2, &["--data-set"], &["verify", text(&files().program)]);
    bad(2, &["--dump"], &["inspect", text(&files().model), "--dump"]);
}

#[test]
fn bad_input_is_exit_code_3_and_named() {
    let folder = folder("bad_input");
    let missing = folder.join("missing");
    for command in ["eval", "inspect", "verify"] {
        bad(3, &["missing"], &[command, text(&missing)]);
    }
    bad(3, &["missing", "configs/"], &["train", text(&missing)]);
    bad(3, &["missing"], &["keygen", text(&missing), "--out", text(&folder)]);
    let config = folder.join("config.json");
    std::fs::write(&config, "{\n  \"studend\": {}\n}").unwrap();
    bad(3, &["studend", "line 2"], &["train", text(&config)]);
    std::fs::write(&config, r#"{"teacher": {"epochs": 0}, "student": {"lambda": 7}}"#).unwrap();
    bad(3, &["teacher.epochs", "student.lambda"], &["train", text(&config), "--out", text(&folder.join("run"))]);
    bad(3, &["imagenet", "fashion-mnist"], &["data", "imagenet"]);
    let set = ["--data-set", "mnist", "--data", text(&folder)];
    bad(3, &["mnist", "http"], &[&["eval", text(&files().model)][..], &set].concat());
    bad(3, &["relu"], &["compile", text(&files().run.join("teacher.safetensors")), "-o", text(&folder.join("p"))]);
    bad(
        3,
        &["a program file", "a secret key file"],
        &["decrypt", text(&files().program), "--key", text(&files().program), "--input", text(&files().output)],
    );
    bad(
        3,
        &["encrypted images", "encrypted results"],
        &["decrypt", text(&files().program), "--key", text(&files().secret), "--input", text(&files().input)],
    );
    let picture = folder.join("x.png");
    std::fs::write(&picture, "no picture").unwrap();
    bad(
        3,
        &["x.png", "PNG"],
        &[
            "encrypt",
            text(&files().program),
            "--key",
            text(&files().secret),
            "--images",
            text(&picture),
            "-o",
            text(&missing),
        ],
    );
    let labels = folder.join("labels.json");
    std::fs::write(&labels, "[1, 2]").unwrap();
    bad(
        3,
        &["2 labels for 50 images", "written with this batch"],
        &[
            "decrypt",
            text(&files().program),
            "--key",
            text(&files().secret),
            "--input",
            text(&files().output),
            "--labels",
            text(&labels),
        ],
    );
    assert!(!missing.exists());
}

#[test]
fn files_cut_short_or_changed_are_refused() {
    let Files { model, program, secret, evaluation, input, output, .. } = files();
    let folder = folder("cut");
    let cut = folder.join("cut");
    let into = folder.join("out");
    let commands: [(&Path, Vec<&str>); 6] = [
        (model, vec!["inspect", text(&cut)]),
        (program, vec!["keygen", text(&cut), "--out", text(&into)]),
        (secret, vec!["decrypt", text(program), "--key", text(&cut), "--input", text(output)]),
        (evaluation, vec!["run", text(program), "--keys", text(&cut), "--input", text(input), "-o", text(&into)]),
        (input, vec!["run", text(program), "--keys", text(evaluation), "--input", text(&cut), "-o", text(&into)]),
        (output, vec!["decrypt", text(program), "--key", text(secret), "--input", text(&cut)]),
    ];
    for (whole, arguments) in commands {
        let bytes = std::fs::read(whole).unwrap();
        for keep in [0, 10, bytes.len() / 2, bytes.len() - 1] {
            std::fs::write(&cut, &bytes[..keep]).unwrap();
            bad(3, &["cut"], &arguments);
        }
        let mut changed = bytes;
        // In the header, where a change is never without effect.
        changed[60] ^= 0x40;
        std::fs::write(&cut, &changed).unwrap();
        bad(3, &["cut"], &arguments);
    }
    assert!(!into.exists());
}

#[test]
fn keys_and_ciphertexts_of_others_are_refused() {
    let Files { program, input, output, .. } = files();
    let folder = folder("others");
    good(&["keygen", text(program), "--out", text(&folder)]);
    let (secret, evaluation) = (folder.join("secret.key"), folder.join("evaluation.key"));
    let into = folder.join("out");
    let run = ["run", text(program), "--keys", text(&evaluation), "--input", text(input), "-o", text(&into)];
    bad(3, &["key", "belongs to"], &run);
    bad(3, &["key", "belongs to"], &["decrypt", text(program), "--key", text(&secret), "--input", text(output)]);
    let other = folder.join("other.beaa");
    good(&["compile", text(&files().model), "-o", text(&other), "--batch", "64", "--logit-error", "0.05"]);
    bad(
        3,
        &["belongs to program", "encrypt the images for this program"],
        &["run", text(&other), "--keys", text(&files().evaluation), "--input", text(input), "-o", text(&into)],
    );
    assert!(!into.exists());
}

#[cfg(unix)]
#[test]
fn the_secret_key_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&files().secret), mode(&files().evaluation)), (0o600, 0o644));
}

#[test]
fn encrypted_answers_are_those_in_clear() {
    let Files { model, program, secret, output, labels, .. } = files();
    let decrypt = ["decrypt", text(program), "--key", text(secret), "--input", text(output), "--labels", text(labels)];
    let answers = json(&[&decrypt[..], &["--json"]].concat());
    let images = answers["images"].as_array().unwrap();
    assert_eq!(images.len(), 50);
    let evaluation = json(&["eval", text(model), "--limit", "50", "--program", text(program), "--json"]);
    assert_eq!(evaluation["images"], 50);
    let (encrypted, clear) =
        (answers["accuracy"].as_f64().unwrap(), evaluation["program"]["accuracy"].as_f64().unwrap());
    assert!((encrypted - clear).abs() <= 0.02 + 1e-9, "{encrypted} encrypted, {clear} in clear");
    // The tiny network is no constant: it is right more often than the more frequent class.
    assert!(encrypted > 0.65, "{encrypted}");

    let table = beaa(&decrypt);
    let csv = String::from_utf8(table.stdout.clone()).unwrap();
    assert!(csv.starts_with("image,prediction,class,label\n0,"), "{csv}");
    assert_eq!(csv.lines().count(), 51);
    assert!(stderr(&table).contains("of 50 images right"));
    // Outputs are rounded to what their error leaves; raw ones are asked for, and warned of.
    let raw = json(&[&decrypt[..], &["--logits", "raw", "--json"]].concat());
    let logit = |answers: &Value| answers["images"][0]["logits"][0].as_f64().unwrap();
    let step = answers["step"].as_f64().unwrap();
    assert!((logit(&raw) - logit(&answers)).abs() <= step / 2.0 && (logit(&answers) / step).fract() == 0.0);
    assert!(raw["step"].is_null() && logit(&raw) != logit(&answers));
    assert!(stderr(&beaa(&[&decrypt[..], &["--logits", "raw"]].concat())).contains("secret key"));
    // This program is far from precise enough to hide its error.
    bad(3, &["--share", "--logit-error"], &[&decrypt[..], &["--share"]].concat());
    bad(2, &["--share", "from 0 to 60"], &[&decrypt[..], &["--share", "61"]].concat());
}

#[test]
fn verification_holds_for_program_and_model() {
    let Files { model, program, .. } = files();
    let result = json(&["verify", text(program), "--data-set", "pneumoniamnist", "--limit", "40", "--json"]);
    assert_eq!(result["verification"]["holds"], true);
    assert_eq!(result["verification"]["images"], 40);
    assert!(result["verification"]["layers"].as_array().unwrap().len() >= 5);
    let said = good(&["verify", text(model), "--limit", "10", "--batch", "64"]);
    assert!(said.contains("holds") && said.contains("compiled program against the model"), "{said}");
}

#[test]
fn seeds_repeat_everything_and_are_called_insecure() {
    let Files { program, .. } = files();
    let folder = folder("seeds");
    let mut files_by_seed = Vec::new();
    for name in ["a", "b", "c"] {
        let keys = folder.join(name);
        let seed = if name == "c" { "6" } else { "5" };
        let output = beaa(&["keygen", text(program), "--out", text(&keys), "--seed", seed, "--quiet"]);
        assert!(output.status.success() && stderr(&output).contains("INSECURE"), "{}", stderr(&output));
        let input = keys.join("input.ct");
        let key = keys.join("secret.key");
        let set = ["--data-set", "pneumoniamnist", "--limit", "2", "--seed", seed];
        good(&[&["encrypt", text(program), "--key", text(&key), "-o", text(&input)][..], &set].concat());
        files_by_seed.push((std::fs::read(key).unwrap(), std::fs::read(input).unwrap()));
    }
    assert!(
        files_by_seed[0] == files_by_seed[1]
            && files_by_seed[0].0 != files_by_seed[2].0
            && files_by_seed[0].1 != files_by_seed[2].1
    );
}

#[test]
fn pictures_are_encrypted_like_data_sets() {
    let Files { program, secret, evaluation, .. } = files();
    let folder = folder("pictures");
    for (name, shade) in [("a.png", 40_u8), ("b.png", 200)] {
        image::GrayImage::from_pixel(50, 40, image::Luma([shade])).save(folder.join(name)).unwrap();
    }
    let (input, output) = (folder.join("in.ct"), folder.join("out.ct"));
    let encrypted = json(&[
        "encrypt",
        text(program),
        "--key",
        text(secret),
        "--images",
        text(&folder),
        "-o",
        text(&input),
        "--json",
    ]);
    assert_eq!(encrypted["images"], 2);
    let report = folder.join("run.json");
    good(&[
        "run",
        text(program),
        "--keys",
        text(evaluation),
        "--input",
        text(&input),
        "-o",
        text(&output),
        "--report",
        text(&report),
        "--threads",
        "1",
    ]);
    let report: Value = serde_json::from_str(&std::fs::read_to_string(report).unwrap()).unwrap();
    assert_eq!((report["threads"].as_u64(), report["images"].as_u64()), (Some(1), Some(2)));
    let csv = good(&["decrypt", text(program), "--key", text(secret), "--input", text(&output)]);
    assert!(csv.starts_with("image,prediction,class,file\n0,") && csv.lines().count() == 3, "{csv}");
    assert!(csv.lines().nth(1).unwrap().ends_with("a.png") && csv.lines().nth(2).unwrap().ends_with("b.png"), "{csv}");
}

#[test]
fn inspect_shows_every_kind_of_file() {
    let Files { model, program, secret, evaluation, input, output, .. } = files();
    let shown = good(&["inspect", text(model)]);
    assert!(shown.contains("conv2d") && shown.contains("quadratic") && shown.contains("pneumonia"), "{shown}");
    assert!(good(&["inspect", text(program)]).contains("bits security"));
    assert!(good(&["inspect", text(program), "--dump"]).contains("output %"));
    for (file, kind) in [
        (model, "model"),
        (program, "program"),
        (secret, "secret key"),
        (evaluation, "evaluation key"),
        (input, "ciphertext"),
        (output, "ciphertext"),
    ] {
        assert_eq!(json(&["inspect", text(file), "--json"])["kind"], kind);
    }
}

#[test]
fn a_run_folder_holds_everything_and_repeats() {
    let Files { run, model, .. } = files();
    for name in ["config.json", "metrics.jsonl", "teacher.safetensors", "student.safetensors", "polynomials.json"] {
        assert!(run.join(name).is_file(), "{name}");
    }
    let again = folder("again").join("run");
    good(&["train", text(&run.join("config.json")), "--out", text(&again), "--quiet"]);
    assert!(std::fs::read(model).unwrap() == std::fs::read(again.join("student.safetensors")).unwrap());
    let changed = json(&[
        "train",
        "configs/tiny.json",
        "--out",
        text(&again),
        "--force",
        "--seed",
        "2",
        "--set",
        "teacher.epochs=1",
        "--json",
    ]);
    assert!(changed["student"]["test"].is_number());
    let config: Value = serde_json::from_str(&std::fs::read_to_string(again.join("config.json")).unwrap()).unwrap();
    assert_eq!((config["seed"].as_u64(), config["teacher"]["epochs"].as_u64()), (Some(2), Some(1)));
    let teachers = folder("teachers").join("run");
    let teacher = json(&["train", "configs/tiny.json", "--out", text(&teachers), "--teacher-only", "--json"]);
    assert!(teacher["teacher"]["test"].is_number() && teacher["student"].is_null());
    assert!(teachers.join("teacher.safetensors").exists() && !teachers.join("student.safetensors").exists());
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_and_resume_goes_on() {
    let run = folder("interrupted").join("run");
    let train = ["train", "configs/tiny.json", "--out", text(&run), "--set", "teacher.epochs=150"];
    let child = command(&train).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let metrics = run.join("metrics.jsonl");
    let lines = || std::fs::read_to_string(&metrics).map_or(0, |text| text.lines().count());
    let started = Instant::now();
    while lines() < 3 && started.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert!(stderr(&output).contains("--resume"), "{}", stderr(&output));
    assert!(!run.join("student.safetensors").exists() && lines() < 150);
    good(&[&train[..], &["--resume"]].concat());
    assert!(run.join("student.safetensors").exists());
    assert_eq!(lines(), 152);
}

#[test]
fn data_says_where_to_get_what_is_missing() {
    let sets = json(&["data", "--json", "--data", text(&folder("no_data"))]);
    let named = |name: &str| sets.as_array().unwrap().iter().find(|s| s["name"] == name).unwrap();
    assert_eq!(named("pneumoniamnist")["status"], "embedded");
    let mnist = named("mnist");
    assert!(mnist["files"][0]["address"].as_str().unwrap().starts_with("http"));
    assert!(mnist["files"][0]["sha256"].is_string() && mnist["licence"].is_string());
    assert!(good(&["data", "mnist"]).contains("licence"));
}

#[test]
fn the_demo_writes_its_report() {
    let out = folder("demo").join("report");
    let demo =
        ["demo", "--config", "configs/tiny.json", "--images", "20", "--set", "compile.batch=64", "--out", text(&out)];
    let summary = json(&[&demo[..], &["--json"]].concat());
    assert_eq!(summary["verified"], true);
    assert_eq!(summary["data"]["encrypted"], 20);
    assert_eq!(summary["accuracy"]["student"], summary["accuracy"]["encrypted"]);
    for name in
        ["config.json", "metrics.jsonl", "student.safetensors", "program.beaa", "report.json", "verification.json"]
    {
        assert!(out.join(name).is_file(), "{name}");
    }
    let page = std::fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.matches("<svg").count() >= 6 && page.trim_end().ends_with("</html>"));
    for outside in ["<script", "<link", "src=", "url(", "@import", "href="] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(good(&demo).contains("student encrypted"));
}
