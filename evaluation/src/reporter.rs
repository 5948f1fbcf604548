//! Where long work tells how far it is, and learns whether it should stop. Whoever starts the work
//! decides how it is shown.

use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use beaa_runtime::Progress;

use crate::error::interrupted;

/// Implemented by whoever starts long work.
pub trait Reporter {
    /// Shows one line of information.
    fn note(&self, text: &dyn Display);
    /// Shows one line that the user should not miss.
    fn warn(&self, text: &dyn Display);
    /// Makes a progress display for encrypted work.
    fn progress(&self) -> Box<dyn Progress + '_>;
    /// A flag that becomes true when the user wants the work to stop.
    fn stop(&self) -> &AtomicBool;

    /// Called between steps, when everything up to `done` is saved.
    ///
    /// # Errors
    /// [`Fault::Interrupted`](crate::Fault::Interrupted) if the user wants the work to stop.
    fn check_interrupted(&self, done: &str) -> Result<()> {
        if self.stop().load(Ordering::Relaxed) {
            return Err(interrupted(format!("stopped after {done}")));
        }
        Ok(())
    }
}

/// Shows nothing and never stops.
#[derive(Debug)]
pub struct Quiet;

static NEVER: AtomicBool = AtomicBool::new(false);

impl Reporter for Quiet {
    fn note(&self, _: &dyn Display) {}
    fn warn(&self, _: &dyn Display) {}
    fn progress(&self) -> Box<dyn Progress + '_> {
        Box::new(beaa_runtime::Silent)
    }
    fn stop(&self) -> &AtomicBool {
        &NEVER
    }
}
