//! Good checkpoints: a teacher and a student of a few steps, stopped within the student's epochs.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result, bail};
use beaa_trainer::{Completion, Event, Observer, Trainer};
use serde_json::Value;

use crate::files::keep;
use crate::scratch::Scratch;
use crate::training_run::{CHECKPOINT_FILES, CONFIGURATION, training};

/// Every kind of layer and of compression.
const COMPRESSED: &str = r#"{
    "name": "compressed", "seed": 1,
    "network": [
        {"conv2d": {"out": 4, "kernel": 3, "padding": 1, "bias": false}}, {"batch_norm": {}}, "activation",
        {"conv2d": {"out": 4, "kernel": 3, "padding": 1}}, {"add": {"with": "activation1"}}, "activation",
        {"avg_pool": {"kernel": 2}}, "flatten", {"linear": {"out": 8}}, "activation", {"linear": {"out": "classes"}}
    ],
    "augmentation": {"shift": 1, "rotate": 5, "scale": 0.1},
    "teacher": {"epochs": 1, "batch": 4, "optimiser": {"learning_rate": 0.01, "weight_decay": 0.01}},
    "student": {
        "activation": "channel", "epochs": 1, "batch": 4, "optimiser": {"learning_rate": 0.005},
        "feature_matching": 0.1, "range_penalty": 0.1
    }
}"#;

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
    keep("training", "small.json", CONFIGURATION.as_bytes())?;
    keep("training", "compressed.json", COMPRESSED.as_bytes())?;
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
