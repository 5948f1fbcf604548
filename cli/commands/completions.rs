//! `beaa completions`: the completion script of a shell. Must never write anywhere but stdout.

use anyhow::Result;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::arguments::Cli;
use crate::console;

/// Options of `beaa completions`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// For which shell.
    shell: Shell,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "beaa", &mut script);
    console::print(&String::from_utf8_lossy(&script))
}
