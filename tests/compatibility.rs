//! Files of earlier format versions load for ever, or say which version is needed. One small file
//! of every kind lies under `tests/data/v1` to `v4`; they are never rewritten. Version 2 changed
//! the residues of keys and ciphertexts, version 3 only models: their format 2 has a typed
//! provenance, version 4 only those whose pictures are preprocessed.

#![cfg(feature = "command")]
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use beaa_base::preprocessing::Preprocessing;
use beaa_ir::ckks::{SignatureFile, load_program, load_signature};
use beaa_ir::{
    Activation, InputSpec, Layer, LayerOp, Linear, Model, ModelLiteral, Polynomial, Provenance, Range, Tensor,
    TrainingData, WeightGrid, evaluate, load_model, save_model,
};
use serde_json::Value;

fn v1(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/v1").join(name)
}

fn v2(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/v2").join(name)
}

fn v4(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/v4").join(name)
}

fn v3(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/v3").join(name)
}

fn beaa(arguments: &[&Path]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_beaa")).args(arguments).output().unwrap()
}

fn succeed(arguments: &[&Path]) -> String {
    let output = beaa(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A copy of a key of the repository that its owner alone can read, as keys must be: a checkout has
/// other modes.
fn private(key: &Path, folder: &Path) -> PathBuf {
    let copy = folder.join("private.key");
    std::fs::copy(key, &copy).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    copy
}

/// With the key that lies beside the answers.
fn logits(program: &Path, answers: &Path) -> Vec<Vec<f64>> {
    let folder = tempfile::tempdir().unwrap();
    let key = private(&answers.with_file_name("secret.key"), folder.path());
    let [command, key_flag, input_flag, json] = ["decrypt", "--key", "--input", "--json"].map(Path::new);
    // Ciphertexts of version 2 do not say to which batch they belong.
    let [trusted, logits, raw] = ["--without-receipt", "--logits", "raw"].map(Path::new);
    let refused = beaa(&[command, program, key_flag, &key, input_flag, answers]);
    assert_eq!(refused.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--without-receipt"));
    let text = succeed(&[command, program, key_flag, &key, input_flag, answers, json, trusted, logits, raw]);
    let value: Value = serde_json::from_str(&text).unwrap();
    let images = value["images"].as_array().unwrap();
    images.iter().map(|i| i["logits"].as_array().unwrap().iter().map(|l| l.as_f64().unwrap()).collect()).collect()
}

#[test]
fn version_1_files_are_read_or_say_what_to_do() {
    let model = load_model(&v1("model.safetensors")).unwrap();
    let program = load_program(&v1("program.beaa")).unwrap();
    assert_eq!(program.signature().model, model.name());
    assert_eq!(load_signature(&v1("program.beaa.signature")).unwrap(), SignatureFile::from(&program));
    let folder = tempfile::tempdir().unwrap();
    succeed(&[Path::new("inspect"), &private(&v1("secret.key"), folder.path())]);
    for (name, remedy) in [("evaluation.key", "beaa keygen"), ("images.ct", "beaa encrypt"), ("answers.ct", "encrypt")]
    {
        let output = beaa(&[Path::new("inspect"), &v1(name)]);
        let text = String::from_utf8_lossy(&output.stderr).to_string();
        assert_eq!(output.status.code(), Some(3), "{name}");
        assert!(text.contains("version 1") && text.contains("from 2 on") && text.contains(remedy), "{name}: {text}");
    }
}

#[test]
fn version_2_files_are_read() {
    let model = load_model(&v2("model.safetensors")).unwrap();
    let program = load_program(&v2("program.beaa")).unwrap();
    assert_eq!(load_signature(&v2("program.beaa.signature")).unwrap(), SignatureFile::from(&program));
    // Picture i is a plane of grey level 50 i.
    let expected = |i: usize| evaluate(&model, &model.input().normalise(&[50 * i as u8; 4])).unwrap();
    let kept = logits(&v2("program.beaa.signature"), &v2("answers.ct"));
    let folder = tempfile::tempdir().unwrap();
    let fresh = folder.path().join("answers.ct");
    std::fs::copy(v2("secret.key"), folder.path().join("secret.key")).unwrap();
    let [run, keys, input, out] = ["run", "--keys", "--input", "-o"].map(Path::new);
    succeed(&[run, &v2("program.beaa"), keys, &v2("evaluation.key"), input, &v2("images.ct"), out, &fresh]);
    let now = logits(&v2("program.beaa"), &fresh);
    assert_eq!((kept.len(), now.len()), (3, 3));
    for i in 0..3 {
        for ((k, n), e) in kept[i].iter().zip(&now[i]).zip(expected(i)) {
            assert_eq!(k, n, "the same ciphertexts give the same answer as when the files were written");
            assert!((k - e).abs() < 0.05, "image {i}: {k} for {e}");
        }
    }
}

#[test]
fn a_newer_version_says_so() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["program.beaa", "program.beaa.signature", "secret.key", "evaluation.key", "images.ct"] {
        let mut bytes = std::fs::read(v2(name)).unwrap();
        bytes[4] = 9;
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let path = private(&path, folder.path());
        let output = beaa(&[Path::new("inspect"), &path]);
        let text = String::from_utf8_lossy(&output.stderr).to_string();
        assert_eq!(output.status.code(), Some(3), "{name}");
        assert!(text.contains("version 9") && text.contains("newer release"), "{name}: {text}");
    }
}

#[test]
fn a_model_of_format_2_keeps_its_provenance() {
    assert_eq!(load_model(&v3("model.safetensors")).unwrap(), small_model("version-3", provenance()));
}

#[test]
fn a_model_of_format_4_keeps_its_preprocessing() {
    let model = load_model(&v4("model.safetensors")).unwrap();
    assert_eq!(model, preprocessing_model());
    assert_eq!((model.input().picture_shape(), model.input().shape), ([1, 4, 6], [1, 2, 2]));
    // Only models with it have that version: what older releases can read, they shall.
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("plain.safetensors");
    save_model(&small_model("plain", Provenance::default()), &plain).unwrap();
    let text = String::from_utf8_lossy(&std::fs::read(&plain).unwrap()).into_owned();
    assert!(text.contains(r#"\"format\":3"#), "{text}");
    let bytes = std::fs::read(v4("model.safetensors")).unwrap();
    assert!(String::from_utf8_lossy(&bytes).contains(r#"\"format\":4"#));
}

fn preprocessing_model() -> Model {
    let steps = r#"[{"crop": {"top": 0, "left": 1, "height": 4, "width": 4}}, {"resize": {"height": 2, "width": 2}}]"#;
    let preprocessing = Preprocessing::new([1, 4, 6], serde_json::from_str(steps).unwrap()).unwrap();
    let mut literal = small_model("version-4", provenance()).into_literal();
    literal.input.preprocessing = Some(preprocessing);
    Model::try_from(literal).unwrap()
}

fn provenance() -> Provenance {
    Provenance {
        data: Some(TrainingData {
            name: Some("mnist".into()),
            source: Some(serde_json::json!({"name": "mnist", "validation": 2000})),
            checksum: Some("0123abcd".into()),
            pixel_bits: Some(1),
        }),
        seed: Some(7),
        weight_grids: [("fc1".into(), WeightGrid { bits: 4, unit: 0.125 })].into(),
        record: serde_json::json!({"configuration": {"epochs": 3}}),
    }
}

fn small_model(name: &str, provenance: Provenance) -> Model {
    let tensor = |shape: &[usize], data: &[f32]| Tensor::new(shape.to_vec(), data.to_vec()).unwrap();
    let linear = |weight, bias| LayerOp::Linear(Linear { weight, bias: Some(bias) });
    let polynomial =
        Polynomial { a: tensor(&[2], &[0.5, -0.25]), b: tensor(&[2], &[1.0, 0.5]), c: tensor(&[2], &[0.0, 0.125]) };
    let function = Activation::Polynomial(polynomial);
    let layer = |name: &str, op| Layer { name: name.into(), op };
    Model::try_from(ModelLiteral {
        name: name.into(),
        input: InputSpec::pixels([1, 2, 2], vec![0.5], vec![0.5]),
        classes: vec!["no".into(), "yes".into()],
        threshold: None,
        layers: vec![
            layer("flat", LayerOp::Flatten),
            layer(
                "fc1",
                linear(tensor(&[2, 4], &[0.5, -0.25, 0.125, 1.0, -0.5, 0.25, 0.75, -1.0]), tensor(&[2], &[0.1, -0.1])),
            ),
            layer("act", LayerOp::Activation { function, range: Some(Range { min: -3.0, max: 3.0 }) }),
            layer("fc2", linear(tensor(&[2, 2], &[1.0, -0.5, 0.25, 0.75]), tensor(&[2], &[0.0, 0.5]))),
        ],
        accuracy: None,
        provenance,
    })
    .unwrap()
}

#[test]
#[ignore = "writes the file that the other test reads"]
fn write_the_model_of_format_2() {
    let path = v3("model.safetensors");
    assert!(!path.exists(), "{} is there already", path.display());
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    save_model(&small_model("version-3", provenance()), &path).unwrap();
}

#[test]
#[ignore = "writes the file that the other test reads"]
fn write_the_model_of_format_4() {
    let path = v4("model.safetensors");
    assert!(!path.exists(), "{} is there already", path.display());
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    save_model(&preprocessing_model(), &path).unwrap();
}

/// Writes the files, once for every format version:
/// `cargo test --release --test compatibility -- --ignored`. Refuses to replace what is there.
#[test]
#[ignore = "writes the files that the other tests read"]
fn write_the_files_of_this_version() {
    let folder = v2("");
    assert!(!folder.exists(), "{} is there already", folder.display());
    std::fs::create_dir_all(&folder).unwrap();
    let model = small_model("version-2", Provenance::default());
    save_model(&model, &v2("model.safetensors")).unwrap();
    let mut pictures = Vec::new();
    for i in 0..3_u8 {
        let path = std::env::temp_dir().join(format!("beaa-v2-{i}.png"));
        image::GrayImage::from_pixel(2, 2, image::Luma([50 * i])).save(&path).unwrap();
        pictures.push(path);
    }
    let word = Path::new;
    let (program, key) = (v2("program.beaa"), v2("secret.key"));
    succeed(&[
        word("compile"),
        &v2("model.safetensors"),
        word("-o"),
        &program,
        word("--batch"),
        word("1"),
        word("--logit-error"),
        word("0.01"),
    ]);
    succeed(&[word("keygen"), &program, word("--out"), &folder]);
    let mut encrypt = vec![word("encrypt"), &program, word("--key"), &key, word("-o")];
    let images = v2("images.ct");
    encrypt.extend([images.as_path(), word("--images")]);
    encrypt.extend(pictures.iter().map(PathBuf::as_path));
    succeed(&encrypt);
    let (keys, answers) = (v2("evaluation.key"), v2("answers.ct"));
    succeed(&[word("run"), &program, word("--keys"), &keys, word("--input"), &images, word("-o"), &answers]);
}
