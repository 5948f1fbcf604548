//! The state of a run on disk, so that it can go on after an interruption as if nothing had
//! happened.
//!
//! `<run>/checkpoints/<number>/` holds `state.json`, `teacher.safetensors`, `student.safetensors`
//! (once there is one) and `optimiser.bpk`. A checkpoint is written under a temporary name and
//! renamed; then older ones are removed, so that there is always a complete one.

use std::fs;
use std::path::{Path, PathBuf};

use beaa_ir::{Model, Range, load_model, save_model};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::distil::quadratic_fit::LayerStatistics;
use crate::error::{Error, Result};
use crate::train::events::Phase;

const FORMAT: u32 = 1;
const TEACHER: &str = "teacher.safetensors";
const STUDENT: &str = "student.safetensors";
pub(crate) const OPTIMISER: &str = "optimiser.bpk";

/// What a run's checkpoints belong to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RunIdentity {
    /// The configuration, description left out.
    pub(crate) config: Value,
    /// Checksum of the data set.
    pub(crate) data: String,
}

/// Where a phase is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// Complete epochs.
    pub(crate) epoch: usize,
    /// Steps done in the epoch after those.
    pub(crate) step: usize,
    /// Sum of the losses of these steps.
    pub(crate) loss: f64,
    /// Images of these steps classified right.
    pub(crate) correct: usize,
    /// Images of these steps.
    pub(crate) seen: usize,
    /// Seconds spent in this epoch.
    pub(crate) seconds: f64,
}

/// Which network is trained, and what its training needs beside it.
#[derive(Debug, Clone)]
pub(crate) enum Subject {
    /// The ReLU network.
    Teacher,
    /// The network without ReLU.
    Student {
        /// The trained teacher.
        teacher: Box<Model>,
        /// What the teacher's activations saw, layer by layer.
        statistics: Vec<LayerStatistics>,
    },
}

impl Subject {
    pub(crate) fn phase(&self) -> Phase {
        match self {
            Self::Teacher => Phase::Teacher,
            Self::Student { .. } => Phase::Student,
        }
    }
}

/// A network in training.
#[derive(Debug, Clone)]
pub(crate) struct NetworkState {
    /// Its weights now.
    pub(crate) model: Model,
    pub(crate) position: Position,
    /// Burn's record of the optimiser; empty before the first step.
    pub(crate) optimiser: Vec<u8>,
}

impl NetworkState {
    /// Before the first step.
    pub(crate) fn untrained(model: Model) -> Self {
        Self { model, position: Position::default(), optimiser: Vec::new() }
    }
}

/// Everything that a checkpoint holds.
pub(crate) struct Checkpoint {
    pub(crate) subject: Subject,
    pub(crate) network: NetworkState,
    /// Seconds that the run has taken so far.
    pub(crate) seconds: f64,
}

/// `state.json`.
#[derive(Serialize, Deserialize)]
struct StateFile {
    format: u32,
    #[serde(flatten)]
    identity: RunIdentity,
    phase: Phase,
    position: Position,
    /// Empty in the teacher's phase.
    statistics: Vec<LayerStatistics>,
    seconds: f64,
    /// BLAKE3 of `optimiser.bpk`.
    optimiser: String,
}

