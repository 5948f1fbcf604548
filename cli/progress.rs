//! Progress of training and of encrypted work: bars on a terminal, plain lines elsewhere.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use beaa_base::words::count;
use beaa_lab::metrics::percent;
use beaa_trainer::{EpochMetrics, Event, Observer, Phase};
use indicatif::{ProgressBar, ProgressStyle};

use crate::console::Console;
use crate::interrupt::Saving;

/// Without a terminal, long work says how far it is this often.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

/// Shows work that counts steps; begun work may begin other work inside.
pub(crate) struct WorkProgress {
    console: Console,
    running: Mutex<Vec<Running>>,
}

struct Running {
    what: String,
    steps: u64,
    done: u64,
    started: Instant,
    last_line: Instant,
    bar: Option<ProgressBar>,
}

impl WorkProgress {
    /// Nothing running yet.
    pub(crate) fn new(console: &Console) -> Self {
        Self { console: console.clone(), running: Mutex::new(Vec::new()) }
    }

    fn running(&self) -> MutexGuard<'_, Vec<Running>> {
        // A panic elsewhere does not make the counters wrong.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl beaa_runtime::Progress for WorkProgress {
    fn begin(&self, what: &str, steps: u64) {
        let bar = self.console.bars().map(|bars| {
            let bar = bars.add(ProgressBar::new(steps).with_style(style("{msg:24} {wide_bar} {pos}/{len} {elapsed}")));
            bar.set_message(what.to_owned());
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        let now = Instant::now();
        self.running().push(Running { what: what.to_owned(), steps, done: 0, started: now, last_line: now, bar });
    }

    fn advance(&self, steps: u64) {
        if let Some(work) = self.running().last_mut() {
            work.done += steps;
            match &work.bar {
                Some(bar) => bar.inc(steps),
                None if work.last_line.elapsed() >= BETWEEN_LINES => {
                    work.last_line = Instant::now();
                    self.console.note(format_args!("{}: {} of {}", work.what, work.done, work.steps));
                }
                None => {}
            }
        }
    }

    fn end(&self) {
        let ended = self.running().pop();
        if let Some(work) = ended {
            if let Some(bar) = work.bar {
                bar.finish_and_clear();
            }
            self.console.note(format_args!("{}: {}", work.what, seconds(work.started.elapsed())));
        }
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
            let bar =
                bars.add(ProgressBar::new(steps).with_style(style("{prefix:8} {wide_bar} {msg} {elapsed}/{duration}")));
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

/// `3.21 s`, or `85 ms`.
pub(crate) fn seconds(time: Duration) -> String {
    match time.as_secs_f64() {
        s if s >= 100.0 => format!("{s:.0} s"),
        s if s >= 10.0 => format!("{s:.1} s"),
        s if s >= 1.0 => format!("{s:.2} s"),
        s => format!("{:.0} ms", s * 1e3),
    }
}

fn style(template: &str) -> ProgressStyle {
    // The templates are constants of this file; should one be wrong, the default style is shown.
    ProgressStyle::with_template(template).map_or_else(|_| ProgressStyle::default_bar(), |s| s.progress_chars("━╸─"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_valid() {
        for template in
            ["{msg:24} {wide_bar} {pos}/{len} {elapsed}", "{prefix:8} {wide_bar} {msg} {elapsed}/{duration}"]
        {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }

    #[test]
    fn seconds_have_three_digits() {
        for (s, text) in [(0.0123, "12 ms"), (1.234, "1.23 s"), (12.34, "12.3 s"), (1234.0, "1234 s")] {
            assert_eq!(seconds(Duration::from_secs_f64(s)), text);
        }
    }
}
