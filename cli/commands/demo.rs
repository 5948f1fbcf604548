//! `beaa demo`: the whole way in one process, from the embedded images to the report.

use std::path::PathBuf;

use anyhow::Result;
use beaa_lab::demonstration::{self, Demonstration};
use beaa_lab::experiment::Experiment;
use beaa_lab::report::tables;
use beaa_lab::run_folder::{RunFolder, Start};
use clap::Args;

use crate::context::Context;
use crate::dataset_args::DatasetRoots;
use crate::exit::Exit;
use crate::training_args::ExperimentChanges;

/// The demo's own experiment.
const CONFIG: &str = include_str!("../../configs/demo.json");

/// Options of `beaa demo`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Folder for the report and everything else; a demo or a run that is there is replaced.
    #[arg(long, value_name = "DIR", default_value = "runs/demo")]
    out: PathBuf,
    /// Another experiment than the built-in one (configs/demo.json).
    #[arg(long, value_name = "CONFIG")]
    config: Option<PathBuf>,
    /// Encrypt at most so many test images; by default all that fit into one batch.
    #[arg(long, value_name = "N")]
    images: Option<usize>,
    /// Go on with the training that Ctrl-C interrupted.
    #[arg(long)]
    resume: bool,
    /// Replace files in the folder that are called as a demo's, whoever wrote them.
    #[arg(long, conflicts_with = "resume")]
    force: bool,
    #[command(flatten)]
    changes: ExperimentChanges,
    #[command(flatten)]
    roots: DatasetRoots,
}

pub(crate) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let overrides = arguments.changes.overrides();
    let experiment = match &arguments.config {
        Some(path) => Experiment::read(path, &overrides)?,
        None => Experiment::parse(CONFIG, &overrides)?,
    };
    let seed = arguments.changes.seed();
    context.warn_of_seed(seed, "training, keys and ciphertexts are");
    let dataset = arguments.roots.open(&experiment.train.literal().data.source)?;
    let folder = RunFolder::new(&arguments.out);
    let start = match (arguments.resume, arguments.force || folder.is_run()) {
        (true, _) => Start::Resume,
        (false, true) => Start::Replace,
        (false, false) => Start::New,
    };
    folder.check(start, &demonstration::FILES)?;
    let request = Demonstration {
        experiment: &experiment,
        dataset: &dataset,
        images: arguments.images,
        seed,
        resume: arguments.resume,
    };
    let summary = demonstration::run(&request, &folder, context)?;
    context.print(&summary, || tables::summary(&summary))?;
    context.console.note(format_args!("\nreport: {}", folder.file("report.html").display()));
    if !summary.verified {
        return Err(
            Exit::NotVerified.because("verifying: a layer has a larger error or value than the compiler promised")
        );
    }
    Ok(())
}
