//! What all parts of one run share: configuration, images, device, folder, observer, and the wish
//! to stop.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use beaa_base::words::count;
use beaa_datasets::Dataset;
use beaa_ir::{ClassMap, Model, Provenance, TrainingData};
use burn::tensor::Device;
use serde_json::json;

use crate::config::{TrainConfig, TrainLiteral};
use crate::data::{Splits, input_spec};
use crate::device;
use crate::distil::activation_stats::activations;
use crate::distil::check_teacher::{difference, fits, load_matching, other_activations, same_numbers};
use crate::distil::student::student_layers;
use crate::error::{Error, Result};
use crate::model::network::Network;
use crate::model::size_check::check_size;
use crate::model::weight_init::untrained_teacher;
use crate::train::checkpoint::{self, Checkpoint, NetworkState, RunIdentity, Subject};
use crate::train::evaluate::{Answers, answers};
use crate::train::events::{Event, Observer, Phase};

/// What a caller may set for a run; none of it changes a result.
pub(crate) struct RunOptions<'a> {
    /// Whether to go on from the newest checkpoint.
    pub(crate) resume: bool,
    /// Interrupts the run once it is true; none for never.
    pub(crate) stop: Option<&'a AtomicBool>,
    pub(crate) observer: Option<&'a mut dyn Observer>,
}

/// One run in one folder.
pub(crate) struct Session<'a> {
    pub(crate) config: &'a TrainConfig,
    pub(crate) splits: Arc<Splits>,
    /// Without autodiff.
    pub(crate) device: Device,
    pub(crate) folder: &'a Path,
    options: RunOptions<'a>,
    identity: RunIdentity,
    /// As the data set calls itself.
    data_name: String,
    started: Instant,
    /// Seconds that the run took before this start.
    earlier: f64,
}

impl<'a> Session<'a> {
    /// Opens the device and prepares the images; `teacher` is the one that the caller distils from.
    ///
    /// # Errors
    /// [`Error::NoDevice`] if the configured device is not there, [`Error::Data`] if a setting is
    /// about pixels and these are samples of real numbers, and as [`input_spec`] and
    /// [`load_matching`], [`Error::Memory`] if training takes more memory than there is.
    pub(crate) fn new(
        config: &'a TrainConfig,
        dataset: &Dataset,
        folder: &'a Path,
        options: RunOptions<'a>,
        teacher: Option<&Model>,
    ) -> Result<Self> {
        let literal = config.literal();
        check_settings(dataset, literal)?;
        let mut settings = serde_json::to_value(literal)?;
        if let Some(fields) = settings.as_object_mut() {
            fields.remove("description");
        }
        let (input, note) = input_spec(dataset, literal, teacher)?;
        let splits = Arc::new(Splits::new(dataset, &literal.data, literal.seed, input));
        check_size(config, &splits)?;
        let mut session = Self {
            config,
            splits,
            device: device::open(literal.device)?,
            folder,
            options,
            identity: RunIdentity { config: settings, data: dataset.checksum() },
            data_name: dataset.name().to_owned(),
            started: Instant::now(),
            earlier: 0.0,
        };
        if let Some(note) = note {
            session.note(note);
        }
        if let Some(path) = literal.student.start.as_ref().filter(|_| !session.options.resume) {
            // Before the teacher is trained; whether it suits the teacher is seen after that.
            load_matching(path, &session.splits)?;
        }
        Ok(session)
    }

