//! The training loop of one network. Must never step on numbers that are not finite, and must be able to stop after any
//! step and go on from there with the same result.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use beaa_datasets::shuffled;
use beaa_ir::Model;
use burn::optim::ModuleOptimizer;
use burn::tensor::Bytes;

use crate::compress::masks::{self, Pruner};
use crate::compress::quantise;
use crate::config::{OptimiserConfig, QuantiseConfig};
use crate::data::prefetch::EpochBatches;
use crate::distil::objective::{Objective, detached, gradients};
use crate::error::{Error, Result};
use crate::model::network::Network;
use crate::random::{Purpose, order};
use crate::train::checkpoint::{Position, newest};
use crate::train::evaluate::evaluate;
use crate::train::events::{EpochMetrics, Event, Phase};
use crate::train::optim::{gradient_norm, learning_rate, optimiser, scale_gradients};
use crate::trainer::Run;

/// One network to be trained.
pub(crate) struct Job {
    pub(crate) phase: Phase,
    pub(crate) epochs: usize,
    pub(crate) batch: usize,
    pub(crate) optimiser: OptimiserConfig,
    pub(crate) coefficient_factor: f64,
    /// Whether coefficients of polynomials learn.
    pub(crate) train_polynomials: bool,
    /// Per activation, `(bound, floor)` for [`Network::bounded`]; empty for none.
    pub(crate) limits: Vec<(f32, f32)>,
    pub(crate) objective: Objective,
    /// What is dropped on the way.
    pub(crate) pruner: Option<Pruner>,
    /// How weights are rounded on the way.
    pub(crate) quantise: Option<QuantiseConfig>,
}

impl Job {
    /// The network that computes at `step`: what learns, or that rounded.
    fn computing(&self, network: &Network, step: usize, total: usize) -> Result<Option<Network>> {
        let due = self.quantise.as_ref().filter(|q| quantise::active(q, step, total));
        due.map(|q| quantise::rounded(network, q)).transpose()
    }
}

/// How a loop ended.
pub(crate) struct Ended {
    /// The network as it is now.
    pub(crate) model: Model,
    /// Where it stopped; none if it is done.
    pub(crate) interrupted: Option<Position>,
}

/// Writes a checkpoint: the model, the optimiser's record, the position.
type Save<'a> = dyn FnMut(&Run<'_>, &Model, Vec<u8>, Position) -> Result<()> + Send + 'a;

/// Trains `model` from `position` on; `state` is the optimiser's record, empty at the start. Calls `save` at the end of each
/// epoch and when interrupted.
///
/// On a thread of the pool: from outside, each of the dozens of operations of a step that are shared out waits for a thread to
/// wake up, together a third of a short step. Batches come from a thread outside of the pool.
pub(crate) fn train_network(
    run: &mut Run<'_>,
    job: &Job,
    model: &Model,
    position: Position,
    state: Vec<u8>,
    save: &mut Save<'_>,
) -> Result<Ended> {
    rayon::scope(|_| steps(run, job, model, position, state, save))
}

