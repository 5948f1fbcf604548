//! One training run in one folder, for `train`, `demo` and the runs of a matrix: the resolved
//! configuration beside the metrics, the models and the sampled polynomials.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use beaa_datasets::Dataset;
use beaa_ir::Model;
use beaa_trainer::{Completion, EpochMetrics, Event, Interruption, Observer, Trained, Trainer};

use crate::error;
use crate::experiment::Experiment;
use crate::{Reporter, files};

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

    /// The resolved configuration; its presence tells a run folder.
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
    reporter: &dyn Reporter,
) -> Result<Finished> {
    let trained = record(experiment, folder, resume, reporter, |recorder| {
        let trainer = Trainer::new(&experiment.train, dataset, folder.path());
        trainer.resume(resume).stop(reporter.stop()).observe(recorder).train()
    })?;
    let finished = finish(trained, folder)?;
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
    reporter: &dyn Reporter,
) -> Result<Finished> {
    let trained = record(experiment, folder, resume, reporter, |recorder| {
        let trainer = Trainer::new(&experiment.train, dataset, folder.path());
        trainer.resume(resume).stop(reporter.stop()).observe(recorder).distil(teacher)
    })?;
    finish(trained, folder)
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
    reporter: &dyn Reporter,
) -> Result<Model> {
    let teacher = record(experiment, folder, resume, reporter, |recorder| {
        let trainer = Trainer::new(&experiment.train, dataset, folder.path());
        trainer.resume(resume).stop(reporter.stop()).observe(recorder).teach()
    })?;
    beaa_ir::save_model(&teacher, &folder.file("teacher.safetensors"))?;
    Ok(teacher)
}

/// Trains with the configuration written before, and the metrics meanwhile.
fn record<T>(
    experiment: &Experiment,
    folder: &RunFolder,
    resume: bool,
    reporter: &dyn Reporter,
    train: impl FnOnce(&mut Recorder<'_>) -> beaa_trainer::Result<Completion<T>>,
) -> Result<T> {
    beaa_trainer::find_device(experiment.train.literal().device)?;
    files::create_folder(folder.path())?;
    files::write_json(&folder.config(), &experiment.resolved()?)?;
    let mut recorder = Recorder::open(&folder.metrics(), resume, reporter.training())?;
    let ended = train(&mut recorder);
    let written = recorder.close();
    let trained = match ended.context("training")? {
        Completion::Done(trained) => trained,
        Completion::Interrupted(at) => return Err(interrupted(&at)),
    };
    written.with_context(|| format!("writing {}", folder.metrics().display()))?;
    Ok(trained)
}

/// Writes what belongs to the student.
fn finish(trained: Trained, folder: &RunFolder) -> Result<Finished> {
    beaa_ir::save_model(&trained.student, &folder.file("student.safetensors"))?;
    files::write_json(&folder.file("polynomials.json"), &trained.polynomials)?;
    Ok(Finished { trained, epochs: read_metrics(&folder.metrics())? })
}

fn interrupted(at: &Interruption) -> anyhow::Error {
    let Interruption { phase, epochs_done, checkpoint, .. } = at;
    error::interrupted(format!(
        "training the {phase}, {epochs_done} epochs complete; the state is in {}, go on with the same command and \
         --resume",
        checkpoint.display()
    ))
}

/// Passes events on and writes one line of JSON for each epoch.
struct Recorder<'a> {
    shown: Box<dyn Observer + 'a>,
    file: File,
    failed: Option<std::io::Error>,
}

impl<'a> Recorder<'a> {
    fn open(path: &Path, append: bool, shown: Box<dyn Observer + 'a>) -> Result<Self> {
        let mut options = OpenOptions::new();
        options.create(true).write(true).append(append).truncate(!append);
        let file = options.open(path).with_context(|| format!("opening {}", path.display()))?;
        Ok(Self { shown, file, failed: None })
    }

    /// Whether every line was written.
    fn close(self) -> std::io::Result<()> {
        self.failed.map_or(Ok(()), Err)
    }
}

impl Observer for Recorder<'_> {
    fn event(&mut self, event: &Event) {
        self.shown.event(event);
        if let Event::EpochEnd(metrics) = event {
            let line = serde_json::to_string(metrics).map_err(std::io::Error::other);
            let written = line.and_then(|line| writeln!(self.file, "{line}"));
            if let Err(error) = written {
                self.failed.get_or_insert(error);
            }
        }
    }
}

/// The epochs in order. One that was repeated after an interruption counts once, as it was the last
/// time; a line cut off by a crash is left out.
fn read_metrics(path: &Path) -> Result<Vec<EpochMetrics>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    Ok(in_order(text.lines().filter_map(|line| serde_json::from_str(line).ok())))
}

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
