//! Whole runs on small synthetic images: what they learn, that they repeat bit for bit, and say
//! what is wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod kit;

use beaa_datasets::{Images, Split};
use beaa_ir::{Activation, LayerOp, Model, evaluate};
use beaa_trainer::{
    Completion, DeviceKind, Error, Event, Observer, Phase, Replacement, StudentActivation, Trainer, predict,
};

use kit::{config, data, done, folder, interrupt};

fn polynomials(model: &Model) -> Vec<Vec<usize>> {
    let functions = model.layers().iter().filter_map(|l| match &l.op {
        LayerOp::Activation { function: Activation::Polynomial(p), range } => {
            assert!(range.unwrap().min < range.unwrap().max);
            Some(p.a.shape().to_vec())
        }
        _ => None,
    });
    functions.collect()
}

#[test]
fn teacher_and_student_learn_and_are_exported_whole() {
    let run = folder("learn");
    let trained = done(&config(|c| c.teacher.epochs = 6), run.path(), false);
    assert!(trained.teacher_accuracy.test.unwrap() > 0.9, "{:?}", trained.teacher_accuracy);
    assert!(trained.student_accuracy.test.unwrap() > 0.9, "{:?}", trained.student_accuracy);
    assert_eq!(trained.student.accuracy(), Some(trained.student_accuracy));
    assert_eq!((trained.teacher.name(), trained.student.name()), ("small-teacher", "small-student"));
    assert_eq!(polynomials(&trained.student), [vec![4, 8, 8], vec![4, 8, 8]]);
    assert_eq!(trained.student.provenance().seed, Some(7));
    assert_eq!(trained.student.provenance().record["configuration"]["student"]["lambda"], 0.7f32 as f64);
    assert_eq!(trained.polynomials.len(), 8);
    for sample in &trained.polynomials {
        assert_eq!(sample.histogram.iter().sum::<u32>(), 256);
        assert!(sample.min < sample.max && sample.a != 0.0);
    }
}

#[test]
fn predictions_equal_the_reference_evaluation() {
    let run = folder("predict");
    let trained = done(&config(|c| c.teacher.epochs = 2), run.path(), false);
    let data = data();
    let images = data.split(Split::Test);
    for (model, accuracy) in
        [(&trained.teacher, trained.teacher_accuracy), (&trained.student, trained.student_accuracy)]
    {
        let logits = predict(model, images, DeviceKind::Flex).unwrap();
        let mut right = 0;
        for (i, row) in logits.rows().enumerate() {
            let expected = evaluate(model, &model.input().normalise(images.image(i).unwrap())).unwrap();
            assert!(row.iter().zip(&expected).all(|(y, e)| (f64::from(*y) - e).abs() < 1e-4), "{row:?} {expected:?}");
            let best = (0..3).max_by(|&a, &b| expected[a].total_cmp(&expected[b])).unwrap();
            right += usize::from(best == usize::from(images.label(i).unwrap()));
        }
        assert_eq!(accuracy.test, Some(right as f64 / images.len() as f64));
    }
    assert!(matches!(
        predict(&trained.student, &Images::new("x", [1, 2, 2], vec![], vec![]).unwrap(), DeviceKind::Flex),
        Err(Error::Data { .. })
    ));
}

#[test]
fn the_same_seed_gives_the_same_model_and_another_seed_another() {
    let (one, two, three) = (folder("one"), folder("two"), folder("three"));
    let first = done(&config(|_| ()), one.path(), false);
    let second = done(&config(|_| ()), two.path(), false);
    assert_eq!((&first.teacher, &first.student), (&second.teacher, &second.student));
    let other = done(&config(|c| c.seed = 8), three.path(), false);
    assert_ne!(first.student.layers(), other.student.layers());
}

#[test]
fn every_activation_trains() {
    for (activation, shapes) in [
        (StudentActivation::Relu, vec![]),
        (StudentActivation::Square, vec![]),
        (StudentActivation::Fixed, vec![vec![], vec![]]),
        (StudentActivation::Layer, vec![vec![], vec![]]),
        (StudentActivation::Channel, vec![vec![4, 1, 1], vec![4, 1, 1]]),
    ] {
        let run = folder("activation");
        let config = config(|c| {
            c.student.activation = activation;
            c.student.replacement = Replacement::Progressive;
            c.student.epochs = 2;
        });
        let trained = done(&config, run.path(), false);
        assert_eq!(polynomials(&trained.student), shapes, "{activation:?}");
        let accuracy = trained.student_accuracy.test.unwrap();
        assert!(accuracy > 0.5, "{activation:?}: {accuracy}");
    }
}

