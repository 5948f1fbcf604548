//! The state of a run on disk, so that it can go on after an interruption as if nothing had
//! happened.
//!
//! `<run>/checkpoints/<number>/` holds `state.json`, `teacher.safetensors`, `student.safetensors`
//! (once there is one) and `optimiser.bpk`. A checkpoint is written under a temporary name and
//! renamed; when it is on the disk, older ones are removed, so that there is always a complete one.
//! Of a folder only the files of a checkpoint are removed, whatever else is in it.

use std::fs;
use std::path::{Path, PathBuf};

use beaa_base::folder::{remove_files, remove_if_empty};
use beaa_base::output::{Care, sync_folder};
use beaa_base::words::count;
use beaa_base::{input, json, output, text};
use beaa_ir::{Model, Range, load_model, save_model};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::TrainLiteral;
use crate::distil::quadratic_fit::LayerStatistics;
use crate::error::{Error, Result};
use crate::train::events::Phase;

/// The format that is written. 2: the state has a checksum.
const FORMAT: u32 = 2;
/// The oldest that is read.
const OLDEST: u32 = 1;
const STATE: &str = "state.json";
const TEACHER: &str = "teacher.safetensors";
const STUDENT: &str = "student.safetensors";
pub(crate) const OPTIMISER: &str = "optimiser.bpk";
/// All files of a checkpoint.
const FILES: [&str; 4] = [STATE, TEACHER, STUDENT, OPTIMISER];
/// Bytes of an optimiser's record, at most.
const MAX_RECORD: u64 = 1 << 34;
/// What to do with a checkpoint that cannot be used.
const REMEDY: &str = "start the run again without resuming, or choose another folder";

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
    /// Whether the state was written without a checksum, by an older release.
    pub(crate) unchecked: bool,
}

/// `state.json`.
#[derive(Clone, Serialize, Deserialize)]
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
    /// BLAKE3 of all this, with no checksum in it; from format 2 on.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    checksum: String,
}

impl StateFile {
    fn checksum(&self) -> Result<String> {
        let bare = Self { checksum: String::new(), ..self.clone() };
        Ok(blake3::hash(&serde_json::to_vec(&bare)?).to_hex().to_string())
    }
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
    remove_unfinished(&folder)?;
    let number = numbers(&folder)?.last().map_or(1, |n| n + 1);
    let unfinished = folder.join(format!(".{number:06}.tmp"));
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
    output::write(&unfinished.join(OPTIMISER), &network.optimiser, Care::Kept)?;
    let mut state = StateFile {
        format: FORMAT,
        identity: identity.clone(),
        phase: subject.phase(),
        position: network.position,
        statistics,
        seconds,
        optimiser: blake3::hash(&network.optimiser).to_hex().to_string(),
        checksum: String::new(),
    };
    state.checksum = state.checksum()?;
    output::write(&unfinished.join(STATE), serde_json::to_string_pretty(&state)?.as_bytes(), Care::Kept)?;
    let path = folder.join(format!("{number:06}"));
    fs::rename(&unfinished, &path).map_err(Error::io("renaming to", &path))?;
    // The older one stays until nothing can take the newer away.
    sync_folder(&folder)?;
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

/// The settings of a run, with those that a version before this one did not have at their defaults.
fn completed(settings: &Value) -> Value {
    let literal = serde_json::from_value::<TrainLiteral>(settings.clone());
    let mut all = literal.and_then(serde_json::to_value).unwrap_or_else(|_| settings.clone());
    if let Some(fields) = all.as_object_mut() {
        fields.remove("description");
    }
    all
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
        remedy: REMEDY,
    };
    let text = text::read_text("reading", &path.join(STATE))?;
    let state: StateFile =
        json::parse(&text).map_err(|e| wrong(format!("{STATE}: {e}"), "a state written by this version"))?;
    if !(OLDEST..=FORMAT).contains(&state.format) {
        return Err(wrong(format!("format {}", state.format), "format 1 or 2"));
    }
    let unchecked = state.format == 1 && state.checksum.is_empty();
    if !unchecked && state.checksum != state.checksum()? {
        return Err(wrong(format!("a damaged {STATE}"), "the checksum that is in it"));
    }
    let settings = completed(&state.identity.config);
    if settings != identity.config {
        let fields = differences(&settings, &identity.config);
        return Err(wrong(format!("a run with other settings ({fields})"), "the same settings"));
    }
    if state.identity.data != identity.data {
        return Err(wrong("a run on other images".to_owned(), "the same images (their checksum differs)"));
    }
    if let Some(found) = impossible(&state.position) {
        return Err(wrong(found, "a position that a run can have"));
    }
    if !(state.seconds.is_finite() && state.seconds >= 0.0) {
        return Err(wrong(format!("a run of {} seconds", state.seconds), "a time"));
    }
    let sound = |s: &LayerStatistics| {
        let (Range { min, max }, rms) = (s.range, s.rms);
        [min, max, rms].iter().all(|v| v.is_finite()) && min <= max && rms >= 0.0
    };
    if let Some(bad) = state.statistics.iter().find(|s| !sound(s)) {
        let found = format!("statistics from {} to {} of {}", bad.range.min, bad.range.max, bad.rms);
        return Err(wrong(found, "finite numbers, the smallest first, and a root mean square"));
    }
    let optimiser = input::read("reading", &path.join(OPTIMISER), MAX_RECORD)?;
    if blake3::hash(&optimiser).to_hex().as_str() != state.optimiser {
        return Err(wrong(format!("a damaged {OPTIMISER}"), "the checksum in state.json"));
    }
    let model = |name: &str| load_model(&path.join(name)).map_err(|e| of_model(e, &path.join(name)));
    let student = path.join(STUDENT).exists();
    let (subject, model) = match state.phase {
        Phase::Teacher if student || !state.statistics.is_empty() => {
            return Err(wrong("a student in the phase of the teacher".to_owned(), "a teacher alone"));
        }
        Phase::Teacher => (Subject::Teacher, model(TEACHER)?),
        Phase::Student if !student => return Err(wrong("no student".to_owned(), STUDENT)),
        Phase::Student => {
            let teacher = Box::new(model(TEACHER)?);
            (Subject::Student { teacher, statistics: state.statistics }, model(STUDENT)?)
        }
    };
    let network = NetworkState { model, position: state.position, optimiser };
    Ok(Checkpoint { subject, network, seconds: state.seconds, unchecked })
}

