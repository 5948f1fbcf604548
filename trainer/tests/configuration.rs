//! Configurations: the shipped ones are valid, defaults fill in, and everything wrong is reported
//! at once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use beaa_trainer::{Error, LayerConfig, Outputs, TrainConfig};

#[test]
fn shipped_configurations_are_valid_and_commented() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "json") {
            let text = std::fs::read_to_string(&path).unwrap();
            // The section for the compiler is not the trainer's to judge.
            let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
            value.as_object_mut().unwrap().remove("compile");
            TrainConfig::from_json(&value.to_string()).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            assert!(text.contains("\"description\""), "{}: say what it is for", path.display());
            count += 1;
        }
    }
    assert!(count >= 3);
}

#[test]
fn nothing_at_all_is_a_complete_configuration() {
    let config = TrainConfig::from_json("{}").unwrap();
    assert_eq!(config.layer_names(), ["conv1", "activation1", "flatten1", "linear1", "activation2", "linear2"]);
    assert!(matches!(config.literal().network.last(), Some(LayerConfig::Linear(l)) if l.out == Outputs::Classes));
}

#[test]
fn what_is_written_is_read_again() {
    let config = TrainConfig::from_json(
        r#"{"description": ["a", "b"], "student": {"init": {"constant": {"a": 0.1, "b": 0.5, "c": 0.2}}}}"#,
    )
    .unwrap();
    let text = serde_json::to_string(&config).unwrap();
    let again = TrainConfig::from_json(&text).unwrap();
    assert_eq!(text, serde_json::to_string(&again).unwrap());
}

#[test]
fn a_comment_may_be_a_string_or_lines() {
    for text in [r#"{"_comment": "x"}"#, r#"{"description": ["x", "y"]}"#] {
        TrainConfig::from_json(text).unwrap();
    }
}

#[test]
fn everything_wrong_is_reported_at_once_with_its_path() {
    let error = TrainConfig::from_json(
        r#"{
            "name": "a b", "data": {"train": 0},
            "network": [{"conv2d": {"out": 3, "kernel": 0, "groups": 2, "name": "x"}},
                        {"add": {"with": "y"}}, {"linear": {"out": 0, "name": "x"}}],
            "augmentation": {"shift": 1000, "contrast": -1, "cutout": 65, "cutmix": 1.5},
            "precision": "bfloat16", "device": "wgpu",
            "teacher": {"epochs": 0, "optimiser": {"learning_rate": -1}},
            "student": {
                "lambda": 1.5, "temperature": 0, "vertex_bound": 0.1, "fixed_norms": 99, "repeat_after": 100001,
                "optimiser": {"clip_norm": 0}
            }
        }"#,
    )
    .unwrap_err();
    let Error::Config { problems } = &error else { panic!("{error}") };
    let fields: Vec<&str> = problems.iter().map(|p| p.field.as_str()).collect();
    for field in [
        "name",
        "data.train",
        "network[0].conv2d.groups",
        "network[0].conv2d.kernel",
        "network[1].add.with",
        "network[2].linear.out",
        "network[2].name",
        "augmentation.shift",
        "augmentation.contrast",
        "augmentation.cutout",
        "augmentation.cutmix",
        "precision",
        "teacher.epochs",
        "teacher.optimiser.learning_rate",
        "student.lambda",
        "student.temperature",
        "student.fixed_norms",
        "student.repeat_after",
        "student.vertex_bound",
        "student.optimiser.clip_norm",
        "network",
    ] {
        assert!(fields.contains(&field), "{field} is missing from {fields:?}");
    }
    assert!(error.to_string().contains("21 problems found"), "{error}");
}

#[test]
fn unknown_fields_and_wrong_kinds_are_named() {
    for (text, part) in [
        (r#"{"techer": {}}"#, "techer"),
        (r#"{"student": {"lr": 1}}"#, "lr"),
        (r#"{"student": {"activation": "tanh"}}"#, "tanh"),
        (r#"{"network": [{"conv2d": {"out": 1, "kernel": "five"}}]}"#, "[rows, columns]"),
        (r#"{"network": [{"linear": {"out": "clases"}}]}"#, "classes"),
        (r#"{"network": ["max_pool"]}"#, "max_pool"),
        ("[", "line 1"),
    ] {
        let error = TrainConfig::from_json(text).unwrap_err();
        assert!(matches!(error, Error::Syntax { .. }) && error.to_string().contains(part), "{text}: {error}");
    }
}
