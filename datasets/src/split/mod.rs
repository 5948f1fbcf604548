//! The three parts of a data set, and how training gives up images for the other two. It never carries data.

mod shuffle;
mod stratified;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Error;

pub use shuffle::shuffled;
pub(crate) use stratified::carve;
pub use stratified::{Amount, HoldOut};

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

impl FromStr for Split {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|split| split.name() == text)
            .ok_or_else(|| Error::Spec(format!("unknown split {text:?}; known: train, validation, test")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_json_agree() {
        for split in Split::ALL {
            assert_eq!(split.to_string().parse::<Split>().unwrap(), split);
            assert_eq!(serde_json::to_string(&split).unwrap(), format!("\"{split}\""));
        }
        assert!("Train".parse::<Split>().is_err());
    }
}
