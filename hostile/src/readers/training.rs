//! Checkpoints: one file of a good one is changed, and the training resumed for a step. Checksums
//! beside the changed file are made right again, or left out as older releases left them.

use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;

use anyhow::{Context as _, Result};
use beaa_datasets::{Dataset, Images};
use beaa_trainer::{Completion, TrainConfig, Trainer};
use serde_json::Value;

use crate::scratch::Scratch;
use crate::seeds::good_file;

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
pub(crate) const FILES: [(&str, &str); 4] = [
    ("checkpoint-state", "state.json"),
    ("checkpoint-teacher", "teacher.safetensors"),
    ("checkpoint-student", "student.safetensors"),
    ("checkpoint-optimiser", "optimiser.bpk"),
];

static SET: OnceLock<(TrainConfig, Dataset)> = OnceLock::new();
static STOP: AtomicBool = AtomicBool::new(true);

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

pub(super) fn state(scratch: &Scratch, bytes: &[u8]) -> Result<()> {
    resume(scratch, "state.json", bytes)
}

pub(super) fn student(scratch: &Scratch, bytes: &[u8]) -> Result<()> {
    write_state(scratch, |_| ())?;
    resume(scratch, "student.safetensors", bytes)
}

pub(super) fn teacher(scratch: &Scratch, bytes: &[u8]) -> Result<()> {
    write_state(scratch, |_| ())?;
    resume(scratch, "teacher.safetensors", bytes)
}

pub(super) fn optimiser(scratch: &Scratch, bytes: &[u8]) -> Result<()> {
    write_state(scratch, |state| state["optimiser"] = blake3::hash(bytes).to_hex().as_str().into())?;
    resume(scratch, "optimiser.bpk", bytes)
}

/// Where a run has its checkpoint.
const CHECKPOINT: &str = "run/checkpoints/000001";

/// Writes a state of the format without a checksum, changed.
fn write_state(scratch: &Scratch, change: impl FnOnce(&mut Value)) -> Result<()> {
    let text = std::fs::read(good_file("checkpoint-state", "unchecked.json"))?;
    let mut state: Value = serde_json::from_slice(&text)?;
    change(&mut state);
    scratch.write(&format!("{CHECKPOINT}/state.json"), state.to_string().as_bytes())?;
    Ok(())
}

/// Goes on from a checkpoint of which one file is this one.
fn resume(scratch: &Scratch, name: &str, bytes: &[u8]) -> Result<()> {
    let run = scratch.path().join("run");
    for (reader, file) in FILES {
        let path = format!("{CHECKPOINT}/{file}");
        if file == name {
            scratch.write(&path, bytes)?;
        } else if !(file == "state.json" && name != "state.json") {
            scratch.write(&path, &std::fs::read(good_file(reader, file))?)?;
        }
    }
    let (config, set) = training()?;
    let ended = Trainer::new(config, set, &run).resume(true).stop(&STOP).train();
    std::fs::remove_dir_all(&run)?;
    match ended? {
        Completion::Done(_) | Completion::Interrupted(_) => Ok(()),
    }
}
