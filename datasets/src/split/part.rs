//! The three parts of a data set.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One of the three parts of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// What parameters are fitted on.
    Train,
    /// What decisions are taken on (early stopping, hyper-parameters).
    Validation,
    /// What the final figures are measured on.
    Test,
}

impl Split {
    /// All splits, in their fixed order.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    /// Lower-case name, as written in configurations.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
