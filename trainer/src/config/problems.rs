//! What is wrong in a configuration, gathered while it is checked.

use crate::error::Problem;

/// What is wrong, in the order of the file.
#[derive(Default)]
pub(super) struct Problems(pub(super) Vec<Problem>);

impl Problems {
    pub(super) fn add(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.0.push(Problem { field: field.into(), message: message.into() });
    }

    pub(super) fn require(&mut self, holds: bool, field: impl Into<String>, message: impl Into<String>) {
        if !holds {
            self.add(field, message);
        }
    }

    pub(super) fn within(&mut self, value: f64, low: f64, high: f64, field: impl Into<String>) {
        if !(low..=high).contains(&value) {
            self.add(field, format!("{value}; expected a number from {low} to {high}"));
        }
    }
}
