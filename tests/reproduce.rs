//! Matrices of experiments and folders of own images as a user meets them: through the command
//! line, on small examples.
#![cfg(feature = "command")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn beaa(arguments: &[&str]) -> Output {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("no_home");
    let mut command = Command::new(env!("CARGO_BIN_EXE_beaa"));
    command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).env_remove("BEAA_DATA").env_remove("BEAA_THREADS");
    command.env("HOME", &home).env("XDG_CACHE_HOME", &home).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn good(arguments: &[&str]) -> (String, String) {
    let output = beaa(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    let said = stderr(&output);
    (String::from_utf8(output.stdout).unwrap(), said)
}

fn bad(code: i32, words: &[&str], arguments: &[&str]) {
    let output = beaa(arguments);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    assert!(words.iter().all(|w| said.contains(w)) && !said.contains("panicked"), "{words:?}: {said}");
}

fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&path);
    path
}

fn rows(folder: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join("results.jsonl")).unwrap();
    text.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

#[test]
fn a_matrix_goes_on_where_it_stopped() {
    let (out, matrix) = (folder("matrix"), "configs/experiments/tiny.json");
    let out_path = out.to_str().unwrap();
    let (listed, _) = good(&["reproduce", matrix, "--list"]);
    assert_eq!(listed.lines().count(), 4);
    assert!(listed.starts_with("seed 1, activation channel\n"), "{listed}");

    let (text, _) = good(&["reproduce", matrix, "--out", out_path, "--only", "seed=1,activation=element"]);
    assert!(text.contains("1 of 4 runs") && text.contains("| element | 1 |"), "{text}");
    assert!(text.contains("## Packings") && text.contains("stated elsewhere: 90.00 %"), "{text}");
    let first = rows(&out);
    assert_eq!((first.len(), &first[0]["labels"]["activation"]), (1, &Value::from("element")));

    bad(2, &["--resume", "--force"], &["reproduce", matrix, "--out", out_path]);
    bad(
        2,
        &["no `elephant`", "channel, element"],
        &["reproduce", matrix, "--out", out_path, "--only", "activation=elephant"],
    );

    let (text, said) = good(&["reproduce", matrix, "--out", out_path, "--resume"]);
    assert!(text.contains("4 of 4 runs") && said.contains("seed 1, activation element: finished already"), "{said}");
    let all = rows(&out);
    assert_eq!((all.len(), &all[0]), (4, &first[0]), "the finished run was not done again");
    // Two seeds, hence two teachers for four students.
    assert_eq!(std::fs::read_dir(out.join("teachers")).unwrap().count(), 2);
    assert_eq!(said.matches("teacher epoch 1/").count(), 1, "the teacher of seed 1 was there: {said}");
    for row in &all {
        let outcome = &row["outcome"];
        assert_eq!(outcome["ended"], "done");
        assert_eq!(outcome["encrypted"]["images"], 128);
        assert!(outcome["encrypted"]["agreeing"].as_u64().unwrap() >= 126, "{row}");
        assert!(outcome["encrypted"]["log2_qp"].as_f64().unwrap() > 50.0);
    }
    let files = ["table.md", "packings.md"].map(|name| std::fs::read_to_string(out.join(name)).unwrap());
    assert_eq!(files.join("\n"), text);
    assert_eq!(said.matches("packings of").count(), 0, "the first call has measured them: {said}");
    let packings = std::fs::read_to_string(out.join("packings.jsonl")).unwrap();
    let packings: Vec<Value> = packings.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!((packings.len(), &packings[0]["key"]), (1, &first[0]["key"]));
    let point = |method: &str, images: u64| {
        let points = packings[0]["figures"]["points"].as_array().unwrap();
        points.iter().find(|p| p["method"] == method && p["images"] == images).unwrap().clone()
    };
    for method in ["element", "channel", "block", "auto", "tfhe"] {
        let [one, many] = [1, 64].map(|images| point(method, images)["seconds"].as_f64().unwrap());
        assert!(one > 0.0 && many > 0.0, "{method}");
    }
    assert_eq!(point("channel", 64)["batches"], 64);
    let drawn = std::fs::read_to_string(out.join("headline.svg")).unwrap();
    assert!(drawn.contains("stated") && drawn.contains("1.65") && drawn.contains("Time for each of 64 images"));
    let table: Value = serde_json::from_str(&std::fs::read_to_string(out.join("table.json")).unwrap()).unwrap();
    assert_eq!(table["differences"][0]["student"]["n"], 2);
    assert!(out.join("accuracy.svg").is_file() && out.join("differences.svg").is_file());
}

