//! A whole run: teacher, then student, then their models. Must never train on what differs from the configuration in its
//! checkpoint.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use beaa_datasets::Dataset;
use beaa_ir::{Accuracy, Model, Provenance, TrainingData, load_model};
use burn::tensor::Device;
use serde_json::{Value, json};

use crate::check::TrainConfig;
use crate::checkpoint::{self, Checkpoint, Position, State};
use crate::config::{Augmentation, StudentActivation};
use crate::data::Splits;
use crate::device;
use crate::error::{Error, Result};
use crate::fit::LayerStatistics;
use crate::given::check_given;
use crate::initial;
use crate::inputs::{PolynomialSample, samples, set_ranges, with_ranges};
use crate::learn::{Job, learn};
use crate::masks::Pruner;
use crate::measure::measure;
use crate::network::Network;
use crate::objective::{Distillation, Objective};
use crate::observe::{Event, Observer, Phase};
use crate::student::{self, limits};

/// Elements of each activation layer whose polynomial is sampled for a report.
const SAMPLES_PER_LAYER: usize = 4;

/// How a run ended.
#[derive(Debug)]
pub enum Outcome {
    /// Both networks are trained.
    Done(Box<Trained>),
    /// Stopped as asked; resuming goes on with the next step.
    Interrupted {
        /// Which network was being trained.
        phase: Phase,
        /// Complete epochs of that phase.
        epochs_done: usize,
        /// Complete steps of the epoch after those.
        steps_done: usize,
        /// Where the state is.
        checkpoint: PathBuf,
    },
}

/// The result of a run.
#[derive(Debug, Clone)]
pub struct Trained {
    /// The ReLU network.
    pub teacher: Model,
    /// The network without ReLU.
    pub student: Model,
    /// A few learnt polynomials beside their inputs.
    pub polynomials: Vec<PolynomialSample>,
    /// Of the teacher.
    pub teacher_accuracy: Accuracy,
    /// Of the student.
    pub student_accuracy: Accuracy,
    /// Wall-clock, interruptions not counted.
    pub seconds: f64,
}

/// What the parts of a run share.
pub(crate) struct Run<'a> {
    pub(crate) config: &'a TrainConfig,
    pub(crate) splits: Arc<Splits>,
    /// Without autodiff.
    pub(crate) device: Device,
    pub(crate) folder: &'a Path,
    pub(crate) stop: &'a AtomicBool,
    pub(crate) observer: &'a mut dyn Observer,
    settings: Value,
    data_name: String,
    data_checksum: String,
    started: Instant,
    /// Spent before this start.
    earlier: f64,
}

impl Run<'_> {
    pub(crate) fn seed(&self) -> u64 {
        self.config.literal().seed
    }

    pub(crate) fn augmentation(&self) -> &Augmentation {
        &self.config.literal().augmentation
    }

    fn seconds(&self) -> f64 {
        self.earlier + self.started.elapsed().as_secs_f64()
    }

    fn note(&mut self, text: String) {
        self.observer.event(&Event::Note { text });
    }

    fn accuracy(&self, model: &Model) -> Result<Accuracy> {
        let network = Network::new(model, &self.device, false)?;
        let of = |images| Ok::<_, Error>(measure(&network, model, images, &self.device)?.map(|m| m.accuracy));
        Ok(Accuracy { validation: of(&self.splits.validation)?, test: of(&self.splits.test)? })
    }

    fn save(
        &self,
        phase: Phase,
        position: Position,
        statistics: &[LayerStatistics],
        teacher: &Model,
        student: Option<&Model>,
        optimiser: Vec<u8>,
    ) -> Result<()> {
        let state = State::new(
            self.settings.clone(),
            self.data_checksum.clone(),
            phase,
            position,
            statistics.to_vec(),
            self.seconds(),
        );
        let saved = Checkpoint { state, teacher: teacher.clone(), student: student.cloned(), optimiser };
        checkpoint::save(self.folder, &saved).map(|_| ())
    }

    fn interrupted(&self, phase: Phase, position: Position) -> Result<Outcome> {
        let checkpoint = checkpoint::newest(self.folder)?.unwrap_or_else(|| self.folder.to_owned());
        Ok(Outcome::Interrupted { phase, epochs_done: position.epoch, steps_done: position.step, checkpoint })
    }
}

