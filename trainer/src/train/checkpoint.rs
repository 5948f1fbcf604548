//! The state of a run on disk, so that it can go on after an interruption as if nothing had happened. Must never replace a
//! good checkpoint before the next one is complete.
//!
//! `<run>/checkpoints/<number>/` holds `state.json`, `teacher.safetensors`, `student.safetensors` (once there is one) and
//! `optimiser.bpk`. A checkpoint is written under a temporary name and renamed; then older ones are removed.

use std::fs;
use std::path::{Path, PathBuf};

use beaa_ir::{Model, load_model, save_model};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::distil::quadratic_fit::LayerStatistics;
use crate::error::{Error, Result};
use crate::train::events::Phase;

const FORMAT: u32 = 1;

/// Where a run is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    format: u32,
    /// The configuration, description left out.
    pub(crate) config: Value,
    /// Checksum of the data set.
    pub(crate) data: String,
    pub(crate) phase: Phase,
    pub(crate) position: Position,
    /// Of the teacher's activations; empty in the teacher's phase.
    pub(crate) statistics: Vec<LayerStatistics>,
    /// Time spent so far.
    pub(crate) seconds: f64,
    /// BLAKE3 of `optimiser.bpk`.
    optimiser: String,
}

/// Where a phase is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// From 0.
    pub(crate) epoch: usize,
    /// Steps done in this epoch.
    pub(crate) step: usize,
    /// Sum of the losses of these steps.
    pub(crate) loss: f64,
    /// Images of these steps classified right.
    pub(crate) correct: usize,
    /// Images of these steps.
    pub(crate) seen: usize,
    /// Time spent in this epoch.
    pub(crate) seconds: f64,
}

/// Everything in a checkpoint.
pub(crate) struct Checkpoint {
    pub(crate) state: State,
    pub(crate) teacher: Model,
    pub(crate) student: Option<Model>,
    /// Burn's record of the optimiser; empty before the first step of a phase.
    pub(crate) optimiser: Vec<u8>,
}

impl State {
    pub(crate) fn new(
        config: Value,
        data: String,
        phase: Phase,
        position: Position,
        statistics: Vec<LayerStatistics>,
        seconds: f64,
    ) -> Self {
        Self { format: FORMAT, config, data, phase, position, statistics, seconds, optimiser: String::new() }
    }
}

/// Writes the next checkpoint of `run` and removes the older ones. Returns its folder.
pub(crate) fn save(run: &Path, checkpoint: &Checkpoint) -> Result<PathBuf> {
    let folder = run.join("checkpoints");
    let number = numbers(&folder)?.last().map_or(1, |n| n + 1);
    let unfinished = folder.join(format!(".{number:06}.tmp"));
    remove(&unfinished)?;
    fs::create_dir_all(&unfinished).map_err(Error::io("creating", &unfinished))?;
    save_model(&checkpoint.teacher, &unfinished.join("teacher.safetensors"))?;
    if let Some(student) = &checkpoint.student {
        save_model(student, &unfinished.join("student.safetensors"))?;
    }
    write(&unfinished.join("optimiser.bpk"), &checkpoint.optimiser)?;
    let mut state = checkpoint.state.clone();
    state.optimiser = blake3::hash(&checkpoint.optimiser).to_hex().to_string();
    write(&unfinished.join("state.json"), serde_json::to_string_pretty(&state)?.as_bytes())?;
    let path = folder.join(format!("{number:06}"));
    fs::rename(&unfinished, &path).map_err(Error::io("renaming to", &path))?;
    for old in numbers(&folder)?.into_iter().filter(|n| *n < number) {
        remove(&folder.join(format!("{old:06}")))?;
    }
    Ok(path)
}

/// The newest checkpoint of `run`, if there is one.
pub(crate) fn newest(run: &Path) -> Result<Option<PathBuf>> {
    let folder = run.join("checkpoints");
    Ok(numbers(&folder)?.last().map(|n| folder.join(format!("{n:06}"))))
}

/// Reads a checkpoint written for this configuration and these data.
pub(crate) fn load(path: &Path, config: &Value, data: &str) -> Result<Checkpoint> {
    let wrong = |found: String, expected: &str| Error::Checkpoint {
        path: path.to_owned(),
        found,
        expected: expected.to_owned(),
        remedy: "start the run again without resuming, or choose another folder",
    };
    let file = path.join("state.json");
    let text = fs::read_to_string(&file).map_err(Error::io("reading", &file))?;
    let state: State =
        serde_json::from_str(&text).map_err(|e| wrong(e.to_string(), "a state written by this version"))?;
    if state.format != FORMAT {
        return Err(wrong(format!("format {}", state.format), "format 1"));
    }
    if state.config != *config {
        return Err(wrong(
            format!("a run with other settings ({})", differences(&state.config, config)),
            "the same settings",
        ));
    }
    if state.data != data {
        return Err(wrong("a run on other images".to_owned(), "the same images (their checksum differs)"));
    }
    let file = path.join("optimiser.bpk");
    let optimiser = fs::read(&file).map_err(Error::io("reading", &file))?;
    if blake3::hash(&optimiser).to_hex().as_str() != state.optimiser {
        return Err(wrong("a damaged optimiser.bpk".to_owned(), "the checksum in state.json"));
    }
    let student = path.join("student.safetensors");
    Ok(Checkpoint {
        teacher: load_model(&path.join("teacher.safetensors"))?,
        student: if student.exists() { Some(load_model(&student)?) } else { None },
        optimiser,
        state,
    })
}

/// Removes all checkpoints of `run`.
pub(crate) fn clear(run: &Path) -> Result<()> {
    remove(&run.join("checkpoints"))
}

fn numbers(folder: &Path) -> Result<Vec<u64>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(Error::io("reading", folder)(e)),
    };
    let mut numbers: Vec<u64> = entries.flatten().filter_map(|e| e.file_name().to_str()?.parse().ok()).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).map_err(Error::io("writing", path))
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io("removing", path)(e)),
        _ => Ok(()),
    }
}

fn differences(a: &Value, b: &Value) -> String {
    let (Some(a), Some(b)) = (a.as_object(), b.as_object()) else { return "all of it".to_owned() };
    let keys: Vec<&str> = a.keys().filter(|k| a.get(*k) != b.get(*k)).map(String::as_str).collect();
    keys.join(", ")
}
