//! Memory and threads as a user meets them: what a command says that it needs is what its process
//! takes, and what would take too much is refused with both numbers before it starts.
#![cfg(feature = "command")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// What a process takes for its threads and whatever else it has before it does anything.
const PROCESS: f64 = 10e6;
/// Less than most commands need.
const LIMIT: f64 = 8e6;

fn command(folder: &Path, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_beaa"));
    command.args(arguments.split_whitespace()).current_dir(folder);
    for variable in ["BEAA_DATA", "BEAA_MEMORY", "BEAA_THREADS", "RAYON_NUM_THREADS"] {
        command.env_remove(variable);
    }
    command.env("HOME", folder).env("XDG_CACHE_HOME", folder);
    command
}

fn run(mut command: Command) -> Output {
    command.output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn good(folder: &Path, arguments: &str) {
    let output = run(command(folder, arguments));
    assert!(output.status.success(), "{arguments}: {}", stderr(&output));
}

/// What a command says with `code`, which is no abort.
fn refused(code: i32, command: Command) -> String {
    refusal(code, &run(command))
}

fn refusal(code: i32, output: &Output) -> String {
    let said = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(!said.contains("panicked") && !said.contains("memory allocation"), "{said}");
    said
}

fn model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models/mnist/student.safetensors")
}

/// Bytes in words such as `needs 118.81 MB of memory`.
fn needed(said: &str) -> f64 {
    let words: Vec<&str> = said.split("needs ").nth(1).unwrap_or_else(|| panic!("{said}")).split(' ').collect();
    let unit = [("B", 1.0), ("kB", 1e3), ("MB", 1e6), ("GB", 1e9), ("TB", 1e12)];
    words[0].parse::<f64>().unwrap() * unit.iter().find(|(name, _)| *name == words[1]).unwrap().1
}

/// The most memory of its own that a command's process had while it ran, in bytes. Pages of files
/// are not in it: the system takes them back when it needs them.
fn measured(mut command: Command) -> f64 {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0.0_f64;
    loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|l| l.strip_prefix("RssAnon:"));
        let kibibytes = line.and_then(|l| l.trim().strip_suffix("kB")?.trim().parse::<f64>().ok());
        peak = kibibytes.map_or(peak, |k| peak.max(1024.0 * k));
        if let Some(ended) = child.try_wait().unwrap() {
            assert!(ended.success(), "{command:?}");
            return peak;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn commands_take_what_they_say() {
    for options in ["", "--packing block:512"] {
        take_what_they_say(options);
    }
}

#[cfg(target_os = "linux")]
fn take_what_they_say(options: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let compile = format!("compile {} -o p.beaa {options}", model().display());
    good(path, &compile);
    good(path, "keygen p.beaa.signature --out keys");
    let data = "--data-set pneumoniamnist --limit 12";
    let encrypt = format!("encrypt p.beaa.signature --key keys/secret.key {data} -o i.ct --force");
    good(path, &encrypt);
    let compute = "run p.beaa --keys keys/evaluation.key --input i.ct -o a.ct --force";
    let verify = format!("verify p.beaa {data}");
    for arguments in [&compile, &encrypt, compute, &verify] {
        let arguments = format!("{arguments} --threads 2").replace("-o p.beaa", "-o q.beaa --force");
        let mut short = command(path, &arguments);
        // Enough for the images, which come first.
        short.env("BEAA_MEMORY", format!("{}MB", LIMIT / 1e6));
        let output = run(short);
        let resident = measured(command(path, &arguments));
        if output.status.success() {
            assert!(resident <= LIMIT + PROCESS, "{arguments}: {resident} resident, {LIMIT} were allowed");
            continue;
        }
        let planned = needed(&refusal(1, &output)) + PROCESS;
        let ratio = planned / resident;
        assert!((0.9..3.0).contains(&ratio), "{arguments}: {planned} planned, {resident} resident");
    }
}

#[test]
fn too_little_memory_is_told_with_both_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/v2");
    let at = |name: &str| data.join(name).display().to_string();
    let (program, key, input) = (at("program.beaa"), at("evaluation.key"), at("images.ct"));
    let run = format!("run {program} --keys {key} --input {input} -o answers.ct");
    let said = refused(1, command(path, &format!("{run} --memory 1kB")));
    for words in ["running the program: needs", "expected at most 1.00 kB", "compile the model with --memory"] {
        assert!(said.contains(words), "{said}");
    }
    good(path, &format!("{run} --memory 1GB"));
    let mut unread = command(path, &run);
    unread.env("BEAA_MEMORY", "much");
    assert!(refused(2, unread).contains("BEAA_MEMORY: found `much`, expected a size"));
}

#[test]
fn verifying_a_program_is_limited_and_takes_no_option_of_the_compiler() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    good(path, &format!("compile {} -o p.beaa", model().display()));
    let verify = "verify p.beaa --data-set pneumoniamnist --limit 2";
    let said = refused(1, command(path, &format!("{verify} --memory 8MB")));
    assert!(said.contains("verifying the program: needs") && said.contains("at most 8.00 MB"), "{said}");
    let said = refused(2, command(path, &format!("{verify} --security 256")));
    assert!(said.contains("found --security with a program, expected a model"), "{said}");
}

#[test]
fn networks_without_bound_are_refused_before_they_are_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let layers = [
        (r#""flatten", {"linear": {"out": 4000000000}}"#, 1),
        (r#""flatten", {"linear": {"out": 18446744073709551615}}"#, 1),
        (r#"{"conv2d": {"out": 2, "kernel": 268435456}}"#, 3),
        (r#"{"conv2d": {"out": 2, "kernel": 8192}}"#, 3),
        (r#"{"conv2d": {"out": 4000000000, "kernel": 3}}"#, 1),
    ];
    for (network, code) in layers {
        // With the layers in between that all of them have.
        let network = format!(r#"[{network}, "activation", "flatten", {{"linear": {{"out": "classes"}}}}]"#);
        let config = format!(r#"{{"name": "c", "data": {{"source": "pneumoniamnist"}}, "network": {network}}}"#);
        std::fs::write(path.join("c.json"), config).unwrap();
        let said = refused(code, command(path, "train c.json --out run"));
        assert!(said.contains("training: needs") || said.contains("fits into the padded input"), "{said}");
    }
}

#[test]
fn absurd_numbers_of_threads_are_refused_and_large_ones_capped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for (threads, words) in [("0", "from 1 to 65536"), ("100000", "from 1 to 65536")] {
        assert!(refused(2, command(path, &format!("data --threads {threads}"))).contains(words));
    }
    let output = run(command(path, "data --threads 5000"));
    assert!(output.status.success() && stderr(&output).contains("threads instead of 5000"), "{}", stderr(&output));
    let mut pool = command(path, "data");
    pool.env("RAYON_NUM_THREADS", "5000");
    assert!(stderr(&run(pool)).contains("threads instead of 5000"));
}
