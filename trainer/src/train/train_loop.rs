//! The training loop of one network: epochs of steps, each step checked, and a checkpoint after
//! every epoch.
//!
//! It can stop after any step and go on from there with the same result, and never steps on numbers
//! that are not finite.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use beaa_datasets::shuffled;
use beaa_ir::{Classes, Model};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor};

use crate::compress::masks::{self, Masks, Pruner};
use crate::compress::quantise::{self, Rounded};
use crate::config::{OptimiserConfig, QuantiseConfig, Rounds};
use crate::data::{EpochBatches, ImageBatch, Prefetcher};
use crate::distil::objective::{BatchLoss, Objective, detached, gradients};
use crate::error::{Error, Result};
use crate::model::network::{Network, VertexLimit};
use crate::random::{Purpose, order};
use crate::session::{Session, steps_per_epoch};
use crate::train::checkpoint::{NetworkState, OPTIMISER, Position, Subject, newest};
use crate::train::completion::{Completion, Interruption};
use crate::train::evaluate::evaluate;
use crate::train::events::{EpochMetrics, Event, Phase};
use crate::train::optim::{clip_gradients, learning_rate, optimiser};
use crate::train::optimiser_record::restored;

/// How one network is trained.
pub(crate) struct TrainingTask {
    pub(crate) subject: Subject,
    pub(crate) epochs: usize,
    /// Images per step.
    pub(crate) batch: usize,
    pub(crate) optimiser: OptimiserConfig,
    /// Learning rate of polynomials' coefficients, as a multiple of the weights'.
    pub(crate) coefficient_factor: f64,
    /// Whether coefficients of polynomials learn.
    pub(crate) train_polynomials: bool,
    /// What keeps each activation's polynomials within bounds; empty for no bounds.
    pub(crate) vertex_limits: Vec<VertexLimit>,
    pub(crate) objective: Objective,
    /// What is dropped on the way.
    pub(crate) pruner: Option<Pruner>,
    /// How many epochs, the last ones, see batch normalisation as it is when training is over.
    pub(crate) fixed_norms: usize,
    /// Which batches come again.
    pub(crate) rounds: Rounds,
    /// How weights are rounded on the way.
    pub(crate) quantise: Option<QuantiseConfig>,
}

/// Trains a network from `start` on; a checkpoint is written at the end of each epoch and when
/// interrupted.
///
/// On a thread of the pool: from outside, each of the dozens of operations of a step that are
/// shared out waits for a thread to wake up, together a third of a short step. Batches come from a
/// thread outside of the pool.
///
/// # Errors
/// As [`crate::Trainer::train`].
pub(crate) fn train_network(
    session: &mut Session<'_>,
    task: &TrainingTask,
    start: NetworkState,
) -> Result<Completion<Model>> {
    rayon::scope(|_| train_epochs(session, task, start))
}

fn train_epochs(session: &mut Session<'_>, task: &TrainingTask, start: NetworkState) -> Result<Completion<Model>> {
    let phase = task.subject.phase();
    let template = start.model.clone();
    let mut position = start.position;
    let steps = steps_per_epoch(&session.splits, task.batch);
    let mut learner = Learner::new(session, task, start, steps)?;
    session.tell(&Event::PhaseStart { phase, epochs: task.epochs, steps_per_epoch: steps });
    while position.epoch < task.epochs {
        if position.epoch + task.fixed_norms >= task.epochs {
            learner.network.fix_norms();
        }
        let batches = prefetch(session, task, position, steps)?;
        let mut clock = Instant::now();
        while position.step < steps {
            let batch = batches.next()?;
            let images = batch.labels.len();
            let step = learner.step(batch, position)?;
            let seconds = clock.elapsed().as_secs_f64();
            clock = Instant::now();
            position = Position {
                epoch: position.epoch,
                step: position.step + 1,
                loss: position.loss + step.loss,
                correct: position.correct + step.correct,
                seen: position.seen + images,
                seconds: position.seconds + seconds,
            };
            session.tell(&Event::Step {
                phase,
                epoch: position.epoch + 1,
                step: position.step,
                loss: step.loss,
                images_per_second: images as f64 / seconds.max(1e-9),
            });
            if session.must_stop() {
                let state = learner.state(&template, position)?;
                let checkpoint = session.save(&task.subject, &state)?;
                let (epochs_done, steps_done) = (position.epoch, position.step);
                return Ok(Completion::Interrupted(Interruption { phase, epochs_done, steps_done, checkpoint }));
            }
        }
        let metrics = learner.validate(session, &template, position, clock)?;
        session.tell(&Event::EpochEnd(metrics));
        position = Position { epoch: position.epoch + 1, ..Position::default() };
        session.save(&task.subject, &learner.state(&template, position)?)?;
    }
    session.tell(&Event::PhaseEnd { phase });
    Ok(Completion::Done(learner.finished(&template)?))
}

