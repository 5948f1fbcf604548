//! Which packings the user may ask for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How many elements of an image a ciphertext holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Packing {
    /// As many as cost the least for the batch.
    #[default]
    Auto,
    /// One, of every image: a batch as large as the ring.
    Element,
    /// As many as there are slots: one image at a time.
    Channel,
    /// So many, a power of two: the ring's degree divided by the images of a batch.
    Block(usize),
}

impl fmt::Display for Packing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Element => f.write_str("element"),
            Self::Channel => f.write_str("channel"),
            Self::Block(positions) => write!(f, "block:{positions}"),
        }
    }
}

impl FromStr for Packing {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let positions = |text: &str| text.parse().ok().filter(|p: &usize| p.is_power_of_two()).map(Self::Block);
        let found = match text {
            "auto" => Some(Self::Auto),
            "element" => Some(Self::Element),
            "channel" => Some(Self::Channel),
            _ => text.strip_prefix("block:").and_then(positions),
        };
        found.ok_or_else(|| {
            format!("found `{text}`, expected auto, element, channel, or block:S with a power of two for S")
        })
    }
}

impl TryFrom<String> for Packing {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Packing> for String {
    fn from(packing: Packing) -> Self {
        packing.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_packing_has_a_name_and_nothing_else_has() {
        for packing in [Packing::Auto, Packing::Element, Packing::Channel, Packing::Block(512)] {
            assert_eq!(packing.to_string().parse(), Ok(packing));
        }
        for bad in ["", "Auto", "block", "block:", "block:3", "block:0", "block:-4", "block:99999999999999999999"] {
            assert!(bad.parse::<Packing>().is_err(), "{bad}");
        }
    }
}