    pub(crate) fn literal(&self) -> &'a TrainLiteral {
        self.config.literal()
    }

    /// Whether somebody has asked for an end.
    pub(crate) fn must_stop(&self) -> bool {
        self.options.stop.is_some_and(|stop| stop.load(Ordering::Relaxed))
    }

    /// Seconds that the run has taken, those before an interruption included.
    pub(crate) fn seconds(&self) -> f64 {
        self.earlier + self.started.elapsed().as_secs_f64()
    }

    /// Tells the observer, if there is one.
    pub(crate) fn tell(&mut self, event: &Event) {
        if let Some(observer) = &mut self.options.observer {
            observer.event(event);
        }
    }

    /// Tells people something.
    pub(crate) fn note(&mut self, text: String) {
        self.tell(&Event::Note { text });
    }

    /// Computes the logits of `network`, built from `model`, of the validation and the test images.
    ///
    /// # Errors
    /// [`Error::Device`] if the device fails.
    pub(crate) fn answers(&self, network: &Network, model: &Model) -> Result<Answers> {
        let of = |images| answers(network, model, images, &self.device);
        Ok(Answers { validation: of(&self.splits.validation)?, test: of(&self.splits.test)? })
    }

    /// Takes the classes of `teacher`, which was trained before, for those of the run: labels are
    /// matched by name, and a teacher that names no classes gets the data set's names. Returns the
    /// teacher with names.
    ///
    /// # Errors
    /// [`Error::Model`] if the names are others than the data set's.
    pub(crate) fn adopt_classes(&mut self, teacher: Model) -> Result<Model> {
        let map = ClassMap::new(teacher.classes(), &self.splits.classes)?;
        if let Some(note) = map.note() {
            self.note(note.to_owned());
        }
        let mut literal = teacher.into_literal();
        if literal.classes.is_empty() {
            literal.classes.clone_from(&self.splits.classes);
        }
        let teacher = Model::try_from(literal)?;
        if teacher.classes().names() != self.splits.classes {
            self.splits = Arc::new(self.splits.of_network(teacher.classes(), &map));
        }
        Ok(teacher)
    }

    /// What a model file says of this run.
    ///
    /// # Errors
    /// [`Error::Syntax`] if the description of the data cannot be written as JSON.
    pub(crate) fn provenance(&self, phase: Phase) -> Result<Provenance> {
        let data = &self.literal().data;
        Ok(Provenance {
            data: Some(TrainingData {
                name: Some(self.data_name.clone()),
                source: Some(serde_json::to_value(&data.source)?),
                checksum: Some(self.identity.data.clone()),
                pixel_bits: data.pixel_bits,
            }),
            seed: Some(self.literal().seed),
            record: json!({ "phase": phase, "configuration": self.config }),
            ..Provenance::default()
        })
    }

    /// Writes a checkpoint and returns its folder.
    ///
    /// # Errors
    /// As [`checkpoint::save`].
    pub(crate) fn save(&self, subject: &Subject, network: &NetworkState) -> Result<PathBuf> {
        checkpoint::save(self.folder, &self.identity, subject, network, self.seconds())
    }

    /// The checkpoint to go on from, if the run resumes and there is one; `source` is the teacher
    /// that the caller distils from. A run from the beginning removes all that are there.
    ///
    /// # Errors
    /// As [`checkpoint::load`], and [`Error::Io`] if checkpoints cannot be removed.
    pub(crate) fn open_checkpoint(&mut self, source: Option<&Model>) -> Result<Option<Checkpoint>> {
        if !self.options.resume {
            checkpoint::remove_checkpoints(self.folder)?;
            return Ok(None);
        }
        let Some(path) = checkpoint::newest(self.folder)? else {
            self.note("there is no checkpoint to resume from; starting at the beginning".to_owned());
            return Ok(None);
        };
        let found = checkpoint::load(&path, &self.identity)?;
        if let (Subject::Student { teacher, .. }, None, Some(_)) =
            (&found.subject, source, &self.literal().teacher.model)
        {
            self.adopt_classes((**teacher).clone())?;
        }
        if let Some((found, expected)) = self.foreign(&found, source)? {
            let remedy = "start the run again without resuming, or choose another folder";
            return Err(Error::Checkpoint { path, found, expected, remedy });
        }
        if found.unchecked {
            self.note("the checkpoint is of an older release, which wrote no checksums".to_owned());
        }
        self.earlier = found.seconds;
        let (phase, at) = (found.subject.phase(), found.network.position);
        self.note(format!("resuming the {phase} after {} and {}", count(at.epoch, "epoch"), count(at.step, "step")));
        Ok(Some(found))
    }

    /// What in a checkpoint is not of this run, and what should be there: its files hold networks
    /// of any kind, and any numbers.
    ///
    /// # Errors
    /// As [`untrained_teacher`].
    fn foreign(&self, checkpoint: &Checkpoint, source: Option<&Model>) -> Result<Option<(String, String)>> {
        let (literal, splits, network) = (self.literal(), &self.splits, &checkpoint.network.model);
        let teacher = match &checkpoint.subject {
            Subject::Teacher => network,
            Subject::Student { teacher, .. } => teacher,
        };
        let of = |who: &str, (found, expected)| Some((format!("{who} with {found}"), expected));
        let other_data = || ("other images or classes".to_owned(), "those of the data set".to_owned());
        let differs = match source {
            Some(source) => difference(teacher, source),
            // One that the configuration names may be any network for these images.
            None if literal.teacher.model.is_some() => (!fits(teacher, splits)).then(other_data),
            None => difference(teacher, &untrained_teacher(self.config, splits.input.clone(), &splits.classes)?),
        };
        if let Some(differs) = differs {
            return Ok(of("a teacher", differs));
        }
        let (epochs, batch) = match checkpoint.subject {
            Subject::Teacher => (literal.teacher.epochs, literal.teacher.batch),
            Subject::Student { .. } => (literal.student.epochs, literal.student.batch),
        };
        let (at, steps) = (checkpoint.network.position, steps_per_epoch(splits, batch));
        if at.epoch > epochs || at.step > steps {
            let found = format!("a state after {} and {}", count(at.epoch, "epoch"), count(at.step, "step"));
            return Ok(Some((found, format!("at most {} and {}", count(epochs, "epoch"), count(steps, "step")))));
        }
        let seen = at.step * batch.min(splits.train.len());
        if at.seen != seen {
            let found = format!("{} seen in {}", count(at.seen, "image"), count(at.step, "step"));
            return Ok(Some((found, format!("{seen}, {batch} for each step"))));
        }
        let Subject::Student { statistics, .. } = &checkpoint.subject else { return Ok(None) };
        if source.is_some_and(|source| !same_numbers(source, teacher)) {
            return Ok(Some((
                "a student of another teacher".to_owned(),
                "one of the teacher that is to be distilled".to_owned(),
            )));
        }
        let differs = if literal.student.start.is_none() {
            difference(network, &student_layers(teacher, literal.student.activation)?)
        } else if fits(network, splits) {
            other_activations(network, teacher).filter(|_| literal.student.compares_activations())
        } else {
            Some(other_data())
        };
        if let Some(differs) = differs {
            return Ok(of("a student", differs));
        }
        let activations = activations(network).len();
        Ok((statistics.len() != activations)
            .then(|| (format!("statistics of {}", count(statistics.len(), "activation")), activations.to_string())))
    }
}

/// Steps of one epoch in batches of `batch` images.
pub(crate) fn steps_per_epoch(splits: &Splits, batch: usize) -> usize {
    (splits.train.len() / batch).max(1)
}

/// Refuses settings that are about pixels, where samples are rows or signals of real numbers.
fn check_settings(dataset: &Dataset, literal: &TrainLiteral) -> Result<()> {
    let setting = match (literal.augmentation.is_off(), literal.data.pixel_bits) {
        _ if dataset.allowed().is_none() => return Ok(()),
        (true, None) => return Ok(()),
        (false, _) => "augmentation",
        (true, Some(_)) => "data.pixel_bits",
    };
    Err(Error::Data {
        operation: "preparing the samples",
        found: format!("`{setting}`, which is about pixels, and real numbers in {}", dataset.name()),
        expected: "images, or no such setting".to_owned(),
        remedy: "leave the setting out",
    })
}