/// Starts to prepare the batches of an epoch, from `position` on.
fn prefetch(session: &Session<'_>, task: &TrainingTask, position: Position, steps: usize) -> Result<Prefetcher> {
    let epoch = task.rounds.first(position.epoch);
    let (shuffle, purpose) = match task.subject.phase() {
        Phase::Teacher => (order::teacher(epoch), Purpose::AugmentTeacher),
        Phase::Student => (order::student(epoch), Purpose::AugmentStudent),
    };
    let literal = session.literal();
    let batches = EpochBatches {
        splits: Arc::clone(&session.splits),
        augmentation: literal.augmentation.clone(),
        device: session.device.clone(),
        seed: literal.seed,
        purpose,
        epoch,
        order: shuffled(session.splits.train.len(), literal.seed, shuffle),
        size: task.batch,
    };
    batches.start(position.step..steps)
}

/// A network that learns.
struct Learner<'a> {
    task: &'a TrainingTask,
    network: Network,
    optimiser: ModuleOptimizer,
    /// Weights that are zero and stay so.
    masks: Masks,
    /// The network's device, with autodiff.
    device: Device,
    /// Where checkpoints are, for errors.
    folder: &'a Path,
    classes: Classes,
    steps_per_epoch: usize,
    /// The teacher's logits of batches that come again, by epoch and step of the first time.
    taught: HashMap<(usize, usize), Tensor<2>>,
}

/// What one step came to.
struct StepResult {
    /// Of the batch, before the step.
    loss: f64,
    /// Images of the batch classified right.
    correct: usize,
}

impl<'a> Learner<'a> {
    fn new<'s: 'a>(
        session: &Session<'s>,
        task: &'a TrainingTask,
        start: NetworkState,
        steps_per_epoch: usize,
    ) -> Result<Self> {
        let device = session.device.clone().autodiff();
        let network = Network::new(&start.model, &device, task.train_polynomials)?;
        let mut optim = optimiser(&task.optimiser, task.coefficient_factor, &network);
        if start.position != Position::default() || !start.optimiser.is_empty() {
            let checkpoint = newest(session.folder)?.unwrap_or_else(|| session.folder.to_owned());
            optim = restored(optim, &network, start.optimiser).map_err(|(found, expected)| Error::Checkpoint {
                path: checkpoint.join(OPTIMISER),
                found,
                expected,
                remedy: "start the run again without resuming",
            })?;
        }
        Ok(Self {
            task,
            // What a network does not use when it starts, it never will.
            masks: masks::of_zeros(&network)?,
            network,
            optimiser: optim,
            device,
            folder: session.folder,
            classes: start.model.classes().clone(),
            steps_per_epoch,
            taught: HashMap::new(),
        })
    }

    /// Steps of all epochs.
    fn total(&self) -> usize {
        self.task.epochs * self.steps_per_epoch
    }

    /// Steps before `position`.
    fn done(&self, position: Position) -> usize {
        position.epoch * self.steps_per_epoch + position.step
    }

    fn rate(&self, step: usize) -> f64 {
        learning_rate(&self.task.optimiser, step, self.steps_per_epoch, self.total())
    }

    /// Learns from one batch: loss, gradients, update; then what bounds polynomials and drops
    /// weights.
    fn step(&mut self, batch: ImageBatch, position: Position) -> Result<StepResult> {
        let task = self.task;
        let at = self.done(position);
        let (result, mut grads) = self.gradients(batch, position)?;
        let norm = clip_gradients(&self.network, &mut grads, task.optimiser.clip_norm);
        self.finite(position, "the norm of the gradients", norm)?;
        // Moved, not cloned: the optimiser changes weights in place that nobody else holds.
        let network = Network { blocks: std::mem::take(&mut self.network.blocks) };
        let mut network = self.optimiser.step(self.rate(at), network, grads);
        if !task.vertex_limits.is_empty() {
            network = network.bounded(&task.vertex_limits);
        }
        network = masks::apply(network, &self.masks);
        if let Some(pruner) = &task.pruner {
            let total = self.total();
            network = pruner.drop_due(network, &mut self.masks, at + 1, total)?;
            network = masks::apply(network, &self.masks);
        }
        self.network = network;
        Ok(result)
    }

