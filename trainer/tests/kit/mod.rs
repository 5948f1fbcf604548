//! A small training: images, configuration, and runs to the end or to an interruption.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use beaa_datasets::{Dataset, Images};
use beaa_trainer::{Completion, Event, Interruption, Observer, Phase, TrainConfig, TrainLiteral, Trained, Trainer};

/// Three classes of 1x8x8 images: a bright blob in one of three places, and noise.
pub(crate) fn data() -> Dataset {
    let images = |n: usize, salt: usize| {
        let mut state = 12_345 + salt as u64;
        let mut random = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize
        };
        let (mut pixels, mut labels) = (Vec::new(), Vec::new());
        for _ in 0..n {
            let class = random() % 3;
            let (row, column) = (1 + random() % 3 + (class / 2) * 3, random() % 3 + (class % 2) * 4);
            for i in 0..64_usize {
                let inside = (i / 8).abs_diff(row) <= 1 && (i % 8).abs_diff(column) <= 1;
                pixels.push((random() % 90 + if inside { 140 } else { 0 }) as u8);
            }
            labels.push(class as u8);
        }
        Images::new("synthetic", [1, 8, 8], pixels, labels).unwrap()
    };
    let classes = ["a", "b", "c"].map(str::to_owned).to_vec();
    Dataset::new("synthetic", classes, images(256, 0), images(64, 1), images(96, 2)).unwrap()
}

fn literal() -> TrainLiteral {
    serde_json::from_str(
        r#"{
            "name": "small", "seed": 7,
            "network": [
                {"conv2d": {"out": 4, "kernel": 3, "padding": 1, "bias": false}}, {"batch_norm": {}}, "activation",
                {"conv2d": {"out": 4, "kernel": 3, "padding": 1}}, {"add": {"with": "activation1"}}, "activation",
                {"avg_pool": {"kernel": 2}}, "flatten", {"linear": {"out": "classes"}}
            ],
            "augmentation": {"shift": 1},
            "teacher": {"epochs": 3, "batch": 32, "optimiser": {"learning_rate": 0.01}},
            "student": {"epochs": 3, "batch": 32, "optimiser": {"learning_rate": 0.005}, "feature_matching": 0.1}
        }"#,
    )
    .unwrap()
}

pub(crate) fn config(change: impl FnOnce(&mut TrainLiteral)) -> TrainConfig {
    let mut literal = literal();
    change(&mut literal);
    literal.try_into().unwrap()
}

pub(crate) fn folder(name: &str) -> tempfile::TempDir {
    tempfile::Builder::new().prefix(name).tempdir().unwrap()
}

pub(crate) fn done(config: &TrainConfig, folder: &Path, resume: bool) -> Trained {
    match Trainer::new(config, &data(), folder).resume(resume).train().unwrap() {
        Completion::Done(trained) => trained,
        other => panic!("{other:?}"),
    }
}

/// Raises the flag after a number of steps, counted over both phases.
struct StopAfter<'a> {
    steps: usize,
    stop: &'a AtomicBool,
}

impl Observer for StopAfter<'_> {
    fn event(&mut self, event: &Event) {
        if let Event::Step { .. } = event {
            self.steps -= 1;
            self.stop.store(self.steps == 0, Ordering::Relaxed);
        }
    }
}

pub(crate) fn interrupt(config: &TrainConfig, folder: &Path, resume: bool, steps: usize) -> (Phase, usize, usize) {
    let stop = AtomicBool::new(false);
    let mut observer = StopAfter { steps, stop: &stop };
    match Trainer::new(config, &data(), folder).resume(resume).stop(&stop).observe(&mut observer).train().unwrap() {
        Completion::Interrupted(Interruption { phase, epochs_done, steps_done, checkpoint }) => {
            assert!(checkpoint.join("state.json").exists());
            (phase, epochs_done, steps_done)
        }
        Completion::Done(_) => panic!("not interrupted"),
    }
}
