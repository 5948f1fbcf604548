//! Memory that threads work in, kept from one piece of work to the next.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// As many workspaces as are used at the same time.
pub(crate) struct Workspaces<W, F> {
    new: F,
    free: Mutex<Vec<W>>,
}

impl<W, F: Fn() -> W> Workspaces<W, F> {
    /// None yet; `new` makes one.
    pub(crate) fn new(new: F) -> Self {
        Self { new, free: Mutex::new(Vec::new()) }
    }

    /// Works in a workspace that nobody uses, whatever it holds.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut W) -> T) -> T {
        let kept = self.free().pop();
        let mut workspace = kept.unwrap_or_else(&self.new);
        let result = work(&mut workspace);
        self.free().push(workspace);
        result
    }

    fn free(&self) -> MutexGuard<'_, Vec<W>> {
        // A panic elsewhere leaves the list whole.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_workspace_is_used_again_and_by_one_at_a_time() {
        let count = AtomicUsize::new(0);
        let workspaces = Workspaces::new(|| count.fetch_add(1, Ordering::SeqCst));
        assert_eq!(workspaces.with(|first| *first), 0);
        let both = workspaces.with(|first| (*first, workspaces.with(|second| *second)));
        assert_eq!(both, (0, 1));
        assert_eq!(count.into_inner(), 2);
    }
}
