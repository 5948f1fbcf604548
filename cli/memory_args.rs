//! The option that says how much memory a command may take, and its environment variable.

use anyhow::Result;
use clap::Args;

use crate::byte_size;
use crate::exit::Exit;

/// What every command reads, whether or not it has the option.
const VARIABLE: &str = "BEAA_MEMORY";

/// How much memory a command may take.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct MemoryArgs {
    /// Most memory that the command may take, like 8GiB: it refuses beforehand what would take more
    /// [default: what the machine has available].
    #[arg(long, value_name = "SIZE", value_parser = byte_size::parse, help_heading = "General")]
    memory: Option<u64>,
}

impl MemoryArgs {
    /// Limits the memory of this process, if the user wants that.
    pub(crate) fn apply(self) {
        if let Some(bytes) = self.memory {
            beaa_memory::limit(bytes);
        }
    }
}

/// Limits the memory of this process as the environment says; an option wins, which is applied
/// later.
pub(crate) fn from_environment() -> Result<()> {
    let Some(text) = std::env::var_os(VARIABLE) else { return Ok(()) };
    let bytes = byte_size::parse(&text.to_string_lossy());
    beaa_memory::limit(bytes.map_err(|problem| Exit::Usage.because(format!("{VARIABLE}: {problem}")))?);
    Ok(())
}
