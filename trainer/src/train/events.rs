//! What a run tells while it goes on, to the [`Observer`] that the caller passes in.

use serde::{Deserialize, Serialize};

/// Receives the events of a run, in order, on the training thread.
pub trait Observer: Send {
    /// Takes note of an event; training waits until it returns.
    fn event(&mut self, event: &Event);
}

/// An observer that ignores everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {
    fn event(&mut self, _: &Event) {}
}

/// Which network is being trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The ReLU network.
    Teacher,
    /// The network without ReLU.
    Student,
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Teacher => "teacher",
            Self::Student => "student",
        })
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A network's training starts or goes on.
    PhaseStart {
        /// Which network.
        phase: Phase,
        /// Epochs in all.
        epochs: usize,
        /// Steps in each.
        steps_per_epoch: usize,
    },
    /// One batch was learnt.
    Step {
        /// Which network.
        phase: Phase,
        /// Counted from 1.
        epoch: usize,
        /// Counted from 1 within the epoch.
        step: usize,
        /// Loss of this batch, before the step.
        loss: f64,
        /// Images per second of this step.
        images_per_second: f64,
    },
    /// An epoch is complete.
    EpochEnd(EpochMetrics),
    /// A network's training is complete.
    PhaseEnd {
        /// Which network.
        phase: Phase,
    },
    /// Something worth knowing, for people.
    Note {
        /// One sentence.
        text: String,
    },
}

/// One line of `metrics.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochMetrics {
    /// Which network.
    pub phase: Phase,
    /// Counted from 1.
    pub epoch: usize,
    /// Mean loss of the epoch's batches, augmented, while learning.
    pub train_loss: f64,
    /// Accuracy on the same, 0..1.
    pub train_accuracy: f64,
    /// Mean cross-entropy on the validation images; none if there are none.
    pub validation_loss: Option<f64>,
    /// Accuracy on the validation images, 0..1.
    pub validation_accuracy: Option<f64>,
    /// Learning rate at the end of the epoch.
    pub learning_rate: f64,
    /// Seconds by the clock, validation included.
    pub seconds: f64,
}
