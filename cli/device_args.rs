//! Where `beaa run` computes: on the processor, or on a graphics card.

use anyhow::Result;
use beaa_cuda::CudaDevice;
use clap::Args;

use crate::any_program::AnyProgram;
use crate::context::Context;
use crate::exit::Exit;

/// The largest number that is taken for one of a card.
const MOST: usize = 1 << 10;

/// A device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunDevice {
    /// All threads of the command.
    Processor,
    /// The graphics card of this number, from 0 on, as the driver counts.
    Card(usize),
}

/// Which device to compute on.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct DeviceArgs {
    /// Where to compute: `processor`, `cuda` (the first graphics card) or `cuda:N`. Answers are the
    /// same to the last bit.
    #[arg(long, value_name = "DEVICE", default_value = "processor", value_parser = parse)]
    device: RunDevice,
}

impl DeviceArgs {
    /// Opens the card, if one is asked for and can run the program.
    pub(crate) fn open(self, program: &AnyProgram, context: &Context) -> Result<Option<CudaDevice>> {
        let RunDevice::Card(ordinal) = self.device else { return Ok(None) };
        let usage = |e: &dyn std::fmt::Display| Exit::Usage.because(format!("--device: {e}"));
        match program {
            AnyProgram::Ckks(_) => {}
            AnyProgram::Tfhe(_) => {
                return Err(usage(
                    &"found a program of the tfhe backend, expected one of the ckks backend; run it on the processor, \
                      without `--device`",
                ));
            }
        }
        let card = CudaDevice::open(ordinal).map_err(|e| usage(&e))?;
        context.console.note(format_args!("computing on {}", card.name()));
        Ok(Some(card))
    }
}

/// A device on the command line.
fn parse(text: &str) -> Result<RunDevice, String> {
    let card = |number: &str| number.parse().ok().filter(|n| *n <= MOST).map(RunDevice::Card);
    let found = match text {
        "processor" => Some(RunDevice::Processor),
        "cuda" => Some(RunDevice::Card(0)),
        _ => text.strip_prefix("cuda:").and_then(card),
    };
    found.ok_or_else(|| format!("found `{text}`, expected processor, cuda or cuda:N, N from 0 to {MOST}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_are_numbered_from_nought() {
        assert_eq!(parse("processor"), Ok(RunDevice::Processor));
        assert_eq!(parse("cuda"), Ok(RunDevice::Card(0)));
        assert_eq!(parse("cuda:3"), Ok(RunDevice::Card(3)));
        for text in ["", "gpu", "cuda:", "cuda:-1", "cuda:x", "cuda:99999999999999999999", "cuda:1025", "CUDA"] {
            assert!(parse(text).unwrap_err().contains("expected processor, cuda or cuda:N"), "{text}");
        }
    }
}
