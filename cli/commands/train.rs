//! `beaa train`: one experiment into one run folder.

use std::path::PathBuf;

use anyhow::Result;
use beaa_datasets::{Dataset, Split};
use beaa_evaluation::classes::{classes, few_images};
use beaa_evaluation::metrics::{Classification, classification, percent};
use beaa_ir::{Accuracy, Model};
use beaa_lab::auto_config;
use beaa_lab::experiment::Experiment;
use beaa_lab::run_folder::{self, RunFolder, Start};
use beaa_trainer::{Answers, LabelledLogits, TrainLiteral};
use clap::Args;
use serde_json::json;

use crate::context::Context;
use crate::dataset_args::DatasetRoots;
use crate::memory_args::MemoryArgs;
use crate::training_args::ExperimentChanges;

/// Options of `beaa train`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Experiment (JSON), see configs/; or a folder of your own images, one sub-folder per class,
    /// for which everything is chosen; without it, the default configuration.
    #[arg(value_name = "CONFIG|FOLDER")]
    config: Option<PathBuf>,
    /// Folder for everything the run writes; default runs/<name of the experiment>.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Go on from the newest checkpoint in the folder.
    #[arg(long)]
    resume: bool,
    /// Replace a run that is in the folder already.
    #[arg(long, conflicts_with = "resume")]
    force: bool,
    /// Train the teacher and no student: a network that students of other runs learn from.
    #[arg(long)]
    teacher_only: bool,
    #[command(flatten)]
    changes: ExperimentChanges,
    #[command(flatten)]
    roots: DatasetRoots,
    #[command(flatten)]
    memory: MemoryArgs,
}

pub(crate) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    arguments.memory.apply();
    beaa_memory::keep_freed();
    let overrides = arguments.changes.overrides();
    let images = arguments.config.as_deref().filter(|path| path.is_dir());
    let chosen = images.map(|folder| auto_config::choose(folder, arguments.changes.seed().unwrap_or(1))).transpose()?;
    let experiment = match (&arguments.config, &chosen) {
        (_, Some(chosen)) => Experiment::parse(&chosen.configuration.to_string(), &overrides)?,
        (Some(path), _) => Experiment::read(path, &overrides)?,
        (None, _) => Experiment::parse(&serde_json::to_string(&TrainLiteral::default())?, &overrides)?,
    };
    let literal = experiment.train.literal();
    let path = arguments.out.clone().unwrap_or_else(|| PathBuf::from("runs").join(&literal.name));
    let folder = RunFolder::new(&path);
    let start = match (arguments.resume, arguments.force) {
        (true, _) => Start::Resume,
        (false, true) => Start::Replace,
        (false, false) => Start::New,
    };
    folder.check(start, &[])?;
    for line in chosen.iter().flat_map(|c| &c.messages) {
        context.console.note(line);
    }
    let dataset = arguments.roots.open(&literal.data.source)?;
    context.console.note(format_args!("training on {} into {}", dataset.name(), path.display()));
    warn_of_few(&dataset, context);
    if arguments.teacher_only {
        let teacher = run_folder::teach(&experiment, &dataset, &folder, arguments.resume, context)?;
        let accuracy = teacher.accuracy();
        let result = json!({"folder": path, "teacher": accuracy, "seconds": context.seconds()});
        return context.print(&result, || format!("{HEAD}{}", line("teacher", accuracy)));
    }
    let trained = run_folder::train(&experiment, &dataset, &folder, arguments.resume, context)?.trained;
    if chosen.is_some() {
        let configuration = folder.config();
        let again = format_args!("beaa train {} --force", configuration.display());
        context
            .console
            .note(format_args!("all of it is in {}; `{again}` does the same again", configuration.display()));
    }
    let figures = |model: &Model, answers: &Answers| {
        let of = |a: &LabelledLogits| classification(model.classes(), &a.logits, &classes_of(&a.labels));
        [of(&answers.validation), of(&answers.test)]
    };
    let teacher = figures(&trained.teacher, &trained.teacher_answers);
    let student = figures(&trained.student, &trained.student_answers);
    let result = json!({
        "folder": path,
        "teacher": trained.teacher_accuracy,
        "student": trained.student_accuracy,
        "figures": {
            "teacher": {"validation": teacher[0], "test": teacher[1]},
            "student": {"validation": student[0], "test": student[1]},
        },
        "seconds": trained.seconds,
    });
    context.print(&result, || {
        format!(
            "{HEAD}{}{}{}",
            line("teacher", Some(trained.teacher_accuracy)),
            line("student", Some(trained.student_accuracy)),
            student_text(&student)
        )
    })
}

/// Above [`line`]s.
const HEAD: &str = "accuracy   validation         test\n";

/// The accuracy of one network, as far as it was measured.
fn line(name: &str, accuracy: Option<Accuracy>) -> String {
    let of = |part: fn(&Accuracy) -> Option<f64>| percent(accuracy.as_ref().and_then(part));
    format!("{name:8} {:>12} {:>12}\n", of(|a| a.validation), of(|a| a.test))
}

/// Labels as numbers of classes.
fn classes_of(labels: &[u8]) -> Vec<usize> {
    labels.iter().map(|&label| label.into()).collect()
}

/// What stands behind the student's accuracy on the test images, or else on the validation images.
fn student_text([validation, test]: &[Option<Classification>; 2]) -> String {
    match (test, validation) {
        (Some(test), _) => format!("\nstudent on {} test images: {}", test.images, classes(test)),
        (None, Some(validation)) => {
            format!("\nstudent on {} validation images: {}", validation.images, classes(validation))
        }
        (None, None) => "\nneither validation nor test images: nothing is known of its accuracy\n".to_owned(),
    }
}

/// Says which classes have few images in which part, before they cost hours.
fn warn_of_few(dataset: &Dataset, context: &Context) {
    for split in [Split::Train, Split::Validation, Split::Test] {
        let labels = dataset.split(split).labels();
        let images = |class: usize| labels.iter().filter(|&&label| usize::from(label) == class).count();
        let names = dataset.classes().iter().enumerate();
        let counts: Vec<(&str, usize)> = names.map(|(class, name)| (name.as_str(), images(class))).collect();
        if labels.is_empty() {
            context.console.warn(format_args!("the {split} split has no image: nothing can be measured on it"));
            continue;
        }
        let consequence = match split {
            Split::Train => "a network can hardly learn them",
            Split::Validation | Split::Test => "their recall says little",
        };
        for remark in few_images(&counts, consequence) {
            context.console.warn(format_args!("{split} split: {remark}"));
        }
    }
}
