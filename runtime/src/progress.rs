//! How long work tells its progress to whoever shows it.

use crate::LayerTime;

/// Whoever shows progress: is told of the steps of one piece of work at a time.
pub trait Progress: Sync {
    /// Is called when a piece of work of `steps` steps begins.
    fn begin(&self, what: &str, steps: u64);
    /// Is called from any thread when `steps` more steps are done.
    fn advance(&self, steps: u64);
    /// Is called when the piece of work is done.
    fn end(&self);
    /// Is called when a part of a program has run on a batch, with the layers in it and what it
    /// took.
    fn part(&self, _part: &LayerTime) {}
    /// Whether the work should end before it is done. Is asked from any thread, often; once it
    /// says so, the work fails with [`Error::Stopped`](crate::Error::Stopped).
    fn is_stopped(&self) -> bool {
        false
    }
}

/// Refuses to go on with `operation` once `progress` says so.
pub(crate) fn go_on(progress: &dyn Progress, operation: &'static str) -> crate::Result<()> {
    if progress.is_stopped() { Err(crate::Error::Stopped { operation }) } else { Ok(()) }
}

/// Shows no progress.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _what: &str, _steps: u64) {}
    fn advance(&self, _steps: u64) {}
    fn end(&self) {}
}

/// The same work on one of several batches, which its name says where there are several.
pub(crate) struct Numbered<'a> {
    progress: &'a dyn Progress,
    number: usize,
    batches: usize,
}

impl<'a> Numbered<'a> {
    /// Of batch `number`, counted from 0, of so many.
    pub(crate) fn new(progress: &'a dyn Progress, number: usize, batches: usize) -> Self {
        Self { progress, number, batches }
    }
}

impl Progress for Numbered<'_> {
    fn begin(&self, what: &str, steps: u64) {
        if self.batches == 1 {
            return self.progress.begin(what, steps);
        }
        self.progress.begin(&format!("{what}, batch {} of {}", self.number + 1, self.batches), steps);
    }

    fn advance(&self, steps: u64) {
        self.progress.advance(steps);
    }

    fn end(&self) {
        self.progress.end();
    }

    fn part(&self, part: &LayerTime) {
        self.progress.part(part);
    }

    fn is_stopped(&self) -> bool {
        self.progress.is_stopped()
    }
}
