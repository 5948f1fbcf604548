//! Times the passes. Must never influence what they do.

use std::time::Instant;

use crate::cost::report::PassTime;

/// The passes that have run, in order of first use.
#[derive(Debug, Default)]
pub(crate) struct PassTimer {
    pub(crate) passes: Vec<PassTime>,
}

impl PassTimer {
    /// Runs a pass and adds to its time.
    pub(crate) fn time<T>(&mut self, pass: &'static str, run: impl FnOnce() -> T) -> T {
        let _span = tracing::debug_span!("pass", name = pass).entered();
        let start = Instant::now();
        let result = run();
        let seconds = start.elapsed().as_secs_f64();
        tracing::debug!(pass, seconds, "pass done");
        match self.passes.iter_mut().find(|p| p.pass == pass) {
            Some(p) => p.seconds += seconds,
            None => self.passes.push(PassTime { pass, seconds }),
        }
        result
    }
}
