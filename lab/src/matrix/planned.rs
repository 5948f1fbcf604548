//! The axes of a matrix and the runs that it stands for.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::experiment::Experiment;

/// A name and what it sets, by path as `--set` does.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AxisVariation {
    /// Names the variation within its axis.
    pub name: String,
    #[serde(default)]
    pub(super) set: BTreeMap<String, Value>,
}

/// One dimension of the matrix.
#[derive(Debug, Clone)]
pub struct Axis {
    /// Names the axis within its matrix.
    pub name: String,
    /// At least one, with distinct names.
    pub variations: Vec<AxisVariation>,
}

/// One run of a matrix.
#[derive(Debug, Clone)]
pub struct PlannedRun {
    /// Axis and variation, in the order of the axes.
    pub labels: Vec<(String, String)>,
    /// What to train and how to compile it.
    pub experiment: Experiment,
    /// Names the run: a hash of its resolved configuration.
    pub key: String,
    /// The same for what the teacher depends on: students with the same share it.
    pub teacher: String,
}

impl PlannedRun {
    /// `element, on, seed 1` and the like.
    pub fn title(&self) -> String {
        let word = |(axis, variation): &(String, String)| format!("{axis} {variation}");
        self.labels.iter().map(word).collect::<Vec<_>>().join(", ")
    }
}
