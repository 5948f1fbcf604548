//! Progress of training: a bar on a terminal, a line for each epoch elsewhere.

use std::time::Instant;

use beaa_base::words::count;
use beaa_evaluation::metrics::percent;
use beaa_lab::TrainingReporter;
use beaa_trainer::{EpochMetrics, Event, Observer, Phase};
use indicatif::ProgressBar;

use crate::console::Console;
use crate::context::Context;
use crate::interrupt::Saving;
use crate::progress::{TRAINING, seconds, style};

impl TrainingReporter for Context {
    fn training(&self) -> Box<dyn Observer + '_> {
        Box::new(TrainingProgress::new(&self.console, self.interrupt.saving()))
    }
}

/// Shows a training run.
pub(crate) struct TrainingProgress {
    console: Console,
    bar: Option<ProgressBar>,
    epochs: usize,
    steps_per_epoch: usize,
    last: Option<EpochMetrics>,
    started: Instant,
    _saving: Saving,
}

impl TrainingProgress {
    /// Nothing running yet, but Ctrl-C is left to the training from now on.
    pub(crate) fn new(console: &Console, saving: Saving) -> Self {
        let started = Instant::now();
        let console = console.clone();
        Self { console, bar: None, epochs: 0, steps_per_epoch: 0, last: None, started, _saving: saving }
    }

    fn start(&mut self, phase: Phase, epochs: usize, steps_per_epoch: usize) {
        (self.epochs, self.steps_per_epoch) = (epochs, steps_per_epoch);
        self.last = None;
        self.started = Instant::now();
        let steps = (epochs * steps_per_epoch) as u64;
        self.bar = self.console.bars().map(|bars| {
            let bar = bars.add(ProgressBar::new(steps).with_style(style(TRAINING)));
            bar.set_prefix(phase.to_string());
            bar
        });
    }

    fn step(&self, epoch: usize, step: usize, loss: f64, speed: f64) {
        if let Some(bar) = &self.bar {
            bar.set_position((epoch.saturating_sub(1) * self.steps_per_epoch + step) as u64);
            let validation = self.last.as_ref().and_then(|m| m.validation_accuracy);
            bar.set_message(format!(
                "epoch {epoch}/{}, loss {loss:.3}, validation {}, {speed:.0} images/s",
                self.epochs,
                percent(validation)
            ));
        }
    }

    fn epoch(&mut self, metrics: &EpochMetrics) {
        if self.bar.is_none() {
            self.console.note(format_args!(
                "{} epoch {}/{}: loss {:.4}, training {}, validation {}, {:.1} s",
                metrics.phase,
                metrics.epoch,
                self.epochs,
                metrics.train_loss,
                percent(Some(metrics.train_accuracy)),
                percent(metrics.validation_accuracy),
                metrics.seconds
            ));
        }
        self.last = Some(metrics.clone());
    }

    fn end(&mut self, phase: Phase) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        if let Some(m) = &self.last {
            self.console.note(format_args!(
                "{phase}: {}, validation {}, {}",
                count(m.epoch, "epoch"),
                percent(m.validation_accuracy),
                seconds(self.started.elapsed())
            ));
        }
    }
}

impl Observer for TrainingProgress {
    fn event(&mut self, event: &Event) {
        match event {
            Event::PhaseStart { phase, epochs, steps_per_epoch } => self.start(*phase, *epochs, *steps_per_epoch),
            Event::Step { epoch, step, loss, images_per_second, .. } => {
                self.step(*epoch, *step, *loss, *images_per_second);
            }
            Event::EpochEnd(metrics) => self.epoch(metrics),
            Event::PhaseEnd { phase } => self.end(*phase),
            Event::Note { text } => self.console.note(text),
        }
    }
}

/// A bar left behind by an interruption or an error would stay on the screen.
impl Drop for TrainingProgress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.abandon();
        }
    }
}
