//! Shows transfers and jobs of a server as bars, or as lines where there is no terminal.

use std::cell::RefCell;

use beaa_evaluation::Reporter;
use beaa_protocol::{JobState, JobView};
use beaa_remote::Follower;
use beaa_runtime::Progress;

use crate::context::Context;

/// What is shown at the moment.
pub(super) struct Shown<'a> {
    context: &'a Context,
    bar: RefCell<Option<Bar<'a>>>,
    state: RefCell<Option<JobState>>,
}

/// A piece of work that was begun.
struct Bar<'a> {
    what: String,
    done: u64,
    progress: Box<dyn Progress + 'a>,
}

impl<'a> Shown<'a> {
    pub(super) fn new(context: &'a Context) -> Self {
        Self { context, bar: RefCell::new(None), state: RefCell::new(None) }
    }

    /// Shows that so much of `all` is done.
    fn show(&self, what: &str, done: u64, all: u64) {
        let mut shown = self.bar.borrow_mut();
        if shown.as_ref().is_none_or(|bar| bar.what != what || bar.done > done) {
            if let Some(bar) = shown.take() {
                bar.progress.end();
            }
            let progress = self.context.progress();
            progress.begin(what, all);
            *shown = Some(Bar { what: what.to_owned(), done: 0, progress });
        }
        if let Some(bar) = shown.as_mut() {
            bar.progress.advance(done - bar.done);
            bar.done = done;
        }
        if done == all
            && let Some(bar) = shown.take()
        {
            bar.progress.end();
        }
    }
}

impl Follower for Shown<'_> {
    fn moved(&self, what: &str, bytes: u64, all: u64) {
        // In kilobytes, which people can read.
        self.show(&format!("{what}, kB"), bytes / 1000, all / 1000);
    }

    fn job(&self, job: &JobView) {
        if self.state.replace(Some(job.state)) != Some(job.state) {
            self.context.console.note(format_args!("job {}: {}", job.id, job.state.name()));
        }
        let p = &job.progress;
        if job.state == JobState::Running && p.parts > 0 {
            let batch = if p.batches > 1 { format!(", batch {} of {}", p.batch, p.batches) } else { String::new() };
            self.show(&format!("run{batch}"), p.done, p.parts);
        }
    }

    fn again(&self, why: &str) {
        self.context.console.note(format_args!("trying again: {why}"));
    }
}

/// What is left when something fails would stay on the screen.
impl Drop for Shown<'_> {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.borrow_mut().take() {
            bar.progress.end();
        }
    }
}
