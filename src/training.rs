//! Training: a ReLU network, and the student without ReLU that learns from it.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use beaa_compiler::ckks::Options;
use beaa_trainer::{Completion, TrainConfig, Trainer};

use crate::{Dataset, Error, Model, Result};

pub use beaa_trainer::{EpochMetrics, Event, Observer, Phase};

/// What to train, and what its program is to be compiled for.
#[derive(Debug, Clone)]
pub struct Experiment {
    config: TrainConfig,
    compile: Options,
}

/// One run of an experiment.
pub struct Training<'a> {
    trainer: Trainer<'a>,
}

/// The networks that a run leaves.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Trained {
    /// With ReLU; cannot be compiled for batches.
    pub teacher: Model,
    /// Without ReLU: the one to compile.
    pub student: Model,
    /// The student's accuracy on test images, 0..1, if there were any.
    pub test_accuracy: Option<f64>,
}

impl Experiment {
    /// Reads an experiment as the files in configs/ have it: settings of the training, and under
    /// `compile` options for [`compile`](crate::compile). What is left out takes its default.
    ///
    /// # Errors
    /// [`Error::BadOption`] lists everything that is out of range, or says where the text is no
    /// experiment.
    pub fn from_json(text: &str) -> Result<Self> {
        let (train, compile) = beaa_trainer::parse_experiment(text).map_err(beaa_trainer::Error::from)?;
        let compile: Option<Options> = compile;
        let compile = compile.unwrap_or_default();
        compile.check()?;
        Ok(Self { config: train.try_into()?, compile })
    }

    /// Options for compiling the student.
    pub fn compile_options(&self) -> &Options {
        &self.compile
    }
}

/// Prepares a run of `experiment` on the images of `dataset`. Checkpoints go to
/// `folder/checkpoints`.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let experiment = beaa::Experiment::from_json(&std::fs::read_to_string("configs/tiny.json")?)?;
/// let dataset = beaa::open_dataset("pneumoniamnist", &[])?;
/// # let folder = std::env::temp_dir().join(format!("beaa-doctest-train-{}", std::process::id()));
/// let trained = beaa::train(&experiment, &dataset, &folder).run()?;
/// trained.student.save(folder.join("student.safetensors"))?;
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok(())
/// # }
/// ```
pub fn train<'a>(experiment: &'a Experiment, dataset: &'a Dataset, folder: &'a Path) -> Training<'a> {
    Training { trainer: Trainer::new(&experiment.config, dataset, folder) }
}

impl<'a> Training<'a> {
    /// Sets whether the run goes on from the newest checkpoint in its folder.
    #[must_use]
    pub fn resume(self, resume: bool) -> Self {
        Self { trainer: self.trainer.resume(resume) }
    }

    /// Sets a flag that interrupts the run once it is true.
    #[must_use]
    pub fn stop(self, stop: &'a AtomicBool) -> Self {
        Self { trainer: self.trainer.stop(stop) }
    }

    /// Sets who is told of steps and epochs.
    #[must_use]
    pub fn observe(self, observer: &'a mut dyn Observer) -> Self {
        Self { trainer: self.trainer.observe(observer) }
    }

    /// Trains the teacher, then the student.
    ///
    /// # Errors
    /// [`Error::BadOption`] if the network does not fit the images, [`Error::Failed`] if training
    /// diverges, [`Error::Interrupted`] after the flag of [`Self::stop`].
    pub fn run(self) -> Result<Trained> {
        match self.trainer.train()? {
            Completion::Done(trained) => Ok(Trained {
                teacher: Model(trained.teacher),
                student: Model(trained.student),
                test_accuracy: trained.student_accuracy.test,
            }),
            Completion::Interrupted(at) => Err(Error::Interrupted { checkpoint: at.checkpoint }),
        }
    }
}
