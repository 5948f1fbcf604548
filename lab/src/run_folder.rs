//! One training run in one folder, for `train`, `demo` and the runs of a matrix: the resolved
//! configuration beside the metrics, the models and the sampled polynomials.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use beaa_base::folder::{self, FolderLock};
use beaa_base::words::count;
use beaa_datasets::Dataset;
use beaa_evaluation::{bad_setting, files};
use beaa_ir::Model;
use beaa_trainer::{Completion, EpochMetrics, Event, Interruption, Observer, Trained, Trainer};

use crate::TrainingReporter;
use crate::experiment::Experiment;
use crate::json_lines::{self, JsonLines};

/// What the marker of a run folder says.
const HOLDS: &str = "a training run";
const CHECKPOINTS: &str = "checkpoints";
/// The files of a run beside its checkpoints.
const FILES: [&str; 5] =
    ["config.json", "metrics.jsonl", "polynomials.json", "student.safetensors", "teacher.safetensors"];

/// What a run does with what is in its folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// It begins, and nothing of a run is there.
    New,
    /// It goes on with the run that is there.
    Resume,
    /// It begins, and replaces the files that it writes.
    Replace,
}

/// The files of a run.
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// In this folder.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Refuses to begin or to go on where somebody's files would suffer: those that bear names of a
    /// run's, or of what is written `beside` it.
    ///
    /// # Errors
    /// [`Fault::Setting`](beaa_evaluation::Fault::Setting) if the folder holds files of these names
    /// that the run may not touch.
    pub fn check(&self, start: Start, beside: &[&str]) -> Result<()> {
        let there = folder::first_of(&self.path, &[&FILES[..], &[CHECKPOINTS], beside].concat());
        let path = self.path.display();
        match (start, there) {
            (Start::New, Some(_)) if self.is_run() => Err(bad_setting(format!(
                "training: found a run in {path}, expected an empty folder; give --resume to go on with it, --force to \
                 replace it, or another --out"
            ))),
            (Start::New, Some(name)) => Err(bad_setting(format!(
                "training: found {name} in {path}, which no run wrote there, expected a folder without it; give \
                 another --out, or --force to replace files that have the names of a run's"
            ))),
            (Start::Resume, Some(name)) if !self.is_run() => Err(bad_setting(format!(
                "training: found {name} in {path}, which no run wrote there, expected a run to go on with; give the \
                 --out of the run"
            ))),
            _ => Ok(()),
        }
    }

    /// Whether a run made this folder: by its marker, or as older releases left it.
    pub fn is_run(&self) -> bool {
        let older = || self.config().is_file() && self.metrics().is_file();
        folder::is_marked(&self.path, HOLDS) || older()
    }

    /// Whether the run in it has neither an epoch nor a checkpoint.
    fn is_untrained(&self) -> bool {
        let empty = |m: std::fs::Metadata| m.len() == 0;
        std::fs::metadata(self.metrics()).is_ok_and(empty) && !self.file(CHECKPOINTS).exists()
    }

    /// Removes a run with its folder; what no run made stays.
    ///
    /// # Errors
    /// If a file cannot be removed.
    pub fn remove(&self) -> Result<()> {
        if self.is_run() {
            beaa_trainer::remove_checkpoints(&self.path)?;
            folder::remove_files(&self.path, &FILES)?;
        }
        Ok(())
    }

    /// Whether there is a checkpoint to go on from.
    pub fn has_checkpoints(&self) -> bool {
        self.file(CHECKPOINTS).exists()
    }

    /// The resolved configuration.
    pub fn config(&self) -> PathBuf {
        self.file("config.json")
    }

    fn metrics(&self) -> PathBuf {
        self.file("metrics.jsonl")
    }
}

/// What a finished run leaves, beside the files.
pub struct Finished {
    /// Models and polynomials.
    pub trained: Trained,
    /// All epochs of both networks, those before an interruption too.
    pub epochs: Vec<EpochMetrics>,
    /// Nobody else writes into the folder until this is dropped.
    _lock: FolderLock,
}

/// Trains teacher and student and writes everything into the folder.
///
/// # Errors
/// If training fails, a file cannot be written, or the user stopped the work: the message names the
/// command that goes on.
pub fn train(
    experiment: &Experiment,
    dataset: &Dataset,
    folder: &RunFolder,
    resume: bool,
    reporter: &dyn TrainingReporter,
) -> Result<Finished> {
    let (trained, lock) = record(experiment, folder, resume, reporter, |recorder| {
        let trainer = Trainer::new(&experiment.train, dataset, folder.path());
        trainer.resume(resume).stop(reporter.stop()).observe(recorder).train()
    })?;
    let finished = finish(trained, folder, lock)?;
    beaa_ir::save_model(&finished.trained.teacher, &folder.file("teacher.safetensors"))?;
    Ok(finished)
}

/// Trains a student of a teacher that is trained already; the teacher is not written again.
///
/// # Errors
/// As [`train`].
pub fn distil(
    experiment: &Experiment,
    dataset: &Dataset,
    teacher: &Model,
    folder: &RunFolder,
    resume: bool,
    reporter: &dyn TrainingReporter,
) -> Result<Finished> {
    let (trained, lock) = record(experiment, folder, resume, reporter, |recorder| {
        let trainer = Trainer::new(&experiment.train, dataset, folder.path());
        trainer.resume(resume).stop(reporter.stop()).observe(recorder).distil(teacher)
    })?;
    finish(trained, folder, lock)
}