#[test]
fn divergence_is_an_error_that_names_the_last_good_checkpoint() {
    let run = folder("diverged");
    let config = config(|c| {
        c.student.optimiser.kind = beaa_trainer::OptimiserKind::Sgd;
        c.student.optimiser.learning_rate = 100.0;
        c.student.optimiser.clip_norm = None;
        c.student.activation = StudentActivation::Square;
    });
    match Trainer::new(&config, &data(), run.path()).train() {
        Err(Error::Diverged { phase: Phase::Student, epoch, step, checkpoint, .. }) => {
            assert!(epoch >= 1 && step >= 1);
            assert!(checkpoint.unwrap().join("student.safetensors").exists());
        }
        other => panic!("{other:?}"),
    }
}

/// What the last epochs do not touch is left as the epochs before them ended.
#[test]
fn fixed_norms_keep_their_running_statistics() {
    let means = |epochs: usize, fixed: usize| -> Vec<f32> {
        let run = folder("norms");
        let config = config(|c| {
            c.student.epochs = epochs;
            c.student.fixed_norms = fixed;
            // The same steps before, whatever follows.
            c.student.optimiser.final_fraction = 1.0;
        });
        let student = done(&config, run.path(), false).student;
        let of_norm =
            |op: &LayerOp| if let LayerOp::BatchNorm { mean, .. } = op { mean.data().to_vec() } else { vec![] };
        student.layers().iter().flat_map(|layer| of_norm(&layer.op)).collect()
    };
    let one = means(1, 0);
    assert!(!one.is_empty() && means(3, 2) == one);
    assert_ne!(means(3, 0), one);
}

#[test]
fn events_tell_the_whole_story() {
    struct Log(Vec<serde_json::Value>);
    impl Observer for Log {
        fn event(&mut self, event: &Event) {
            self.0.push(serde_json::to_value(event).unwrap());
        }
    }
    let run = folder("events");
    let mut log = Log(Vec::new());
    let config = config(|c| (c.teacher.epochs, c.student.epochs) = (1, 1));
    Trainer::new(&config, &data(), run.path()).observe(&mut log).train().unwrap();
    let kinds: Vec<&str> = log.0.iter().map(|e| e["event"].as_str().unwrap()).collect();
    let of = |kind| kinds.iter().filter(|k| **k == kind).count();
    assert_eq!((of("phase_start"), of("step"), of("epoch_end"), of("phase_end")), (2, 16, 2, 2));
    let end = log.0.iter().find(|e| e["event"] == "epoch_end").unwrap();
    assert_eq!((&end["phase"], &end["epoch"]), (&"teacher".into(), &1.into()));
    assert!(end["validation_accuracy"].is_number() && end["train_loss"].is_number());
}

