//! One run of a matrix: the shared teacher, the student, the program, the encrypted test images.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use beaa_compiler::ckks::{Samples, compile_for};
use beaa_datasets::{Dataset, Images, SourceSpec, Split};
use beaa_evaluation::bad_input;
use beaa_evaluation::metrics::accuracy;
use beaa_evaluation::model_images::planning_images;
use beaa_ir::{ClassMap, Model};

use super::encrypted_run;
use super::planned::PlannedRun;
use super::results::{ResultRow, RunOutcome};
use super::spec::teacher_experiment;
use crate::TrainingReporter;
use crate::run_folder::{self, RunFolder};

/// What runs share: the output folder, and the data set of the last one.
pub struct Runner<'a> {
    folder: PathBuf,
    roots: Vec<PathBuf>,
    reporter: &'a dyn TrainingReporter,
    open: Option<(SourceSpec, Dataset)>,
}

impl<'a> Runner<'a> {
    /// Nothing opened yet.
    pub fn new(folder: &Path, roots: Vec<PathBuf>, reporter: &'a dyn TrainingReporter) -> Self {
        Self { folder: folder.to_owned(), roots, reporter, open: None }
    }

    /// Does the run and returns its row. Divergence and networks that do not compile are results.
    /// The next call goes on where an interrupted one stopped.
    ///
    /// # Errors
    /// If the data set cannot be read, a file cannot be written, or the user stopped the work.
    pub fn run(&mut self, planned: &PlannedRun) -> Result<ResultRow> {
        let spec = &planned.experiment.train.literal().data.source;
        let dataset = match self.open.take() {
            Some((open, dataset)) if open == *spec => dataset,
            _ => beaa_datasets::open(spec, &self.roots).context("opening the data set")?,
        };
        let row = row(planned, &dataset, &self.folder, self.reporter);
        self.open = Some((spec.clone(), dataset));
        row
    }
}

fn row(planned: &PlannedRun, dataset: &Dataset, folder: &Path, reporter: &dyn TrainingReporter) -> Result<ResultRow> {
    let (in_clear, ended) = match teacher(planned, dataset, folder, reporter) {
        Ok(teacher) => {
            let (images, device) =
                (test_images(planned, dataset, &teacher)?, planned.experiment.train.literal().device);
            let logits = beaa_trainer::predict(&teacher, &images, device)?;
            (
                accuracy(&teacher.classes().of(&logits), images.labels()),
                student(planned, dataset, &teacher, folder, reporter),
            )
        }
        Err(error) => (None, Err(error)),
    };
    let (outcome, seconds) = match ended {
        Ok(ended) => ended,
        Err(error) => (RunOutcome::Diverged { message: diverged(error)? }, 0.0),
    };
    Ok(ResultRow {
        key: planned.key.clone(),
        labels: planned.labels.iter().cloned().collect(),
        outcome,
        data: dataset.checksum(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        teacher: in_clear,
        seconds,
    })
}

/// What to record of a divergence; any other error stays one.
fn diverged(error: anyhow::Error) -> Result<String> {
    let found = error.chain().find_map(|cause| match cause.downcast_ref() {
        Some(beaa_trainer::Error::Diverged { phase, epoch, step, what, value, .. }) => {
            Some(format!("{phase}, epoch {epoch}, step {step}: {what} is {value}"))
        }
        _ => None,
    });
    found.ok_or(error)
}

/// The teacher of the output folder, trained if it is not there.
fn teacher(planned: &PlannedRun, dataset: &Dataset, folder: &Path, reporter: &dyn TrainingReporter) -> Result<Model> {
    let target_folder = RunFolder::new(&folder.join("teachers").join(&planned.teacher));
    let file = target_folder.file("teacher.safetensors");
    if file.exists() {
        let model = beaa_ir::load_model(&file)?;
        // The folder's name says the configuration, this says the images.
        let trained_on = model.provenance().data.as_ref().and_then(|d| d.checksum.as_ref());
        if trained_on == Some(&dataset.checksum()) {
            return Ok(model);
        }
        reporter.note(&format_args!("{}: trained on other images, training it again", file.display()));
        target_folder.remove()?;
    }
    let resume = target_folder.has_checkpoints();
    let model = run_folder::teach(&teacher_experiment(planned)?, dataset, &target_folder, resume, reporter)?;
    beaa_trainer::remove_checkpoints(target_folder.path())?;
    Ok(model)
}

fn student(
    planned: &PlannedRun,
    dataset: &Dataset,
    teacher: &Model,
    folder: &Path,
    reporter: &dyn TrainingReporter,
) -> Result<(RunOutcome, f64)> {
    let target_folder = RunFolder::new(&folder.join("students").join(&planned.key));
    let resume = target_folder.has_checkpoints();
    let trained = run_folder::distil(&planned.experiment, dataset, teacher, &target_folder, resume, reporter)?.trained;
    reporter.check_interrupted("training; the models are saved")?;
    let literal = planned.experiment.train.literal();
    let images = test_images(planned, dataset, &trained.student)?;
    let logits = beaa_trainer::predict(&trained.student, &images, literal.device)?;
    let student = accuracy(&trained.student.classes().of(&logits), images.labels())
        .ok_or_else(|| bad_input(format!("measuring on {}: it has no test image", dataset.name())))?;
    let seen = planning_images(dataset, &trained.student)?;
    let samples = Samples { images: &seen.training, held_out: seen.held_out.as_ref() };
    let outcome = match compile_for(&trained.student, &planned.experiment.compile, Some(samples)) {
        Ok(compiled) => {
            let encrypted = Box::new(encrypted_run::measure(&compiled.program, &images, &logits, reporter)?);
            RunOutcome::Done { student, encrypted }
        }
        Err(error) => RunOutcome::NotCompiled { student, message: error.to_string() },
    };
    // The models stay; what was only for going on goes.
    beaa_trainer::remove_checkpoints(target_folder.path()).context("cleaning up")?;
    Ok((outcome, trained.seconds))
}

/// The images that teacher, student and program are compared on, with the classes of `model` for
/// labels.
fn test_images(planned: &PlannedRun, dataset: &Dataset, model: &Model) -> Result<Images> {
    let test = dataset.split(Split::Test);
    let test = planned.experiment.train.literal().data.test.map_or_else(|| test.clone(), |n| test.take(n));
    let map = ClassMap::new(model.classes(), dataset.classes())?;
    // A trained network has as many classes as its data set, at most 256.
    Ok(test.relabelled(|label| map.class(usize::from(label)) as u8))
}

/// The rows of the planned runs that there are, in their order.
pub fn finished_rows<'a>(planned: &[PlannedRun], rows: &'a [ResultRow]) -> Vec<&'a ResultRow> {
    planned.iter().filter_map(|p| rows.iter().find(|r| r.key == p.key)).collect()
}
