//! Where programs run, by name.

use std::str::FromStr;

use crate::{CudaDevice, Result};

/// The largest number that is taken for one of a card.
const MOST: usize = 1 << 10;

/// Where programs run: on the processor, or on a graphics card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RunDevice {
    /// All threads of the current pool.
    #[default]
    Processor,
    /// The graphics card of this number, from 0 on, as the driver counts.
    Card(usize),
}

impl RunDevice {
    /// Opens the card, if it is one, which takes about a second: the kernels are compiled.
    ///
    /// # Errors
    /// When the driver or NVRTC is not there, or there is no such card.
    pub fn open(self) -> Result<Option<CudaDevice>> {
        match self {
            Self::Processor => Ok(None),
            Self::Card(number) => CudaDevice::open(number).map(Some),
        }
    }
}

/// What is no name of a device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("choosing a device: found `{0}`, expected processor, cuda or cuda:N, N from 0 to {most}", most = MOST)]
pub struct UnknownDevice(String);

/// Reads `processor`, `cuda` for the first card, and `cuda:N`.
impl FromStr for RunDevice {
    type Err = UnknownDevice;

    fn from_str(text: &str) -> Result<Self, UnknownDevice> {
        let card = |number: &str| number.parse().ok().filter(|n| *n <= MOST).map(Self::Card);
        let found = match text {
            "processor" => Some(Self::Processor),
            "cuda" => Some(Self::Card(0)),
            _ => text.strip_prefix("cuda:").and_then(card),
        };
        found.ok_or_else(|| UnknownDevice(text.to_owned()))
    }
}

impl std::fmt::Display for RunDevice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Processor => f.write_str("processor"),
            Self::Card(number) => write!(f, "cuda:{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_are_numbered_from_nought() {
        for (text, device) in
            [("processor", RunDevice::Processor), ("cuda", RunDevice::Card(0)), ("cuda:3", RunDevice::Card(3))]
        {
            assert_eq!(text.parse(), Ok(device));
            assert_eq!(device.to_string().parse(), Ok(device));
        }
        for text in ["", "gpu", "cuda:", "cuda:-1", "cuda:x", "cuda:99999999999999999999", "cuda:1025", "CUDA"] {
            let error = text.parse::<RunDevice>().unwrap_err().to_string();
            assert!(error.contains("expected processor, cuda or cuda:N"), "{text}: {error}");
        }
    }
}
