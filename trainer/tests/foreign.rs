//! Networks, checkpoints and teachers that are not of the run are refused before anything is
//! trained on them, and the message says what differs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use beaa_datasets::{Dataset, Images};
use beaa_ir::{Activation, Layer, LayerOp, Model, Tensor, evaluate, load_model, save_model};
use beaa_trainer::{Completion, Error, Event, Observer, OptimiserKind, TrainConfig, TrainLiteral, Trained, Trainer};
use burn_pack::{Bytes, Reader, Scalar, Writer};

/// Two classes of 1x4x4 images: bright above or bright below.
fn data() -> Dataset {
    let images = |n: usize| {
        let labels: Vec<u8> = (0..n).map(|i| (i % 2) as u8).collect();
        let pixel = |i: usize, p: usize| ((i * 31 + p * 17) % 90 + if (p / 8) % 2 == i % 2 { 120 } else { 0 }) as u8;
        let pixels = (0..n).flat_map(|i| (0..16).map(move |p| pixel(i, p))).collect();
        Images::new("synthetic", [1, 4, 4], pixels, labels).unwrap()
    };
    Dataset::new("synthetic", vec!["a".to_owned(), "b".to_owned()], images(64), images(16), images(16)).unwrap()
}

fn config(change: impl FnOnce(&mut TrainLiteral)) -> TrainConfig {
    config_literal(change).try_into().unwrap()
}

fn config_literal(change: impl FnOnce(&mut TrainLiteral)) -> TrainLiteral {
    let mut literal: TrainLiteral = serde_json::from_str(
        r#"{
            "name": "small", "seed": 3,
            "network": [
                {"conv2d": {"out": 2, "kernel": 3, "padding": 1}}, {"batch_norm": {}}, "activation",
                {"conv2d": {"out": 2, "kernel": 1}}, {"add": {"with": "activation1"}}, "activation",
                {"linear": {"out": "classes"}}
            ],
            "teacher": {"epochs": 1, "batch": 16}, "student": {"epochs": 1, "batch": 16}
        }"#,
    )
    .unwrap();
    change(&mut literal);
    literal
}

fn done<T: std::fmt::Debug>(completion: Completion<T>) -> T {
    match completion {
        Completion::Done(done) => done,
        other => panic!("{other:?}"),
    }
}

fn refused<T: std::fmt::Debug>(result: Result<Completion<T>, Error>, parts: &[&str]) {
    let message = result.unwrap_err().to_string();
    for part in parts {
        assert!(message.contains(part), "no {part:?} in {message}");
    }
}

fn train(config: &TrainConfig, folder: &Path, resume: bool) -> Result<Completion<Trained>, Error> {
    Trainer::new(config, &data(), folder).resume(resume).train()
}

/// Trains for so many steps of 4 per epoch, and gives the folder of the checkpoint.
fn stopped(config: &TrainConfig, folder: &Path, steps: usize) -> PathBuf {
    struct StopAfter<'a>(usize, &'a AtomicBool);
    impl Observer for StopAfter<'_> {
        fn event(&mut self, event: &Event) {
            if let Event::Step { .. } = event {
                self.0 -= 1;
                self.1.store(self.0 == 0, Ordering::Relaxed);
            }
        }
    }
    let stop = AtomicBool::new(false);
    let mut observer = StopAfter(steps, &stop);
    match Trainer::new(config, &data(), folder).stop(&stop).observe(&mut observer).train().unwrap() {
        Completion::Interrupted(at) => at.checkpoint,
        Completion::Done(_) => panic!("not interrupted"),
    }
}

/// Writes the model in `file` again, changed.
fn change(file: &Path, change: impl FnOnce(&mut Vec<beaa_ir::Layer>)) {
    let mut literal = load_model(file).unwrap().into_literal();
    change(&mut literal.layers);
    save_model(&literal.try_into().unwrap(), file).unwrap();
}

fn zeros(shape: &[usize]) -> Tensor {
    Tensor::new(shape.to_vec(), vec![0.0; shape.iter().product()]).unwrap()
}

