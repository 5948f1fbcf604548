//! A training of some steps on a few images, whose checkpoints are among the good files.

use std::sync::OnceLock;

use anyhow::{Context as _, Result};
use beaa_datasets::{Dataset, Images};
use beaa_trainer::TrainConfig;

/// What the checkpoints in fuzz/seeds were trained by.
pub(crate) const CONFIGURATION: &str = r#"{
    "name": "small", "seed": 7,
    "network": [
        {"conv2d": {"out": 2, "kernel": 3, "padding": 1}}, {"batch_norm": {}}, "activation",
        {"avg_pool": {"kernel": 2}}, "flatten", {"linear": {"out": "classes"}}
    ],
    "teacher": {"epochs": 1, "batch": 4, "optimiser": {"learning_rate": 0.01}},
    "student": {"epochs": 2, "batch": 4, "optimiser": {"learning_rate": 0.005}}
}"#;

/// Files of a checkpoint.
pub(crate) const CHECKPOINT_FILES: [(&str, &str); 4] = [
    ("checkpoint-state", "state.json"),
    ("checkpoint-teacher", "teacher.safetensors"),
    ("checkpoint-student", "student.safetensors"),
    ("checkpoint-optimiser", "optimiser.bpk"),
];

static SET: OnceLock<(TrainConfig, Dataset)> = OnceLock::new();

/// The configuration, and images of two classes.
pub(crate) fn training() -> Result<&'static (TrainConfig, Dataset)> {
    if SET.get().is_none() {
        let images = |n: usize, salt: usize| {
            let labels: Vec<u8> = (0..n).map(|i| (i % 2) as u8).collect();
            let pixel = |i: usize| ((i * 31 + salt * 7) % 97 + if i / 16 % 2 == 1 { 120 } else { 0 }) as u8;
            Images::new("made up", [1, 4, 4], (0..16 * n).map(pixel).collect(), labels)
        };
        let classes = ["a", "b"].map(str::to_owned).to_vec();
        let set = Dataset::new("made-up", classes, images(12, 0)?, images(4, 1)?, images(4, 2)?)?;
        let _ = SET.set((TrainConfig::from_json(CONFIGURATION)?, set));
    }
    SET.get().context("making the images of a training")
}