/// Removes all checkpoints of the run in folder `run`; what is no checkpoint stays.
///
/// # Errors
/// [`Error::Io`] if they cannot be removed.
pub fn remove_checkpoints(run: &Path) -> Result<()> {
    let folder = run.join("checkpoints");
    remove_unfinished(&folder)?;
    for number in numbers(&folder)? {
        remove(&folder.join(format!("{number:06}")))?;
    }
    Ok(remove_if_empty(&folder)?)
}

/// What in a position no run can have.
fn impossible(at: &Position) -> Option<String> {
    let numbers = [at.loss, at.seconds];
    if let Some(bad) = numbers.iter().find(|v| !v.is_finite()) {
        return Some(format!("{bad} in the position"));
    }
    let idle = at.step > 0 || (at.seen == 0 && at.loss == 0.0);
    let counted = at.correct <= at.seen && idle && at.seconds >= 0.0;
    (!counted).then(|| format!("{} of {} right after {}", at.correct, count(at.seen, "image"), count(at.step, "step")))
}

/// What is wrong with a model of a checkpoint, with its file.
fn of_model(error: beaa_ir::Error, file: &Path) -> Error {
    match error {
        beaa_ir::Error::Io { .. } | beaa_ir::Error::File(_) => error.into(),
        other => Error::Checkpoint {
            path: file.to_owned(),
            found: other.to_string(),
            expected: "a model as this version writes it".to_owned(),
            remedy: REMEDY,
        },
    }
}

fn numbers(folder: &Path) -> Result<Vec<u64>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(Error::io("reading", folder)(e)),
    };
    let number = |name: &str| name.parse::<u32>().ok().filter(|n| format!("{n:06}") == name).map(u64::from);
    let mut numbers: Vec<u64> = entries.flatten().filter_map(|e| number(e.file_name().to_str()?)).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// Removes the checkpoints that a dead process did not complete.
fn remove_unfinished(folder: &Path) -> Result<()> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let number = name.to_str().and_then(|n| n.strip_prefix('.')?.strip_suffix(".tmp"));
        if number.is_some_and(|n| n.len() >= 6 && n.bytes().all(|b| b.is_ascii_digit())) {
            remove_files(&entry.path(), &FILES)?;
        }
    }
    Ok(())
}

/// Removes a checkpoint, if the folder is one.
fn remove(path: &Path) -> Result<()> {
    let state = input::read("reading", &path.join(STATE), input::TEXT_LIMIT).ok();
    let fields = state.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    let known = |fields: Value| ["format", "phase", "position", "optimiser"].iter().all(|f| fields.get(f).is_some());
    if fields.is_some_and(known) {
        remove_files(path, &FILES)?;
    }
    Ok(())
}

fn differences(a: &Value, b: &Value) -> String {
    let (Some(a), Some(b)) = (a.as_object(), b.as_object()) else { return "all of it".to_owned() };
    let keys: Vec<&str> = a.keys().filter(|k| a.get(*k) != b.get(*k)).map(String::as_str).collect();
    keys.join(", ")
}
