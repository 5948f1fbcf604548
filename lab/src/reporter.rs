//! Where experiments tell how far their trainings are.

use beaa_evaluation::Reporter;
use beaa_trainer::Observer;

/// Implemented by whoever starts experiments.
pub trait TrainingReporter: Reporter {
    /// Makes an observer for one training run.
    fn training(&self) -> Box<dyn Observer + '_>;
}