/// Trains teacher and student as configured.
///
/// Checkpoints go to `folder/checkpoints`; nothing else is written. With `resume`, the run goes on from the newest
/// checkpoint there and ends with bit for bit the model of an uninterrupted run; without, older checkpoints in that folder
/// are removed. When `stop` becomes true, the current step is finished and a checkpoint written.
///
/// # Errors
/// [`Error::Config`] if the network does not fit the images, [`Error::Diverged`] when numbers are no longer finite,
/// [`Error::Checkpoint`] when resuming with other settings or images, and failures of files.
pub fn train(
    config: &TrainConfig,
    dataset: &Dataset,
    folder: &Path,
    resume: bool,
    stop: &AtomicBool,
    observer: &mut dyn Observer,
) -> Result<Outcome> {
    let mut run = begin(config, dataset, folder, stop, observer)?;
    let mut from = match open(&mut run, resume)? {
        Some(checkpoint) if checkpoint.state.phase == Phase::Student => checkpoint,
        teacher => match train_teacher(&mut run, teacher)? {
            Ok(teacher) => begin_student(&mut run, teacher)?,
            Err(position) => return run.interrupted(Phase::Teacher, position),
        },
    };
    to_the_end(&mut run, &mut from)
}

/// How the training of a teacher alone ended.
#[derive(Debug)]
pub enum Taught {
    /// The trained teacher, its accuracy measured.
    Done(Box<Model>),
    /// Stopped as asked; as [`Outcome::Interrupted`].
    Interrupted(Outcome),
}

/// Trains the teacher alone, so that several students can learn from it by [`distil`]; otherwise as [`train`].
///
/// # Errors
/// As [`train`].
pub fn teach(
    config: &TrainConfig,
    dataset: &Dataset,
    folder: &Path,
    resume: bool,
    stop: &AtomicBool,
    observer: &mut dyn Observer,
) -> Result<Taught> {
    let mut run = begin(config, dataset, folder, stop, observer)?;
    let resumed = open(&mut run, resume)?;
    match train_teacher(&mut run, resumed)? {
        Ok(teacher) => Ok(Taught::Done(Box::new(teacher))),
        Err(position) => run.interrupted(Phase::Teacher, position).map(Taught::Interrupted),
    }
}

/// Trains a student of `teacher`, which [`teach`] gave for the same data, network and seed: the student is bit for bit the one
/// that [`train`] makes. Otherwise as [`train`].
///
/// # Errors
/// As [`train`], and [`Error::Data`] if `teacher` is not of the configured network, classes and images.
pub fn distil(
    config: &TrainConfig,
    dataset: &Dataset,
    teacher: &Model,
    folder: &Path,
    resume: bool,
    stop: &AtomicBool,
    observer: &mut dyn Observer,
) -> Result<Outcome> {
    let mut run = begin(config, dataset, folder, stop, observer)?;
    // One that the configuration names was checked when it was read, and may be any network.
    if config.literal().teacher.model.is_none() {
        check_given(teacher, &initial::teacher(config, run.splits.input.clone(), &run.splits.classes)?)?;
    }
    let mut from = match open(&mut run, resume)? {
        Some(checkpoint) if checkpoint.state.phase == Phase::Student => checkpoint,
        _ => begin_student(&mut run, teacher.clone())?,
    };
    to_the_end(&mut run, &mut from)
}

fn begin<'a>(
    config: &'a TrainConfig,
    dataset: &Dataset,
    folder: &'a Path,
    stop: &'a AtomicBool,
    observer: &'a mut dyn Observer,
) -> Result<Run<'a>> {
    let literal = config.literal();
    let mut settings = serde_json::to_value(literal)?;
    if let Some(fields) = settings.as_object_mut() {
        fields.remove("description");
    }
    Ok(Run {
        config,
        splits: Arc::new(Splits::new(dataset, &literal.data, literal.seed)),
        device: device::open(literal.device)?,
        folder,
        stop,
        observer,
        settings,
        data_name: dataset.name().to_owned(),
        data_checksum: dataset.checksum(),
        started: Instant::now(),
        earlier: 0.0,
    })
}

