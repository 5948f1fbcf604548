//! Seconds of a kind of work, summed over the threads that do it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

/// Seconds that threads have added up.
#[derive(Debug, Default)]
pub(crate) struct ThreadSeconds(AtomicU64);

impl ThreadSeconds {
    pub(crate) fn seconds(&self) -> f64 {
        self.0.load(Relaxed) as f64 / 1e9
    }
}

/// A thread's clock: each lap begins where the last one ended.
pub(crate) struct Laps(Instant);

impl Laps {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn add_to(&mut self, sum: &ThreadSeconds) {
        let now = Instant::now();
        sum.0.fetch_add(u64::try_from((now - self.0).as_nanos()).unwrap_or(u64::MAX), Relaxed);
        self.0 = now;
    }
}
