//! `beaa man`: a manual page, as `man` formats it.

use anyhow::Result;
use clap::Args;
use clap_mangen::Man;

use crate::console;
use crate::exit::Exit;

/// Options of `beaa man`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Of which subcommand, as in `beaa man run | man -l -` [default: of the command itself].
    #[arg(value_name = "COMMAND")]
    subcommand: Option<String>,
}

pub(crate) fn run(arguments: &Arguments, mut whole: clap::Command) -> Result<()> {
    whole.build();
    let described = match &arguments.subcommand {
        None => whole,
        Some(name) => whole.find_subcommand(name).cloned().ok_or_else(|| {
            Exit::Usage.because(format!("man: found `{name}`, expected a subcommand; `beaa help` lists them"))
        })?,
    };
    let mut page = Vec::new();
    Man::new(described).render(&mut page)?;
    console::print(&String::from_utf8_lossy(&page))
}