    /// The loss of a batch and its gradients. Rounded weights and the graph end here, so that
    /// nobody else holds the weights when they are changed.
    fn gradients(&mut self, batch: ImageBatch, position: Position) -> Result<(StepResult, GradientsParams)> {
        let replaced = self.task.objective.replaced(position.epoch, self.task.epochs);
        let rounded = self.rounded(self.done(position))?;
        let computing = rounded.as_ref().map_or(&self.network, |r| &r.network);
        let first = (self.task.rounds.first(position.epoch), position.step);
        let known = self.taught.remove(&first);
        let BatchLoss { loss, correct, taught } =
            self.task.objective.loss(computing, batch, replaced, &self.classes, &self.device, known)?;
        if let Some(taught) = taught.filter(|_| self.task.rounds.comes_again(position.epoch)) {
            self.taught.insert(first, taught);
        }
        let value = self.finite(position, "the loss", f64::from(loss.clone().into_scalar::<f32>()))?;
        Ok((StepResult { loss: value, correct }, gradients(&loss, &self.network)))
    }

    /// The network that computes at `step`, if that is not the one that learns: its weights
    /// rounded.
    fn rounded(&self, step: usize) -> Result<Option<Rounded>> {
        let due = self.task.quantise.as_ref().filter(|q| quantise::active(q, step, self.total()));
        due.map(|q| quantise::rounded(&self.network, q)).transpose()
    }

    /// Measures the network on the validation images, at the end of an epoch whose last step ended
    /// at `clock`.
    fn validate(
        &self,
        session: &Session<'_>,
        template: &Model,
        position: Position,
        clock: Instant,
    ) -> Result<EpochMetrics> {
        let rounded = self.rounded(self.done(position))?;
        let computing = detached(rounded.as_ref().map_or(&self.network, |r| &r.network));
        let validation = evaluate(&computing, template, &session.splits.validation, &session.device)?;
        let last = Position { step: self.steps_per_epoch - 1, ..position };
        if let Some(v) = validation {
            self.finite(last, "the validation loss", v.loss)?;
        }
        Ok(EpochMetrics {
            phase: self.task.subject.phase(),
            epoch: position.epoch + 1,
            train_loss: position.loss / self.steps_per_epoch as f64,
            train_accuracy: position.correct as f64 / position.seen.max(1) as f64,
            validation_loss: validation.map(|v| v.loss),
            validation_accuracy: validation.map(|v| v.accuracy),
            learning_rate: self.rate(self.done(last)),
            seconds: position.seconds + clock.elapsed().as_secs_f64(),
        })
    }

    /// What a checkpoint keeps of the network, in the form of `template`.
    fn state(&self, template: &Model, position: Position) -> Result<NetworkState> {
        let optimiser = self.optimiser.into_bytes().map_err(Error::device("recording the optimiser"))?.to_vec();
        Ok(NetworkState { model: self.network.export(template)?, position, optimiser })
    }

    /// The trained network, as it computes, and what integers stand for its weights.
    fn finished(&self, template: &Model) -> Result<Model> {
        let Some(rounded) = self.rounded(self.total())? else { return self.network.export(template) };
        let mut literal = rounded.network.export(template)?.into_literal();
        for (index, grid) in rounded.grids {
            literal.provenance.weight_grids.insert(literal.layers[index].name.clone(), grid);
        }
        Ok(literal.try_into()?)
    }

    /// `value`, unless it is not finite.
    fn finite(&self, position: Position, what: &'static str, value: f64) -> Result<f64> {
        if value.is_finite() {
            return Ok(value);
        }
        Err(Error::Diverged {
            phase: self.task.subject.phase(),
            epoch: position.epoch + 1,
            step: position.step + 1,
            what,
            value,
            checkpoint: newest(self.folder)?,
        })
    }
}
