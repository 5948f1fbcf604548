//! Good checkpoints: a teacher and a student of a few steps, stopped within the student's epochs.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result, bail};
use beaa_trainer::{Completion, Event, Observer, Trainer};
use serde_json::Value;

use super::keep;
use crate::readers::{CHECKPOINT_FILES, training};
use crate::scratch::Scratch;

/// Stops within the student's second epoch.
struct Stopper<'a>(&'a AtomicBool);

impl Observer for Stopper<'_> {
    fn event(&mut self, event: &Event) {
        if matches!(event, Event::Step { phase: beaa_trainer::Phase::Student, epoch: 2, .. }) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

/// Writes the files of every reader.
pub(super) fn make() -> Result<()> {
    let (config, set) = training()?;
    let (scratch, stop) = (Scratch::new()?, AtomicBool::new(false));
    let mut stopper = Stopper(&stop);
    let ended = Trainer::new(config, set, scratch.path()).stop(&stop).observe(&mut stopper).train()?;
    let Completion::Interrupted(at) = ended else { bail!("a training that was not stopped") };
    for (reader, name) in CHECKPOINT_FILES {
        let bytes = std::fs::read(at.checkpoint.join(name)).with_context(|| format!("reading {name}"))?;
        keep(reader, name, &bytes)?;
        if name == "state.json" {
            // As releases wrote it before there was a checksum.
            let mut state: Value = serde_json::from_slice(&bytes)?;
            if let Some(fields) = state.as_object_mut() {
                fields.remove("checksum");
                fields.insert("format".to_owned(), 1.into());
            }
            keep(reader, "unchecked.json", format!("{state:#}\n").as_bytes())?;
        }
    }
    Ok(())
}
