//! The submissions to the public benchmark, built and called as its harness does: stages as
//! executables in the root of a repository, sizes by number, images as text, one class a line.

#![cfg(all(unix, feature = "command"))]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use beaa_datasets::{Split, open_split};
use beaa_ir::{Activation, InputSpec, Layer, LayerOp, Linear, Model, ModelLiteral, Provenance, Tensor, save_model};
use serde_json::{Value, json};

/// A fork of the benchmark with a copy of `submissions/`.
struct Fork {
    root: PathBuf,
    submission: &'static str,
}

impl Fork {
    fn new(submission: &'static str) -> Self {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("submissions").join(submission);
        let _ = std::fs::remove_dir_all(&root);
        copy(&repository().join("submissions"), &root.join("submissions"));
        Self { root, submission }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// Builds the submission with the command that is there already, the models below `source`.
    fn build(&self, source: &Path) {
        let folder = format!("./submissions/{}", self.submission);
        let mut build = Command::new("./submissions/scripts/build_task.sh");
        build.arg(&folder).current_dir(&self.root).env("BEAA_SOURCE", source).env("BEAA", env!("CARGO_BIN_EXE_beaa"));
        let output = build.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// What a stage says if it fails.
    fn stage(&self, stage: &str, size: &str) -> Result<(), String> {
        let path = format!("submissions/{}/build/{stage}", self.submission);
        let output = Command::new(self.at(&path)).arg(size).current_dir(&self.root).output().unwrap();
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
    }

    /// All stages over `images`, pixels of 0 to 255; gives the classes that are answered.
    fn answers<'a>(&self, size: &str, name: &str, images: impl Iterator<Item = &'a [u8]>) -> Vec<usize> {
        let _ = std::fs::remove_dir_all(self.at(&format!("io/{name}")));
        std::fs::create_dir_all(self.at(&format!("io/{name}"))).unwrap();
        let folder = self.at(&format!("datasets/{name}/intermediate"));
        std::fs::create_dir_all(&folder).unwrap();
        let mut text = String::new();
        for image in images {
            for (i, &pixel) in image.iter().enumerate() {
                let blank = if i == 0 { "" } else { " " };
                write!(text, "{blank}{:.6}", f64::from(pixel) / 255.0).unwrap();
            }
            text.push('\n');
        }
        std::fs::write(folder.join("test_pixels.txt"), text).unwrap();
        for stage in [
            "client_key_generation",
            "server_preprocess_model",
            "client_preprocess_input",
            "client_encode_encrypt_input",
            "server_encrypted_compute",
            "client_decrypt_decode",
            "client_postprocess",
        ] {
            self.stage(stage, size).unwrap_or_else(|message| panic!("{stage}: {message}"));
        }
        let io = |path: &str| self.at(&format!("io/{name}/{path}"));
        assert!(!io("public_keys/secret.key").exists() && io("secret_key/secret.key").exists());
        for sent in ["ciphertexts_upload", "ciphertexts_download"] {
            assert_eq!(std::fs::read_dir(io(sent)).unwrap().count(), 1, "nothing but ciphertexts in {sent}");
        }
        let steps: Value =
            serde_json::from_str(&std::fs::read_to_string(io("server_reported_steps.json")).unwrap()).unwrap();
        assert!(steps["Encrypted computation"].as_f64().unwrap() > 0.0, "{steps}");
        let found = std::fs::read_to_string(io("encrypted_model_predictions.txt")).unwrap();
        found.lines().map(|line| line.parse().unwrap()).collect()
    }
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Copies a folder, without what was built in it.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (path, name) = (entry.as_ref().unwrap().path(), entry.unwrap().file_name());
        if path.is_dir() && name != "build" {
            copy(&path, &to.join(name));
        } else if path.is_file() {
            std::fs::copy(&path, to.join(name)).unwrap();
        }
    }
}