fn to_the_end(run: &mut Run<'_>, from: &mut Checkpoint) -> Result<Outcome> {
    match train_student(run, from)? {
        Ok(student) => finish(run, from.teacher.clone(), student).map(|t| Outcome::Done(Box::new(t))),
        Err(position) => run.interrupted(Phase::Student, position),
    }
}

fn open(run: &mut Run<'_>, resume: bool) -> Result<Option<Checkpoint>> {
    if !resume {
        checkpoint::clear(run.folder)?;
        return Ok(None);
    }
    let Some(path) = checkpoint::newest(run.folder)? else {
        run.note("there is no checkpoint to resume from; starting at the beginning".to_owned());
        return Ok(None);
    };
    let found = checkpoint::load(&path, &run.settings, &run.data_checksum)?;
    run.earlier = found.state.seconds;
    let at = found.state.position;
    run.note(format!("resuming the {} after {} epochs and {} steps", found.state.phase, at.epoch, at.step));
    Ok(Some(found))
}

/// The trained teacher, or where it was interrupted.
fn train_teacher(run: &mut Run<'_>, resumed: Option<Checkpoint>) -> Result<std::result::Result<Model, Position>> {
    let t = &run.config.literal().teacher;
    if let (Some(path), None) = (&t.model, &resumed) {
        run.note(format!("the teacher is {}", path.display()));
        return given(run, path).map(Ok);
    }
    let (model, position, optimiser) = match resumed {
        Some(c) => (c.teacher, c.state.position, c.optimiser),
        None => {
            let mut literal =
                initial::teacher(run.config, run.splits.input.clone(), &run.splits.classes)?.into_literal();
            literal.provenance = provenance(run, Phase::Teacher)?;
            (literal.try_into()?, Position::default(), Vec::new())
        }
    };
    let job = Job {
        phase: Phase::Teacher,
        epochs: t.epochs,
        batch: t.batch,
        optimiser: t.optimiser.clone(),
        coefficient_factor: 1.0,
        train_polynomials: false,
        limits: Vec::new(),
        objective: Objective::Teacher { smoothing: t.label_smoothing },
        pruner: None,
        quantise: None,
    };
    let ended = learn(run, &job, &model, position, optimiser, &mut |run, model, optimiser, position| {
        run.save(Phase::Teacher, position, &[], model, None, optimiser)
    })?;
    Ok(match ended.interrupted {
        Some(position) => Err(position),
        None => {
            let mut literal = ended.model.into_literal();
            let trained: Model = literal.clone().try_into()?;
            literal.accuracy = Some(run.accuracy(&trained)?);
            Ok(literal.try_into()?)
        }
    })
}

/// Fits the student to the trained teacher and saves this as a checkpoint.
fn begin_student(run: &mut Run<'_>, teacher: Model) -> Result<Checkpoint> {
    let literal = run.config.literal();
    let name = format!("{}-student", literal.name);
    let start = match &literal.student.start {
        Some(path) => student::resume(given(run, path)?, name, &run.splits.train, &run.device)?,
        None => student::start(&teacher, name, &literal.student, &run.splits.train, &run.device)?,
    };
    let ranges: Vec<_> = start.statistics.iter().map(|s| s.range).collect();
    let teacher = if literal.student.start.is_none() { set_ranges(teacher, &ranges)? } else { teacher };
    let mut student = start.student.into_literal();
    student.provenance = provenance(run, Phase::Student)?;
    let student: Model = student.try_into()?;
    run.save(Phase::Student, Position::default(), &start.statistics, &teacher, Some(&student), Vec::new())?;
    let path = checkpoint::newest(run.folder)?.ok_or_else(|| incomplete(run.folder))?;
    checkpoint::load(&path, &run.settings, &run.data_checksum)
}

