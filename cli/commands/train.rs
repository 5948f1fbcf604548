//! `beaa train`: one experiment into one run folder. Must never overwrite a finished run unasked.

use std::path::PathBuf;

use anyhow::Result;
use beaa_lab::auto_config;
use beaa_lab::experiment::{Assignment, Experiment, Overrides};
use beaa_lab::metrics::percent;
use beaa_lab::run_folder::{self, RunFolder};
use beaa_trainer::{DeviceKind, TrainLiteral};
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::context::Context;
use crate::dataset_args::Roots;
use crate::exit::Exit;

/// Options of `beaa train`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Experiment (JSON), see configs/; or a folder of your own images, one sub-folder per class, for which everything is
    /// chosen; without it, the default configuration.
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
    #[command(flatten)]
    changes: Changes,
    #[command(flatten)]
    roots: Roots,
}

/// What the command line changes in an experiment.
#[derive(Debug, Clone, Args)]
pub(crate) struct Changes {
    /// Seed of everything random in training.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Where to compute; ndarray is Burn's older CPU backend, and slower; wgpu and cuda are GPUs.
    #[arg(long, value_name = "DEVICE")]
    device: Option<Device>,
    /// Change one setting, as `student.epochs=5` or `network[0].conv2d.out=8`; may be repeated.
    #[arg(long = "set", value_name = "PATH=VALUE")]
    assignments: Vec<Assignment>,
}

/// A compute device by name.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Device {
    /// burn-flex.
    Flex,
    /// burn-ndarray.
    Ndarray,
    /// burn-wgpu, in a build with that feature.
    Wgpu,
    /// burn-cuda, in a build with that feature.
    Cuda,
}

impl From<Device> for DeviceKind {
    fn from(device: Device) -> Self {
        match device {
            Device::Flex => Self::Flex,
            Device::Ndarray => Self::Ndarray,
            Device::Wgpu => Self::Wgpu,
            Device::Cuda => Self::Cuda,
        }
    }
}

impl Changes {
    /// The seed, for those that need it elsewhere too.
    pub(crate) fn seed(&self) -> Option<u64> {
        self.seed
    }

    /// In the form that an experiment takes.
    pub(crate) fn overrides(&self) -> Overrides {
        Overrides { assignments: self.assignments.clone(), seed: self.seed, device: self.device.map(DeviceKind::from) }
    }
}

pub(crate) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let overrides = arguments.changes.overrides();
    let own = arguments.config.as_deref().filter(|path| path.is_dir());
    let chosen = own.map(|folder| auto_config::choose(folder, arguments.changes.seed().unwrap_or(1))).transpose()?;
    let experiment = match (&arguments.config, &chosen) {
        (_, Some(chosen)) => Experiment::parse(&chosen.configuration.to_string(), &overrides)?,
        (Some(path), _) => Experiment::read(path, &overrides)?,
        (None, _) => Experiment::parse(&serde_json::to_string(&TrainLiteral::default())?, &overrides)?,
    };
    let literal = experiment.train.literal();
    let path = arguments.out.clone().unwrap_or_else(|| PathBuf::from("runs").join(&literal.name));
    let folder = RunFolder::new(&path);
    if folder.config().exists() && !arguments.resume && !arguments.force {
        return Err(Exit::Usage.because(format!(
            "training: found a run in {}, expected an empty folder; give --resume to go on with it, --force to replace it, or another --out",
            path.display()
        )));
    }
    for line in chosen.iter().flat_map(|c| &c.said) {
        context.console.note(line);
    }
    let dataset = arguments.roots.open(&literal.data.source)?;
    context.console.note(format_args!("training on {} into {}", dataset.name(), path.display()));
    let trained = run_folder::train(&experiment, &dataset, &folder, arguments.resume, context)?.trained;
    if chosen.is_some() {
        let configuration = folder.config();
        let again = format_args!("beaa train {} --force", configuration.display());
        context
            .console
            .note(format_args!("all of it is in {}; `{again}` does the same again", configuration.display()));
    }
    let result = json!({
        "folder": path,
        "teacher": trained.teacher_accuracy,
        "student": trained.student_accuracy,
        "seconds": trained.seconds,
    });
    context.print(&result, || {
        let line =
            |name, a: beaa_ir::Accuracy| format!("{name:8} {:>12} {:>12}\n", percent(a.validation), percent(a.test));
        format!(
            "{:8} {:>12} {:>12}\n{}{}",
            "accuracy",
            "validation",
            "test",
            line("teacher", trained.teacher_accuracy),
            line("student", trained.student_accuracy)
        )
    })
}
