//! Workspaces of parallel tasks: only as many as are used at the same time, and kept from task to
//! task.

use std::sync::{Mutex, PoisonError};

/// Workspaces that nobody uses at the moment.
pub(crate) struct Scratch<W, F> {
    free: Mutex<Vec<W>>,
    make: F,
}

impl<W, F: Fn() -> W> Scratch<W, F> {
    /// None yet; `make` makes one more.
    pub(crate) fn new(make: F) -> Self {
        Self { free: Mutex::new(Vec::new()), make }
    }

    /// Runs a task with a workspace, which holds what the last task left.
    pub(crate) fn with<R>(&self, task: impl FnOnce(&mut W) -> R) -> R {
        let free = || self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = free().pop();
        let mut workspace = kept.unwrap_or_else(&self.make);
        let result = task(&mut workspace);
        free().push(workspace);
        result
    }
}