/// Writes the next checkpoint of the run in folder `run` and removes the older ones. Returns the
/// checkpoint's folder.
///
/// # Errors
/// [`Error::Io`] and [`Error::Model`] if a file cannot be written.
pub(crate) fn save(
    run: &Path,
    identity: &RunIdentity,
    subject: &Subject,
    network: &NetworkState,
    seconds: f64,
) -> Result<PathBuf> {
    let folder = run.join("checkpoints");
    let number = numbers(&folder)?.last().map_or(1, |n| n + 1);
    let unfinished = folder.join(format!(".{number:06}.tmp"));
    remove(&unfinished)?;
    fs::create_dir_all(&unfinished).map_err(Error::io("creating", &unfinished))?;
    let statistics = match subject {
        Subject::Teacher => {
            save_model(&network.model, &unfinished.join(TEACHER))?;
            Vec::new()
        }
        Subject::Student { teacher, statistics } => {
            save_model(teacher, &unfinished.join(TEACHER))?;
            save_model(&network.model, &unfinished.join(STUDENT))?;
            statistics.clone()
        }
    };
    write(&unfinished.join(OPTIMISER), &network.optimiser)?;
    let state = StateFile {
        format: FORMAT,
        identity: identity.clone(),
        phase: subject.phase(),
        position: network.position,
        statistics,
        seconds,
        optimiser: blake3::hash(&network.optimiser).to_hex().to_string(),
    };
    write(&unfinished.join("state.json"), serde_json::to_string_pretty(&state)?.as_bytes())?;
    let path = folder.join(format!("{number:06}"));
    fs::rename(&unfinished, &path).map_err(Error::io("renaming to", &path))?;
    for old in numbers(&folder)?.into_iter().filter(|n| *n < number) {
        remove(&folder.join(format!("{old:06}")))?;
    }
    Ok(path)
}

/// Finds the newest checkpoint of the run in folder `run`, if there is one.
///
/// # Errors
/// [`Error::Io`] if the folder cannot be read.
pub(crate) fn newest(run: &Path) -> Result<Option<PathBuf>> {
    let folder = run.join("checkpoints");
    Ok(numbers(&folder)?.last().map(|n| folder.join(format!("{n:06}"))))
}

/// Reads a checkpoint of the run `identity`.
///
/// # Errors
/// [`Error::Checkpoint`] if it belongs to another run or is damaged; [`Error::Io`] and
/// [`Error::Model`] if a file cannot be read.
pub(crate) fn load(path: &Path, identity: &RunIdentity) -> Result<Checkpoint> {
    let wrong = |found: String, expected: &str| Error::Checkpoint {
        path: path.to_owned(),
        found,
        expected: expected.to_owned(),
        remedy: "start the run again without resuming, or choose another folder",
    };
    let file = path.join("state.json");
    let text = fs::read_to_string(&file).map_err(Error::io("reading", &file))?;
    let state: StateFile =
        serde_json::from_str(&text).map_err(|e| wrong(e.to_string(), "a state written by this version"))?;
    if state.format != FORMAT {
        return Err(wrong(format!("format {}", state.format), "format 1"));
    }
    if state.identity.config != identity.config {
        let fields = differences(&state.identity.config, &identity.config);
        return Err(wrong(format!("a run with other settings ({fields})"), "the same settings"));
    }
    if state.identity.data != identity.data {
        return Err(wrong("a run on other images".to_owned(), "the same images (their checksum differs)"));
    }
    let sound = |s: &LayerStatistics| {
        let (Range { min, max }, rms) = (s.range, s.rms);
        [min, max, rms].iter().all(|v| v.is_finite()) && min <= max && rms >= 0.0
    };
    if let Some(bad) = state.statistics.iter().find(|s| !sound(s)) {
        let found = format!("statistics from {} to {} of {}", bad.range.min, bad.range.max, bad.rms);
        return Err(wrong(found, "finite numbers, the smallest first, and a root mean square"));
    }
    let file = path.join(OPTIMISER);
    let optimiser = fs::read(&file).map_err(Error::io("reading", &file))?;
    if blake3::hash(&optimiser).to_hex().as_str() != state.optimiser {
        return Err(wrong("a damaged optimiser.bpk".to_owned(), "the checksum in state.json"));
    }
    let teacher = load_model(&path.join(TEACHER))?;
    let (subject, model) = match state.phase {
        Phase::Teacher => (Subject::Teacher, teacher),
        Phase::Student => {
            let file = path.join(STUDENT);
            if !file.exists() {
                return Err(wrong("no student".to_owned(), STUDENT));
            }
            (Subject::Student { teacher: Box::new(teacher), statistics: state.statistics }, load_model(&file)?)
        }
    };
    let network = NetworkState { model, position: state.position, optimiser };
    Ok(Checkpoint { subject, network, seconds: state.seconds })
}

/// Removes all checkpoints of the run in folder `run`.
///
/// # Errors
/// [`Error::Io`] if they cannot be removed.
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
