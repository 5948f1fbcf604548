//! Progress of encrypted work: bars on a terminal, plain lines elsewhere.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::console::Console;

/// Without a terminal, long work says how far it is this often.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

/// The bar of encrypted work.
const WORK: &str = "{msg:24} {wide_bar} {pos}/{len} {elapsed}";
/// The bar of a training.
#[cfg(any(feature = "command", test))]
pub(crate) const TRAINING: &str = "{prefix:8} {wide_bar} {msg} {elapsed}/{duration}";

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
            let bar = bars.add(ProgressBar::new(steps).with_style(style(WORK)));
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

/// `3.21 s`, or `85 ms`.
pub(crate) fn seconds(time: Duration) -> String {
    match time.as_secs_f64() {
        s if s >= 100.0 => format!("{s:.0} s"),
        s if s >= 10.0 => format!("{s:.1} s"),
        s if s >= 1.0 => format!("{s:.2} s"),
        s => format!("{:.0} ms", s * 1e3),
    }
}

/// The style of a bar.
pub(crate) fn style(template: &str) -> ProgressStyle {
    // The templates are constants of this file; should one be wrong, the default style is shown.
    ProgressStyle::with_template(template).map_or_else(|_| ProgressStyle::default_bar(), |s| s.progress_chars("━╸─"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_valid() {
        for template in [WORK, TRAINING] {
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