fn steps(
    run: &mut Run<'_>,
    job: &Job,
    model: &Model,
    mut position: Position,
    state: Vec<u8>,
    save: &mut Save<'_>,
) -> Result<Ended> {
    let device = run.device.clone().autodiff();
    let mut network = Network::new(model, &device, job.train_polynomials)?;
    let mut optim = optimiser(&job.optimiser, job.coefficient_factor, &network);
    if !state.is_empty() {
        optim = optim.from_bytes(Bytes::from_bytes_vec(state)).map_err(Error::device("restoring the optimiser"))?;
    }
    // What a network does not use when it starts, it never will.
    let mut masks = masks::of_zeros(&network)?;
    let images = run.splits.train.len();
    let steps = (images / job.batch).max(1);
    let total = job.epochs * steps;
    run.observer.event(&Event::PhaseStart { phase: job.phase, epochs: job.epochs, steps_per_epoch: steps });
    while position.epoch < job.epochs {
        let epoch = position.epoch;
        let (shuffle, purpose) = match job.phase {
            Phase::Teacher => (order::teacher(epoch), Purpose::AugmentTeacher),
            Phase::Student => (order::student(epoch), Purpose::AugmentStudent),
        };
        let batches = EpochBatches {
            splits: Arc::clone(&run.splits),
            augmentation: run.augmentation().clone(),
            device: run.device.clone(),
            seed: run.seed(),
            purpose,
            epoch,
            order: shuffled(images, run.seed(), shuffle),
            size: job.batch,
        };
        let prefetcher = batches.start(position.step..steps)?;
        let replaced = job.objective.replaced(epoch, job.epochs);
        let mut rate = 0.0;
        let mut clock = Instant::now();
        while position.step < steps {
            let step = position.step;
            let batch = prefetcher.next()?;
            let seen = batch.labels.len();
            let at = epoch * steps + step;
            let rounded = job.computing(&network, at, total)?;
            let computing = rounded.as_ref().unwrap_or(&network);
            let evaluated = job.objective.loss(computing, batch, replaced, run.splits.classes.len(), &device)?;
            let loss = f64::from(evaluated.loss.clone().into_scalar::<f32>());
            finite(run, job.phase, epoch, step, "the loss", loss)?;
            let mut grads = gradients(&evaluated.loss, &network);
            let norm = gradient_norm(&network, &grads);
            finite(run, job.phase, epoch, step, "the norm of the gradients", norm)?;
            if let Some(limit) = job.optimiser.clip_norm
                && norm > limit
            {
                scale_gradients(&network, &mut grads, limit / norm);
            }
            rate = learning_rate(&job.optimiser, at, steps, total);
            network = optim.step(rate, network, grads);
            if !job.limits.is_empty() {
                network = network.bounded(&job.limits);
            }
            network = masks::apply(network, &masks);
            if let Some(pruner) = &job.pruner {
                network = masks::apply(pruner.drop_due(network, &mut masks, at + 1, total)?, &masks);
            }
            let seconds = clock.elapsed().as_secs_f64();
            clock = Instant::now();
            position = Position {
                epoch,
                step: step + 1,
                loss: position.loss + loss,
                correct: position.correct + evaluated.correct,
                seen: position.seen + seen,
                seconds: position.seconds + seconds,
            };
            let images_per_second = seen as f64 / seconds.max(1e-9);
            run.observer.event(&Event::Step {
                phase: job.phase,
                epoch: epoch + 1,
                step: step + 1,
                loss,
                images_per_second,
            });
            if run.stop.load(Ordering::Relaxed) {
                let model = network.export(model)?;
                save(run, &model, optimiser_bytes(&optim)?, position)?;
                return Ok(Ended { model, interrupted: Some(position) });
            }
        }
        let rounded = job.computing(&network, (epoch + 1) * steps, total)?;
        let computing = detached(rounded.as_ref().unwrap_or(&network));
        let validation = evaluate(&computing, model, &run.splits.validation, &run.device)?;
        if let Some(v) = validation {
            finite(run, job.phase, epoch, steps - 1, "the validation loss", v.loss)?;
        }
        run.observer.event(&Event::EpochEnd(EpochMetrics {
            phase: job.phase,
            epoch: epoch + 1,
            train_loss: position.loss / steps as f64,
            train_accuracy: position.correct as f64 / position.seen.max(1) as f64,
            validation_loss: validation.map(|v| v.loss),
            validation_accuracy: validation.map(|v| v.accuracy),
            learning_rate: rate,
            seconds: position.seconds + clock.elapsed().as_secs_f64(),
        }));
        position = Position { epoch: epoch + 1, ..Position::default() };
        save(run, &network.export(model)?, optimiser_bytes(&optim)?, position)?;
    }
    run.observer.event(&Event::PhaseEnd { phase: job.phase });
    let rounded = job.computing(&network, total, total)?;
    Ok(Ended { model: rounded.as_ref().unwrap_or(&network).export(model)?, interrupted: None })
}

fn optimiser_bytes(optim: &ModuleOptimizer) -> Result<Vec<u8>> {
    Ok(optim.into_bytes().map_err(Error::device("recording the optimiser"))?.to_vec())
}

fn finite(run: &Run<'_>, phase: Phase, epoch: usize, step: usize, what: &'static str, value: f64) -> Result<()> {
    if value.is_finite() {
        return Ok(());
    }
    let checkpoint = newest(run.folder)?;
    Err(Error::Diverged { phase, epoch: epoch + 1, step: step + 1, what, value, checkpoint })
}
