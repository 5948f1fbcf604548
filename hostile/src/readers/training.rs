//! Checkpoints: one file of a good one is changed, and the training resumed for a step. Checksums
//! beside the changed file are made right again, or left out as older releases left them.

use std::sync::atomic::AtomicBool;

use anyhow::Result;
use beaa_trainer::{Completion, TrainConfig, Trainer};
use serde_json::Value;

use crate::files::good_file;
use crate::scratch::Scratch;
use crate::training_run::{CHECKPOINT_FILES, training};

static STOP: AtomicBool = AtomicBool::new(true);

/// A configuration by which a network is trained for one step.
pub(super) fn configuration(scratch: &Scratch, bytes: &[u8]) -> Result<()> {
    let config = TrainConfig::from_json(std::str::from_utf8(bytes)?)?;
    let run = scratch.path().join("fresh");
    let ended = Trainer::new(&config, &training()?.1, &run).stop(&STOP).train();
    if run.exists() {
        std::fs::remove_dir_all(&run)?;
    }
    Ok(ended.map(drop)?)
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
    for (reader, file) in CHECKPOINT_FILES {
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