/// Trains a teacher without a student and writes `teacher.safetensors`.
///
/// # Errors
/// As [`train`].
pub fn teach(
    experiment: &Experiment,
    dataset: &Dataset,
    folder: &RunFolder,
    resume: bool,
    reporter: &dyn TrainingReporter,
) -> Result<Model> {
    let (teacher, _lock) = record(experiment, folder, resume, reporter, |recorder| {
        let trainer = Trainer::new(&experiment.train, dataset, folder.path());
        trainer.resume(resume).stop(reporter.stop()).observe(recorder).teach()
    })?;
    beaa_ir::save_model(&teacher, &folder.file("teacher.safetensors"))?;
    Ok(teacher)
}

/// Trains with the configuration written before, and the metrics meanwhile; nobody else may write
/// into the folder as long as the lock lives.
fn record<T>(
    experiment: &Experiment,
    folder: &RunFolder,
    resume: bool,
    reporter: &dyn TrainingReporter,
    train: impl FnOnce(&mut Recorder<'_>) -> beaa_trainer::Result<Completion<T>>,
) -> Result<(T, FolderLock)> {
    beaa_trainer::find_device(experiment.train.literal().device)?;
    files::create_folder(folder.path())?;
    let lock = folder::lock(folder.path())?;
    folder::mark(folder.path(), HOLDS)?;
    files::write_json(&folder.config(), &experiment.resolved()?)?;
    let mut recorder = Recorder::open(&folder.metrics(), resume, reporter)?;
    let ended = train(&mut recorder);
    let written = recorder.close();
    if ended.is_err() && !resume && folder.is_untrained() {
        // Refused before the first epoch: the next attempt shall not find a run.
        folder.remove()?;
    }
    let trained = match ended.context("training")? {
        Completion::Done(trained) => trained,
        Completion::Interrupted(at) => return Err(interrupted(&at)),
    };
    written?;
    Ok((trained, lock))
}

/// Writes what belongs to the student.
fn finish(trained: Trained, folder: &RunFolder, lock: FolderLock) -> Result<Finished> {
    beaa_ir::save_model(&trained.student, &folder.file("student.safetensors"))?;
    files::write_json(&folder.file("polynomials.json"), &trained.polynomials)?;
    let epochs = in_order(json_lines::read(&folder.metrics())?.values.into_iter());
    Ok(Finished { trained, epochs, _lock: lock })
}

fn interrupted(at: &Interruption) -> anyhow::Error {
    let Interruption { phase, epochs_done, checkpoint, .. } = at;
    let done = count(*epochs_done, "epoch");
    beaa_evaluation::interrupted(format!(
        "training the {phase}, {done} complete; the state is in {}, go on with the same command and \
         --resume",
        checkpoint.display()
    ))
}

/// Passes events on and writes one line of JSON for each epoch.
struct Recorder<'a> {
    shown: Box<dyn Observer + 'a>,
    lines: JsonLines,
    failed: Option<anyhow::Error>,
}

impl<'a> Recorder<'a> {
    fn open(path: &Path, resume: bool, reporter: &'a dyn TrainingReporter) -> Result<Self> {
        if resume {
            let problems = json_lines::read::<EpochMetrics>(path)?.problems;
            problems.iter().for_each(|problem| reporter.warn(problem));
        }
        Ok(Self { shown: reporter.training(), lines: JsonLines::open(path, resume)?, failed: None })
    }

    /// Whether every line was written.
    fn close(self) -> Result<()> {
        self.failed.map_or(Ok(()), Err)
    }
}

impl Observer for Recorder<'_> {
    fn event(&mut self, event: &Event) {
        self.shown.event(event);
        if let Event::EpochEnd(metrics) = event
            && let Err(error) = self.lines.add(metrics)
        {
            self.failed.get_or_insert(error);
        }
    }
}

/// The epochs in order. One that was repeated after an interruption counts once, as it was the last
/// time.
fn in_order(lines: impl Iterator<Item = EpochMetrics>) -> Vec<EpochMetrics> {
    let mut epochs: Vec<EpochMetrics> = Vec::new();
    for metrics in lines {
        epochs.retain(|m| (m.phase, m.epoch) != (metrics.phase, metrics.epoch));
        epochs.push(metrics);
    }
    epochs
}

#[cfg(test)]
mod tests {
    use beaa_trainer::Phase;

    use super::*;

    #[test]
    fn repeated_epochs_count_once() {
        let metrics = |phase, epoch, train_loss| EpochMetrics {
            phase,
            epoch,
            train_loss,
            train_accuracy: 0.5,
            validation_loss: None,
            validation_accuracy: None,
            learning_rate: 0.1,
            seconds: 1.0,
        };
        let lines =
            [(Phase::Teacher, 1, 0.9), (Phase::Teacher, 2, 0.8), (Phase::Teacher, 2, 0.7), (Phase::Student, 1, 0.6)];
        let epochs = in_order(lines.into_iter().map(|(p, e, l)| metrics(p, e, l)));
        assert_eq!(epochs.iter().map(|m| m.train_loss).collect::<Vec<_>>(), [0.9, 0.7, 0.6]);
    }
}
