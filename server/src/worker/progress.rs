//! How far a run is, as clients see it, and whether it is still wanted.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use beaa_protocol::{LayerView, ProgressView};
use beaa_runtime::{LayerTime, Progress};

/// Collects what a run tells.
pub(super) struct JobProgress {
    view: Mutex<ProgressView>,
    /// The worker is to end.
    stop: Arc<AtomicBool>,
    /// The job is cancelled, or another's.
    lost: AtomicBool,
}

impl JobProgress {
    pub(super) fn new(stop: Arc<AtomicBool>) -> Arc<Self> {
        Arc::new(Self { view: Mutex::new(ProgressView::default()), stop, lost: AtomicBool::new(false) })
    }

    /// How far the run is.
    pub(super) fn view(&self) -> ProgressView {
        self.locked().clone()
    }

    /// Says how many batches there are.
    pub(super) fn set_batches(&self, batches: usize) {
        self.locked().batches = batches as u64;
    }

    /// Says that nobody wants the job of this lease any more.
    pub(super) fn lose(&self) {
        self.lost.store(true, Ordering::Relaxed);
    }

    fn locked(&self) -> MutexGuard<'_, ProgressView> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress for JobProgress {
    fn begin(&self, _what: &str, steps: u64) {
        let mut view = self.locked();
        (view.done, view.parts) = (0, steps);
        view.batch += 1;
    }

    fn advance(&self, steps: u64) {
        self.locked().done += steps;
    }

    fn end(&self) {}

    fn part(&self, part: &LayerTime) {
        let mut view = self.locked();
        let same = |l: &&mut LayerView| l.layer == part.layer && l.operation == part.operation;
        match view.layers.iter_mut().find(same) {
            // A band of it, or another batch.
            Some(layer) => layer.seconds += part.seconds,
            None => {
                let (layer, operation) = (part.layer.clone(), part.operation.clone());
                view.layers.push(LayerView { layer, operation, seconds: part.seconds });
            }
        }
    }

    fn is_stopped(&self) -> bool {
        self.lost.load(Ordering::Relaxed) || self.stop.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_of_a_layer_are_one_line_and_batches_are_counted() {
        let progress = JobProgress::new(Arc::default());
        let part = |layer: &str| LayerTime {
            layer: layer.into(),
            operation: "linear".into(),
            seconds: 0.5,
            ciphertexts: 1,
            operations: Vec::new(),
        };
        progress.set_batches(2);
        for _ in 0..2 {
            progress.begin("run", 3);
            [part("a"), part("a"), part("b")].iter().for_each(|p| {
                progress.part(p);
                progress.advance(1);
            });
        }
        let view = progress.view();
        assert_eq!((view.done, view.parts, view.batch, view.batches), (3, 3, 2, 2));
        let layers: Vec<(&str, f64)> = view.layers.iter().map(|l| (l.layer.as_str(), l.seconds)).collect();
        assert_eq!(layers, [("a", 2.0), ("b", 1.0)]);
        assert!(!progress.is_stopped());
        progress.lose();
        assert!(progress.is_stopped());
    }
}