#[test]
fn a_network_that_does_not_fit_the_images_is_an_error() {
    for (network, part) in [
        (r#"[{"linear": {"out": 4}}]"#, "one per class"),
        (r#"["flatten", {"conv2d": {"out": 2, "kernel": 3}}]"#, "feature map"),
        (r#"[{"conv2d": {"out": 2, "kernel": 30}}]"#, "fits"),
        (r#"[{"conv2d": {"out": 4, "kernel": 1, "groups": 2}}]"#, "divisor"),
        (
            r#"[{"conv2d": {"out": 4, "kernel": 3}}, "activation", {"conv2d": {"out": 4, "kernel": 3}},
                {"add": {"with": "conv1"}}, {"linear": {"out": "classes"}}]"#,
            "add1",
        ),
    ] {
        let run = folder("misfit");
        let config = config(|c| {
            c.network = serde_json::from_str(network).unwrap();
            c.student.activation = StudentActivation::Relu;
        });
        let error = Trainer::new(&config, &data(), run.path()).train().unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn a_student_of_a_given_teacher_is_the_same() {
    let run = folder("given");
    let config = config(|c| (c.teacher.epochs, c.student.epochs) = (1, 1));
    let whole = done(&config, run.path(), false);
    let apart = folder("apart");
    let Completion::Done(teacher) = Trainer::new(&config, &data(), apart.path()).teach().unwrap() else {
        panic!("interrupted")
    };
    let student = |teacher: &Model| Trainer::new(&config, &data(), folder("student").path()).distil(teacher);
    let Completion::Done(trained) = student(&teacher).unwrap() else { panic!("interrupted") };
    assert_eq!((&trained.student, &trained.teacher), (&whole.student, &whole.teacher));
    let error = student(&whole.student).unwrap_err().to_string();
    assert!(error.contains("given teacher") && error.contains("ReLU"), "{error}");
}

/// Zero weights of each layer with weights, and how many there are.
fn zeros(model: &Model) -> Vec<(String, usize, usize)> {
    let of =
        |name: &str, weights: &[f32]| (name.to_owned(), weights.iter().filter(|w| **w == 0.0).count(), weights.len());
    let found = model.layers().iter().filter_map(|l| match &l.op {
        LayerOp::Conv2d(c) => Some(of(&l.name, c.weight.data())),
        LayerOp::Linear(f) => Some(of(&l.name, f.weight.data())),
        _ => None,
    });
    found.collect()
}

#[test]
fn pruned_weights_are_exactly_zero_and_stay_so_when_training_goes_on() {
    let (run, parts, again) = (folder("pruned"), folder("parts"), folder("again"));
    let pruned = config(|c| {
        c.student.prune = serde_json::from_str(
            r#"{"sparsity": 0.6, "from": 0.1, "to": 0.6,
                "layers": {"conv2": {}, "linear1": {"sparsity": 0.5, "inputs": 0.25}}}"#,
        )
        .unwrap();
    });
    let trained = done(&pruned, run.path(), false);
    let layers = zeros(&trained.student);
    assert_eq!(layers.iter().map(|l| l.1).collect::<Vec<_>>(), [0, 86, 96], "60 % of 144, half of 192: {layers:?}");
    assert!(trained.student_accuracy.test.unwrap() > 0.6, "{:?}", trained.student_accuracy);
    // 24 steps of the teacher, then stopped while weights are being dropped.
    assert_eq!(interrupt(&pruned, parts.path(), false, 24 + 9).0, Phase::Student);
    assert_eq!(done(&pruned, parts.path(), true).student, trained.student);
    // Another run starts from the file, rounds, and prunes nothing: its zeros are these.
    let files = [run.path().join("teacher.safetensors"), run.path().join("student.safetensors")];
    beaa_ir::save_model(&trained.teacher, &files[0]).unwrap();
    beaa_ir::save_model(&trained.student, &files[1]).unwrap();
    let tuned = done(
        &config(|c| {
            (c.teacher.model, c.student.start) = (Some(files[0].clone()), Some(files[1].clone()));
            c.student.quantise = serde_json::from_str(r#"{"bits": 4, "from": 0.0}"#).unwrap();
        }),
        again.path(),
        false,
    );
    for (before, after) in zeros(&trained.student).iter().zip(zeros(&tuned.student)) {
        assert!(after.1 >= before.1 && (before.0 != "conv2" || after.1 == before.1), "{before:?} {after:?}");
    }
    let LayerOp::Linear(last) = &tuned.student.layers().last().unwrap().op else { panic!() };
    let unit = last.weight.data().iter().fold(0.0_f32, |l, w| l.max(w.abs())) / 7.0;
    for w in last.weight.data() {
        assert!((w / unit - (w / unit).round()).abs() < 1e-3, "{w} in units of {unit}");
    }
}

#[test]
fn integer_weights_are_integers_of_the_recorded_unit() {
    let run = folder("grid");
    let config = config(|c| {
        c.network = serde_json::from_str(
            r#"["flatten", {"linear": {"out": 6}}, {"batch_norm": {}}, "activation", {"linear": {"out": "classes"}}]"#,
        )
        .unwrap();
        c.student.quantise = serde_json::from_str(r#"{"bits": 5, "from": 0.5}"#).unwrap();
        c.student.feature_matching = 0.0;
    });
    let trained = done(&config, run.path(), false);
    assert!(trained.teacher.provenance().weight_grids.is_empty());
    let layers = trained.student.layers();
    let LayerOp::BatchNorm { gamma, var, eps, .. } = &layers[2].op else { panic!() };
    let LayerOp::Activation { function: Activation::Polynomial(p), .. } = &layers[3].op else { panic!() };
    let factor = |o: usize| gamma.data()[o].abs() / (var.data()[o] + eps).sqrt() * p.a.data()[o].abs().sqrt();
    let grids = &trained.student.provenance().weight_grids;
    assert_eq!(grids.keys().collect::<Vec<_>>(), ["linear1", "linear2"]);
    for (layer, factors) in [(1, (0..6).map(factor).collect()), (4, vec![1.0; 3])] {
        let LayerOp::Linear(linear) = &layers[layer].op else { panic!() };
        let grid = grids[&layers[layer].name];
        let inputs = linear.weight.shape()[1];
        let integers: Vec<f32> =
            linear.weight.data().iter().enumerate().map(|(i, w)| w * factors[i / inputs] / grid.unit).collect();
        assert!(integers.iter().all(|n| (n - n.round()).abs() < 1e-3), "{integers:?}");
        assert_eq!(grid.bits, 5);
        assert_eq!(integers.iter().fold(0.0_f32, |l, n| l.max(n.abs())).round(), 15.0);
    }
}

#[test]
fn a_layer_to_prune_that_does_not_exist_is_named() {
    let run = folder("unknown");
    let config = config(|c| c.student.prune = serde_json::from_str(r#"{"layers": {"linear9": {}}}"#).unwrap());
    let error = Trainer::new(&config, &data(), run.path()).train().unwrap_err();
    assert!(error.to_string().contains("linear9") && error.to_string().contains("linear1"), "{error}");
}
