//! For which images a program keeps what its report promises.

use std::fmt;

use serde::Serialize;

/// The images that errors, agreement and ranges are promised for; nothing is promised of others.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "images", rename_all = "snake_case")]
pub enum Coverage {
    /// Images like the samples, whose values stay within the range that the samples show, widened.
    LikeSamples {
        /// How many samples there were.
        samples: usize,
        /// By how much the samples' ranges were widened.
        range_safety: f64,
    },
    /// Every image that the input allows.
    EveryAllowed {
        /// Made-up images among which the worst was looked for.
        made_up: usize,
    },
    /// Images whose values stay within the ranges of the model's file, widened.
    WithinRanges {
        /// Made-up images within the ranges among which the worst was looked for.
        made_up: usize,
        /// By how much the ranges were widened.
        range_safety: f64,
        /// The share of the made-up images that leave the ranges.
        outside: f64,
    },
    /// None.
    Nothing {
        /// Why not.
        why: String,
    },
}

impl Coverage {
    /// The least that a program's file must say of it, in a few words; nothing for samples, of
    /// which the signature speaks.
    pub(crate) fn remark(&self) -> Option<&'static str> {
        match self {
            Self::LikeSamples { .. } => None,
            Self::EveryAllowed { .. } => Some("promised for every allowed image"),
            Self::WithinRanges { .. } => Some("promised within the model's ranges only"),
            Self::Nothing { .. } => Some("nothing promised: compiled without samples"),
        }
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LikeSamples { samples, range_safety } => write!(
                f,
                "promised for images like the {samples} samples given: errors on average over such images, no \
                 overflow where the values of every layer stay within {range_safety} times the range of the samples"
            ),
            Self::EveryAllowed { made_up } => write!(
                f,
                "promised for every image that the input allows: errors are those of the worst of {made_up} made-up \
                 images that span what is allowed, and of others steered to the largest error; no value of any image \
                 can overflow"
            ),
            Self::WithinRanges { made_up, range_safety, outside } => write!(
                f,
                "promised for images whose values stay within {range_safety} times the ranges of the model's file: \
                 errors are those of the worst of {made_up} made-up ones; {} of the made-up images that span all \
                 that the input allows leave these ranges; answers to images that do may be garbage",
                if *outside > 0.0 { format!("{:.0} %", 100.0 * outside) } else { "none".to_owned() }
            ),
            Self::Nothing { why } => {
                write!(f, "NOTHING IS PROMISED: {why}; give images that the program will see (--samples)")
            }
        }
    }
}
