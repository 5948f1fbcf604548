//! `beaa completions`: the completion script of a shell.

use anyhow::Result;
use clap::Args;
use clap_complete::Shell;

use crate::console;

/// Options of `beaa completions`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// For which shell.
    shell: Shell,
}

pub(crate) fn run(arguments: &Arguments, mut whole: clap::Command) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut whole, "beaa", &mut script);
    console::print(&String::from_utf8_lossy(&script))
}