#[test]
fn the_submission_for_mnist_answers_every_image() {
    let fork = Fork::new("mnist");
    fork.build(repository());
    let data = repository().join("tests/data/mnist-300");
    let [images, labels] = ["images-idx3-ubyte.gz", "labels-idx1-ubyte.gz"].map(|name| data.join(name));
    let spec = json!({"idx": {"test": {"images": images, "labels": labels}}});
    let set = open_split(&serde_json::from_value(spec).unwrap(), Split::Test, &[]).unwrap().images;
    let labels: Vec<usize> = set.labels().iter().map(|&label| usize::from(label)).collect();

    assert_eq!(fork.answers("0", "single", set.rows().take(1)), labels[..1]);
    let found = fork.answers("1", "small", set.rows().take(100));
    assert_eq!(found.len(), 100);
    let right = found.iter().zip(&labels).filter(|(found, label)| found == label).count();
    assert!(right >= 95, "{right} of 100");
    // Again over what is there, as the harness does with several runs of the same keys.
    fork.stage("client_encode_encrypt_input", "1").unwrap();
    fork.stage("server_encrypted_compute", "1").unwrap();
    let wrong = fork.stage("client_encode_encrypt_input", "7").unwrap_err();
    assert!(wrong.contains("the size '7', expected 0 (single)"), "{wrong}");
}

/// A network that says whether a picture is red (class 0) or green (class 1).
fn red_or_green() -> Model {
    let mean = |plane: usize| (0..3 * 1024).map(move |i| if i / 1024 == plane { 1.0 / 1024.0 } else { 0.0 });
    let tensor = |shape: &[usize], data: Vec<f32>| Tensor::new(shape.to_vec(), data).unwrap();
    let linear = |weight, bias| LayerOp::Linear(Linear { weight, bias: Some(bias) });
    let last = (0..20).map(|i| match i {
        0 | 3 => 8.0,
        1 | 2 => -8.0,
        _ => 0.0,
    });
    let bias = (0..10).map(|class| if class < 2 { 0.0 } else { -20.0 });
    let layer = |name: &str, op| Layer { name: name.into(), op };
    Model::try_from(ModelLiteral {
        name: "red-or-green".into(),
        input: InputSpec::pixels([3, 32, 32], vec![0.0; 3], vec![1.0; 3]),
        classes: (0..10).map(|class| format!("class {class}")).collect(),
        threshold: None,
        layers: vec![
            layer("flat", LayerOp::Flatten),
            layer("mean", linear(tensor(&[2, 3072], mean(0).chain(mean(1)).collect()), tensor(&[2], vec![0.0; 2]))),
            layer("square", LayerOp::Activation { function: Activation::Square, range: None }),
            layer("last", linear(tensor(&[10, 2], last.collect()), tensor(&[10], bias.collect()))),
        ],
        accuracy: None,
        provenance: Provenance::default(),
    })
    .unwrap()
}

#[test]
fn the_submission_for_cifar_10_answers_images_in_colour() {
    let fork = Fork::new("cifar10");
    save_model(&red_or_green(), &fork.at("model.safetensors")).unwrap();
    let settings = fork.at("submissions/cifar10/settings");
    let mut text = std::fs::read_to_string(&settings).unwrap();
    for program in ["MODEL=model.safetensors PROGRAM", "MODEL_SINGLE=model.safetensors PROGRAM_SINGLE"] {
        writeln!(text, "{program}='--batch 1 --logit-error 0.5'").unwrap();
    }
    text.push_str("SAMPLES=\n");
    std::fs::write(&settings, text).unwrap();
    fork.build(&fork.root);
    let picture = |plane: usize| (0..3072).map(|i| if i / 1024 == plane { 200 } else { 30 }).collect::<Vec<u8>>();
    let (red, green) = (picture(0), picture(1));
    assert_eq!(fork.answers("0", "single", std::iter::once(green.as_slice())), [1]);
    assert_eq!(fork.answers("1", "small", [&*green, &*red, &*green].into_iter()), [1, 0, 1]);
    // One image has a program of its own: without that of the others it is answered all the same.
    std::fs::remove_file(fork.at("submissions/cifar10/build/program.beaa")).unwrap();
    assert_eq!(fork.answers("0", "single", std::iter::once(red.as_slice())), [0]);
}
