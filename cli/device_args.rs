//! Where programs are run: on the processor, or on a graphics card.

use anyhow::Result;
use beaa_cuda::{CudaDevice, RunDevice};
use clap::Args;

use crate::any_program::AnyProgram;
use crate::context::Context;
use crate::exit::Exit;

/// Which device to compute on.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct DeviceArgs {
    /// Where to compute: `processor`, `cuda` (the first graphics card) or `cuda:N`. Answers are the
    /// same to the last bit.
    #[arg(long, value_name = "DEVICE", default_value_t = RunDevice::Processor)]
    device: RunDevice,
}

impl DeviceArgs {
    /// Opens the card, if one is asked for and can run the program.
    pub(crate) fn open_for(self, program: &AnyProgram, context: &Context) -> Result<Option<CudaDevice>> {
        if self.device != RunDevice::Processor && matches!(program, AnyProgram::Tfhe(_)) {
            return Err(refused(
                &"found a program of the tfhe backend, expected one of the ckks backend; run it on the processor",
            ));
        }
        self.open(context)
    }

    /// Opens the card, if one is asked for.
    pub(crate) fn open(self, context: &Context) -> Result<Option<CudaDevice>> {
        open(self.device, context)
    }
}

/// Opens a card, if it is one.
pub(crate) fn open(device: RunDevice, context: &Context) -> Result<Option<CudaDevice>> {
    let card = device.open().map_err(|e| refused(&e))?;
    if let Some(card) = &card {
        context.console.note(format_args!("computing on {}", card.name()));
    }
    Ok(card)
}

fn refused(why: &dyn std::fmt::Display) -> anyhow::Error {
    Exit::Usage.because(format!("--device: {why}"))
}