/// The trained student, or where it was interrupted.
fn train_student(run: &mut Run<'_>, from: &mut Checkpoint) -> Result<std::result::Result<Model, Position>> {
    let s = run.config.literal().student.clone();
    let model = from.student.clone().ok_or_else(|| incomplete(run.folder))?;
    let trained =
        matches!(s.activation, StudentActivation::Layer | StudentActivation::Channel | StudentActivation::Element);
    let statistics = from.state.statistics.clone();
    let limits =
        if trained && s.vertex_bound > 0.0 { statistics.iter().map(|l| limits(&s, l)).collect() } else { Vec::new() };
    let job = Job {
        phase: Phase::Student,
        epochs: s.epochs,
        batch: s.batch,
        optimiser: s.optimiser.clone(),
        coefficient_factor: s.coefficient_factor,
        train_polynomials: trained,
        limits,
        pruner: s.prune.as_ref().map(|p| Pruner::new(p, &model, &run.splits.train, &run.device)).transpose()?,
        quantise: s.quantise.clone(),
        objective: Objective::Student(Box::new(Distillation {
            teacher: Network::new(&from.teacher, &run.device, false)?,
            config: s,
            statistics: statistics.clone(),
        })),
    };
    let teacher = from.teacher.clone();
    let optimiser = std::mem::take(&mut from.optimiser);
    let ended = learn(run, &job, &model, from.state.position, optimiser, &mut |run, model, optimiser, position| {
        run.save(Phase::Student, position, &statistics, &teacher, Some(model), optimiser)
    })?;
    Ok(match ended.interrupted {
        Some(position) => Err(position),
        None => Ok(ended.model),
    })
}

/// A trained model from a file, if it is one for the images of this run.
fn given(run: &Run<'_>, path: &Path) -> Result<Model> {
    let model = load_model(path)?;
    let (input, classes) = (&run.splits.input, run.splits.classes.len());
    let close = |a: &[f32], b: &[f32]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-3);
    let alike = model.input().shape == input.shape
        && close(&model.input().mean, &input.mean)
        && close(&model.input().std, &input.std)
        && model.outputs() == classes;
    if alike {
        return Ok(model);
    }
    let spec = model.input();
    Err(Error::Data {
        operation: "taking a trained model",
        found: format!(
            "{} for images {:?} of mean {:?} and deviation {:?} and {} classes",
            path.display(),
            spec.shape,
            spec.mean,
            spec.std,
            model.outputs()
        ),
        expected: format!(
            "images {:?} of mean {:?} and deviation {:?}, {classes} classes",
            input.shape, input.mean, input.std
        ),
        remedy: "give a model that was trained on this data set",
    })
}

fn finish(run: &Run<'_>, teacher: Model, student: Model) -> Result<Trained> {
    let device = &run.device;
    let network = Network::new(&student, device, false)?;
    let mut literal = with_ranges(student, &network, &run.splits.train, device)?.into_literal();
    let trained: Model = literal.clone().try_into()?;
    let student_accuracy = run.accuracy(&trained)?;
    literal.accuracy = Some(student_accuracy);
    let student: Model = literal.try_into()?;
    let of_teacher = Network::new(&teacher, device, false)?;
    let polynomials = samples(&student, &teacher, &of_teacher, &run.splits.train, device, SAMPLES_PER_LAYER)?;
    let teacher_accuracy = match teacher.accuracy() {
        Some(accuracy) => accuracy,
        None => run.accuracy(&teacher)?,
    };
    Ok(Trained { teacher, student, polynomials, teacher_accuracy, student_accuracy, seconds: run.seconds() })
}

/// What is kept in the model file.
fn provenance(run: &Run<'_>, phase: Phase) -> Result<Provenance> {
    let data = &run.config.literal().data;
    Ok(Provenance {
        data: Some(TrainingData {
            name: Some(run.data_name.clone()),
            source: Some(serde_json::to_value(&data.source)?),
            checksum: Some(run.data_checksum.clone()),
            pixel_bits: data.pixel_bits,
        }),
        seed: Some(run.seed()),
        record: json!({ "phase": phase, "configuration": run.config }),
        ..Provenance::default()
    })
}

fn incomplete(folder: &Path) -> Error {
    Error::Checkpoint {
        path: folder.to_owned(),
        found: "no student".to_owned(),
        expected: "student.safetensors".to_owned(),
        remedy: "start the run again without resuming",
    }
}
