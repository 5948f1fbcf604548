//! The door of the crate: a [`Trainer`] trains a teacher and its student, a teacher alone, or a
//! student of a teacher that was trained before.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use beaa_datasets::Dataset;
use beaa_ir::Model;

use crate::config::TrainConfig;
use crate::distil::check_teacher::{check_fits, check_teacher};
use crate::error::Result;
use crate::model::weight_init::untrained_teacher;
use crate::session::{RunOptions, Session};
use crate::train::checkpoint::{Checkpoint, NetworkState, Subject};
use crate::train::completion::Completion;
use crate::train::events::Observer;
use crate::train::student::{StudentState, Trained, begin_student, train_student};
use crate::train::teacher::train_teacher;

/// Trains networks as a configuration says, on the images of a data set, with its checkpoints in a
/// folder.
///
/// Checkpoints go to `folder/checkpoints`; nothing else is written, and nothing else is removed.
/// Whatever happens on the way (interruptions, observers, the number of threads), the same
/// configuration and images give the same models, bit for bit.
pub struct Trainer<'a> {
    config: &'a TrainConfig,
    dataset: &'a Dataset,
    folder: &'a Path,
    options: RunOptions<'a>,
}

impl<'a> Trainer<'a> {
    /// A run of `config` on `dataset` from the beginning: checkpoints that are in `folder` are
    /// removed when it starts, unless [`Self::resume`] is set.
    pub fn new(config: &'a TrainConfig, dataset: &'a Dataset, folder: &'a Path) -> Self {
        Self { config, dataset, folder, options: RunOptions { resume: false, stop: None, observer: None } }
    }

    /// Sets whether the run goes on from the newest checkpoint in its folder, if there is one.
    #[must_use]
    pub fn resume(mut self, resume: bool) -> Self {
        self.options.resume = resume;
        self
    }

    /// Sets a flag that interrupts the run: once it is true, the current step is finished and a
    /// checkpoint written.
    #[must_use]
    pub fn stop(mut self, stop: &'a AtomicBool) -> Self {
        self.options.stop = Some(stop);
        self
    }

    /// Sets who is told of steps and epochs.
    #[must_use]
    pub fn observe(mut self, observer: &'a mut dyn Observer) -> Self {
        self.options.observer = Some(observer);
        self
    }

    /// Trains the teacher, then its student.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) if the network does not fit the images,
    /// [`Error::Diverged`](crate::Error::Diverged) when numbers are no longer finite,
    /// [`Error::Checkpoint`](crate::Error::Checkpoint) when resuming with other settings or images,
    /// and failures of files and of the device.
    pub fn train(self) -> Result<Completion<Trained>> {
        let mut session = self.session(None)?;
        match Resumed::from(session.open_checkpoint(None)?) {
            Resumed::Student(state) => train_student(&mut session, state),
            Resumed::Teacher(state) => train_teacher(&mut session, state)?.and_then(|teacher| {
                let student = begin_student(&session, teacher)?;
                train_student(&mut session, student)
            }),
        }
    }

    /// Trains the teacher alone, so that several students can learn from it by [`Self::distil`].
    ///
    /// # Errors
    /// As [`Self::train`].
    pub fn teach(self) -> Result<Completion<Model>> {
        let mut session = self.session(None)?;
        match Resumed::from(session.open_checkpoint(None)?) {
            Resumed::Student(state) => Ok(Completion::Done(*state.teacher)),
            Resumed::Teacher(state) => train_teacher(&mut session, state),
        }
    }

    /// Trains a student of `teacher`, which [`Self::teach`] made for the same data, network and
    /// seed: the student is bit for bit the one that [`Self::train`] makes.
    ///
    /// # Errors
    /// As [`Self::train`], [`Error::Data`](crate::Error::Data) if `teacher` is not of the
    /// configured network, classes and images (of the images and the number of classes alone, where
    /// the configuration names a teacher's file, which may hold any network), and
    /// [`Error::Checkpoint`](crate::Error::Checkpoint) when resuming with another teacher.
    pub fn distil(self, teacher: &Model) -> Result<Completion<Trained>> {
        let mut session = self.session(Some(teacher))?;
        let splits = &session.splits;
        let teacher = if session.literal().teacher.model.is_some() {
            check_fits("the given teacher", teacher, splits)?;
            session.adopt_classes(teacher.clone())?
        } else {
            check_teacher(teacher, &untrained_teacher(session.config, splits.input.clone(), &splits.classes)?)?;
            teacher.clone()
        };
        let student = match Resumed::from(session.open_checkpoint(Some(&teacher))?) {
            Resumed::Student(state) => state,
            Resumed::Teacher(_) => begin_student(&session, teacher)?,
        };
        train_student(&mut session, student)
    }

    fn session(self, teacher: Option<&Model>) -> Result<Session<'a>> {
        Session::new(self.config, self.dataset, self.folder, self.options, teacher)
    }
}

/// Where a run goes on.
enum Resumed {
    /// In the teacher's phase; at its beginning if there is no state.
    Teacher(Option<NetworkState>),
    Student(StudentState),
}

impl From<Option<Checkpoint>> for Resumed {
    fn from(checkpoint: Option<Checkpoint>) -> Self {
        let Some(Checkpoint { subject, network, .. }) = checkpoint else { return Self::Teacher(None) };
        match subject {
            Subject::Teacher => Self::Teacher(Some(network)),
            Subject::Student { teacher, statistics } => Self::Student(StudentState { teacher, statistics, network }),
        }
    }
}