#[test]
fn a_student_whose_features_are_matched_has_the_activations_of_its_teacher() {
    let run = tempfile::tempdir().unwrap();
    let wide = config(|c| c.network[3] = serde_json::from_str(r#"{"conv2d": {"out": 2, "kernel": 1}}"#).unwrap());
    let other = config(|c| {
        c.network = serde_json::from_str(
            r#"["flatten", {"linear": {"out": 9}}, "activation", {"linear": {"out": "classes"}}]"#,
        )
        .unwrap();
    });
    let file = |name: &str| run.path().join(name);
    save_model(&done(train(&wide, run.path(), false).unwrap()).teacher, &file("teacher")).unwrap();
    save_model(&done(train(&other, run.path(), false).unwrap()).student, &file("student")).unwrap();
    let next = config(|c| {
        (c.teacher.model, c.student.start) = (Some(file("teacher")), Some(file("student")));
        c.student.feature_matching = 0.5;
    });
    let parts = [
        "going on from a trained student",
        "student with activations of [",
        "as in the teacher",
        "`student.start`",
        "`student.feature_matching` to 0",
    ];
    refused(train(&next, run.path(), false), &parts);
}

/// What is learnt from outputs alone may be learnt from any network for the same images, also after
/// an interruption.
#[test]
fn a_student_goes_on_with_a_teacher_of_other_layers() {
    let run = tempfile::tempdir().unwrap();
    let wide = config(|c| c.network[3] = serde_json::from_str(r#"{"conv2d": {"out": 2, "kernel": 1}}"#).unwrap());
    let narrow = config(|c| {
        c.network = serde_json::from_str(
            r#"["flatten", {"linear": {"out": 9}}, "activation", {"linear": {"out": "classes"}}]"#,
        )
        .unwrap();
    });
    let file = |name: &str| run.path().join(name);
    save_model(&done(train(&wide, run.path(), false).unwrap()).teacher, &file("teacher")).unwrap();
    let start = done(train(&narrow, run.path(), false).unwrap()).student;
    save_model(&start, &file("student")).unwrap();
    let next = config(|c| {
        (c.teacher.model, c.student.start) = (Some(file("teacher")), Some(file("student")));
        c.student.lambda = 1.0;
    });
    let whole = done(train(&next, run.path(), false).unwrap());
    assert_ne!(whole.student.layers(), start.layers(), "it has learnt");
    assert_eq!(whole.student.layers().len(), start.layers().len());
    assert_ne!(whole.teacher.layers().len(), start.layers().len());
    assert!(whole.polynomials.iter().all(|p| p.min.is_finite() && p.min <= p.max));
    let folder = tempfile::tempdir().unwrap();
    stopped(&next, folder.path(), 2);
    assert_eq!(done(train(&next, folder.path(), true).unwrap()).student, whole.student);
}

#[test]
fn a_student_starts_from_one_relu_network_and_learns_from_another() {
    let run = tempfile::tempdir().unwrap();
    let other = config(|c| {
        c.network = serde_json::from_str(
            r#"["flatten", {"linear": {"out": 9}}, "activation", {"linear": {"out": "classes"}}]"#,
        )
        .unwrap();
    });
    let narrow = config(|_| ());
    let file = |name: &str| run.path().join(name);
    let guide = done(train(&other, run.path(), false).unwrap()).teacher;
    let start = done(train(&narrow, run.path(), false).unwrap()).teacher;
    save_model(&guide, &file("guide")).unwrap();
    save_model(&start, &file("start")).unwrap();
    let next = |guide: &str| config(|c| (c.teacher.model, c.student.start) = (Some(file(guide)), Some(file("start"))));
    let learnt = done(train(&next("guide"), run.path(), false).unwrap());
    let relu = |model: &Model| {
        let of = |op: &LayerOp| matches!(op, LayerOp::Activation { function: Activation::Relu, .. });
        model.layers().iter().filter(|layer| of(&layer.op)).count()
    };
    assert_eq!((relu(&start), relu(&learnt.student)), (2, 0));
    assert_eq!(learnt.teacher.layers(), guide.layers());
    // From its own teacher's weights it starts as it does without a file.
    let from_twin = done(train(&next("start"), run.path(), false).unwrap()).student;
    let usual = done(train(&config(|c| c.teacher.model = Some(file("start"))), run.path(), false).unwrap()).student;
    assert_eq!(from_twin.layers(), usual.layers());
    assert_ne!(from_twin.layers(), learnt.student.layers());
    let folder = tempfile::tempdir().unwrap();
    stopped(&next("guide"), folder.path(), 2);
    assert_eq!(done(train(&next("guide"), folder.path(), true).unwrap()).student, learnt.student);
}

#[test]
fn several_networks_are_one_teacher_whose_logits_are_their_mean() {
    let run = tempfile::tempdir().unwrap();
    let file = |name: &str| run.path().join(name);
    let layers = r#"["flatten", {"linear": {"out": 9}}, "activation", {"linear": {"out": "classes"}}]"#;
    let with_shortcut = done(train(&config(|_| ()), run.path(), false).unwrap()).teacher;
    let plain =
        done(train(&config(|c| c.network = serde_json::from_str(layers).unwrap()), run.path(), false).unwrap()).teacher;
    save_model(&with_shortcut, &file("first")).unwrap();
    save_model(&plain, &file("second")).unwrap();
    let both = |second: &str| {
        config(|c| {
            (c.teacher.model, c.teacher.also) = (Some(file("first")), vec![file("first"), file(second)]);
            c.student.start = Some(file("first"));
        })
    };
    let learnt = done(train(&both("second"), run.path(), false).unwrap());
    let image: Vec<f32> = (0..16).map(|i| (i % 5) as f32 - 2.0).collect();
    let [first, second, mean] = [&with_shortcut, &plain, &learnt.teacher].map(|m| evaluate(m, &image).unwrap());
    for ((first, second), mean) in first.iter().zip(&second).zip(&mean) {
        assert!(((2.0 * first + second) / 3.0 - mean).abs() < 1e-5, "{first} twice, {second}: {mean}");
    }
    assert_eq!(learnt.student.layers().len(), with_shortcut.layers().len());
    change(&file("second"), |layers| layers.push(Layer { name: "end".to_owned(), op: LayerOp::Flatten }));
    refused(train(&both("second"), run.path(), false), &["`small-teacher`, which ends with no linear layer"]);
    let without_model = config_literal(|c| c.teacher.also = vec![file("first")]);
    assert!(TrainConfig::try_from(without_model).unwrap_err().to_string().contains("`teacher.model`"));
}

#[test]
fn a_checkpoint_whose_layers_differ_in_any_setting_is_refused() {
    let run = tempfile::tempdir().unwrap();
    let config = config(|_| ());
    let checkpoint = stopped(&config, run.path(), 6);
    type Change = fn(&mut Vec<beaa_ir::Layer>);
    let of_teacher: [(Change, &str); 5] = [
        (
            |layers| {
                let LayerOp::Conv2d(conv) = &mut layers[0].op else { panic!() };
                (conv.weight, conv.padding) = (zeros(&[2, 1, 5, 5]), [2, 2]);
            },
            "weight [2, 1, 5, 5], bias [2], stride [1, 1], padding [2, 2]",
        ),
        (
            |layers| {
                let LayerOp::Conv2d(conv) = &mut layers[3].op else { panic!() };
                (conv.weight, conv.groups) = (zeros(&[2, 1, 1, 1]), 2);
            },
            "groups 2",
        ),
        (
            |layers| {
                let LayerOp::Linear(linear) = &mut layers[6].op else { panic!() };
                linear.bias = None;
            },
            "linear1 (linear: weight [2, 32])",
        ),
        (
            |layers| {
                let LayerOp::Add { with } = &mut layers[4].op else { panic!() };
                *with = "norm1".to_owned();
            },
            "with norm1",
        ),
        (
            |layers| {
                let LayerOp::Activation { function, .. } = &mut layers[2].op else { panic!() };
                *function = Activation::Square;
            },
            "square",
        ),
    ];
    let of_student: [(Change, &str); 2] = [
        (
            |layers| {
                let LayerOp::Activation { function: Activation::Polynomial(p), .. } = &mut layers[2].op else {
                    panic!()
                };
                (p.a, p.b, p.c) = (zeros(&[]), zeros(&[]), zeros(&[]));
            },
            "a [], b [], c []",
        ),
        (
            |layers| {
                let LayerOp::Activation { function, .. } = &mut layers[2].op else { panic!() };
                *function = Activation::Relu;
            },
            "ReLU",
        ),
    ];
    let teacher = of_teacher.map(|case| ("teacher", case));
    for (who, (changed, differs)) in teacher.into_iter().chain(of_student.map(|case| ("student", case))) {
        let file = checkpoint.join(format!("{who}.safetensors"));
        let good = std::fs::read(&file).unwrap();
        change(&file, changed);
        refused(train(&config, run.path(), true), &["resuming from", who, differs, "without resuming"]);
        std::fs::write(&file, good).unwrap();
    }
    done(train(&config, run.path(), true).unwrap());
}

#[test]
fn a_state_that_no_run_writes_is_refused() {
    let run = tempfile::tempdir().unwrap();
    let config = config(|_| ());
    let file = stopped(&config, run.path(), 6).join("state.json");
    let mut good: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    for (path, value) in [("/position/loss", 0.5), ("/seconds", 1e3), ("/statistics/1/rms", 0.5)] {
        let mut state = good.clone();
        *state.pointer_mut(path).unwrap() = value.into();
        std::fs::write(&file, state.to_string()).unwrap();
        refused(train(&config, run.path(), true), &["resuming from", "a damaged state.json", "checksum"]);
    }
    // Older releases wrote no checksum.
    good["format"] = 1.into();
    good.as_object_mut().unwrap().remove("checksum");
    for (path, value, part) in [
        ("/statistics/0/range/min", 1e30, "the smallest first"),
        ("/statistics/1/rms", -1.0, "root mean square"),
        ("/position/epoch", 2.0, "at most 1 epoch"),
        ("/position/step", 5.0, "4 steps"),
        ("/position/seen", 64.0, "64 images seen in 2 steps"),
        ("/position/correct", 33.0, "33 of 32 images right"),
        ("/position/step", 0.0, "right after 0 steps"),
        ("/seconds", -1.0, "-1 seconds"),
    ] {
        let mut state = good.clone();
        let field = state.pointer_mut(path).unwrap();
        *field = if field.is_u64() { (value as u64).into() } else { value.into() };
        std::fs::write(&file, state.to_string()).unwrap();
        refused(train(&config, run.path(), true), &["resuming from", part, "without resuming"]);
    }
    good["phase"] = "teacher".into();
    std::fs::write(&file, good.to_string()).unwrap();
    refused(train(&config, run.path(), true), &["a student in the phase of the teacher"]);
    good["phase"] = "student".into();
    std::fs::write(&file, good.to_string()).unwrap();
    done(train(&config, run.path(), true).unwrap());
}

#[test]
fn a_damaged_model_of_a_checkpoint_is_named() {
    let run = tempfile::tempdir().unwrap();
    let config = config(|_| ());
    let checkpoint = stopped(&config, run.path(), 6);
    for name in ["teacher.safetensors", "student.safetensors"] {
        let file = checkpoint.join(name);
        let good = std::fs::read(&file).unwrap();
        for damaged in [&good[..good.len() - 1], b"no model"] {
            std::fs::write(&file, damaged).unwrap();
            refused(train(&config, run.path(), true), &["resuming from", name, "without resuming"]);
        }
        std::fs::write(&file, good).unwrap();
    }
}

#[test]
fn what_is_no_checkpoint_stays() {
    let run = tempfile::tempdir().unwrap();
    let config = config(|_| ());
    let at = |name: &str| run.path().join("checkpoints").join(name);
    for name in ["epoch-3.pt", "000001/notes.txt", "000002/state.json", ".000001.tmp/state.json"] {
        std::fs::create_dir_all(at(name).parent().unwrap()).unwrap();
        std::fs::write(at(name), "{}").unwrap();
    }
    done(train(&config, run.path(), false).unwrap());
    assert!(at("epoch-3.pt").is_file() && at("000001/notes.txt").is_file() && at("000002/state.json").is_file());
    assert!(!at(".000001.tmp").exists(), "left by a process that died");
    // The last of three: one per phase at its beginning or end, one per epoch.
    let left = std::fs::read_dir(at("")).unwrap().count();
    assert_eq!(left, 4);
    beaa_trainer::remove_checkpoints(run.path()).unwrap();
    assert_eq!(std::fs::read_dir(at("")).unwrap().count(), 3);
}

#[test]
fn a_teacher_brings_its_own_normalisation() {
    let run = tempfile::tempdir().unwrap();
    let file = run.path().join("teacher.safetensors");
    let zero_to_one = serde_json::from_str(r#"{"mean": [0.0], "std": [1.0]}"#).unwrap();
    let trained = done(train(&config(|c| c.data.normalisation = Some(zero_to_one)), run.path(), false).unwrap());
    assert_eq!((&trained.teacher.input().mean[..], &trained.teacher.input().std[..]), (&[0.0][..], &[1.0][..]));
    save_model(&trained.teacher, &file).unwrap();
    // The data set's own statistics are others, and are not used.
    assert!(data().mean()[0] > 0.1);
    let named = config(|c| c.teacher.model = Some(file.clone()));
    let student = done(train(&named, run.path(), false).unwrap()).student;
    assert_eq!(student.input(), trained.teacher.input());
    assert_eq!(student.layers(), trained.student.layers(), "the same images as numbers, the same student");
    let contradicts = config(|c| {
        c.teacher.model = Some(file.clone());
        c.data.normalisation = serde_json::from_str(r#"{"mean": [0.5], "std": [0.5]}"#).unwrap();
    });
    refused(train(&contradicts, run.path(), false), &["data.normalisation", "teacher.model"]);
    let too_many =
        config(|c| c.data.normalisation = serde_json::from_str(r#"{"mean": [0.5, 1], "std": [1]}"#).unwrap());
    refused(train(&too_many, run.path(), false), &["2 numbers under `mean`", "one, or 1"]);
}

#[test]
fn an_optimiser_of_another_network_is_refused_by_the_name_of_its_file() {
    for kind in [OptimiserKind::Adamw, OptimiserKind::Muon, OptimiserKind::Sgd] {
        let run = tempfile::tempdir().unwrap();
        let config = config(|c| c.teacher.optimiser.kind = kind);
        let checkpoint = stopped(&config, run.path(), 2);
        let [file, state] = ["optimiser.bpk", "state.json"].map(|name| checkpoint.join(name));
        let good = std::fs::read(&file).unwrap();
        // As older releases wrote it, without a checksum.
        let mut older: serde_json::Value = serde_json::from_slice(&std::fs::read(&state).unwrap()).unwrap();
        older["format"] = 1.into();
        older.as_object_mut().unwrap().remove("checksum");
        let good_state = older.to_string();
        let forge = |bytes: &[u8]| {
            std::fs::write(&file, bytes).unwrap();
            let hash = |bytes: &[u8]| blake3::hash(bytes).to_hex().to_string();
            std::fs::write(&state, good_state.replace(&hash(&good), &hash(bytes))).unwrap();
        };
        for fault in ["no id", "rank", "shape", "a tensor less", "another parameter", "no record"] {
            let reader = Reader::from_bytes(Bytes::from_bytes_vec(good.clone())).unwrap();
            let mut scalars = reader.scalars().clone();
            let mut tensors = reader.into_tensors().unwrap();
            let first = &mut tensors[0];
            match fault {
                "no id" => first.param_id = None,
                "rank" => *scalars.iter_mut().find(|(name, _)| name.ends_with("__rank")).unwrap().1 = Scalar::UInt(17),
                "shape" => first.shape = vec![1, first.shape.to_vec().iter().product()].into(),
                "a tensor less" => drop(tensors.remove(0)),
                "another parameter" => first.name = "999.moment".to_owned(),
                _ => {}
            }
            let mut writer = Writer::new(tensors);
            for (name, value) in scalars {
                writer = writer.with_scalar(&name, value);
            }
            forge(&if fault == "no record" { Vec::new() } else { writer.into_bytes().unwrap().to_vec() });
            refused(
                train(&config, run.path(), true),
                &["resuming from", "optimiser.bpk", "expected", "without resuming"],
            );
        }
        forge(&good);
        done(train(&config, run.path(), true).unwrap());
    }
}

#[test]
fn a_given_teacher_is_of_the_images_and_the_one_that_the_run_began_with() {
    let run = tempfile::tempdir().unwrap();
    let plain = config(|_| ());
    let teach = |config: &TrainConfig| done(Trainer::new(config, &data(), run.path()).teach().unwrap());
    let (teacher, other) = (teach(&plain), teach(&config(|c| c.seed = 4)));
    let distil = |config: &TrainConfig, teacher: &Model, resume: bool| {
        Trainer::new(config, &data(), run.path()).resume(resume).distil(teacher)
    };
    let trained = done(distil(&plain, &teacher, false).unwrap());
    refused(
        distil(&plain, &other, true),
        &["resuming from", "a student of another teacher", "that is to be distilled"],
    );
    assert_eq!(done(distil(&plain, &teacher, true).unwrap()).student, trained.student);

    let named = config(|c| c.teacher.model = Some(run.path().join("teacher.safetensors")));
    let mut literal = teacher.into_literal();
    literal.layers.truncate(3);
    literal.classes.clear();
    let parts = ["the given teacher for images", "and 32 classes", "2 classes"];
    refused(distil(&named, &literal.try_into().unwrap(), false), &parts);
}