#[test]
fn a_run_that_diverges_is_a_result() {
    let out = folder("diverging");
    std::fs::create_dir_all(&out).unwrap();
    let text = std::fs::read_to_string("configs/experiments/tiny.json").unwrap();
    let mut matrix: Value = serde_json::from_str(&text).unwrap();
    matrix["base"]["student"]["optimiser"]["learning_rate"] = Value::from(1.0);
    matrix["base"]["student"]["optimiser"]["clip_norm"] = Value::Null;
    matrix["base"]["student"]["vertex_bound"] = Value::from(0);
    matrix["axes"][1]["values"] = serde_json::json!([1]);
    matrix["axes"][0] =
        serde_json::json!({"name": "activation", "path": "student.activation", "values": ["square", "element"]});
    matrix["compare"] = serde_json::json!([]);
    // So steep that only the first is sure to leave the finite numbers.
    matrix["axes"].as_array_mut().unwrap().push(serde_json::json!({"name": "rate", "variations":
        [{"name": "steep", "set": {"student.optimiser.learning_rate": 1.0, "student.optimiser.kind": "sgd",
            "student.epochs": 6}}]}));
    let file = out.join("matrix.json");
    std::fs::write(&file, matrix.to_string()).unwrap();
    let results = out.join("out");
    let (text, _) = good(&["reproduce", file.to_str().unwrap(), "--out", results.to_str().unwrap()]);
    assert!(text.contains("1 diverged"), "{text}");
    let all = rows(&results);
    assert_eq!(all.len(), 2, "the matrix went on");
    assert!(all.iter().any(|r| r["outcome"]["message"].as_str().is_some_and(|m| m.contains("student, epoch"))));
}

#[test]
#[cfg(not(any(feature = "wgpu", feature = "cuda")))]
fn a_device_that_is_not_built_in_is_refused_before_anything_is_written() {
    let out = folder("no_device");
    let out_path = out.to_str().unwrap();
    for device in ["wgpu", "cuda"] {
        let remedy = format!("build with `--features {device}`");
        bad(
            2,
            &["opening the compute device", &remedy],
            &["train", "configs/tiny.json", "--device", device, "--out", out_path],
        );
    }
    assert!(!out.exists());
}

/// Forty images of 12 x 12 in two classes: bright left, bright right.
fn pictures(name: &str) -> PathBuf {
    let root = folder(name);
    for (class, side) in [("left", 0), ("right", 1)] {
        std::fs::create_dir_all(root.join(class)).unwrap();
        for i in 0..20_u32 {
            let picture = image::GrayImage::from_fn(12, 12, |x, y| {
                image::Luma([if x / 6 == side { 200 } else { 20 } + ((x * 7 + y * 5 + i * 3) % 17) as u8])
            });
            picture.save(root.join(class).join(format!("{i}.png"))).unwrap();
        }
    }
    root
}

#[test]
fn a_folder_of_own_images_is_enough() {
    let (root, out) = (pictures("own"), folder("own_run"));
    let arguments = ["train", root.to_str().unwrap(), "--out", out.to_str().unwrap(), "--json"];
    let (text, said) = good(&arguments);
    for words in
        ["40 training images of 2 classes: left (20), right (20)", "all grey", "12 x 12: kept", "CryptoNets", "seed 1"]
    {
        assert!(said.contains(words), "{words}: {said}");
    }
    let result: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(result["student"]["test"], 1.0, "two plain classes are told apart");

    // The configuration that was written does the same again.
    let config = out.join("config.json");
    let again = folder("own_again");
    good(&["train", config.to_str().unwrap(), "--out", again.to_str().unwrap()]);
    let bytes = |folder: &Path| std::fs::read(folder.join("student.safetensors")).unwrap();
    assert_eq!(bytes(&out), bytes(&again));
}

#[test]
fn bad_folders_are_explained() {
    let root = pictures("bad_own");
    let root_path = root.to_str().unwrap();
    std::fs::copy(root.join("left/0.png"), root.join("stray.png")).unwrap();
    bad(3, &["1 image beside", "move or remove"], &["train", root_path]);
    std::fs::remove_file(root.join("stray.png")).unwrap();
    std::fs::remove_dir_all(root.join("right")).unwrap();
    bad(3, &["one class", "at least two"], &["train", root_path]);
    std::fs::remove_dir_all(root.join("left")).unwrap();
    bad(3, &["one sub-folder of images per class"], &["train", root_path]);
}
