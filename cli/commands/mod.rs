//! One file for each subcommand: its arguments and a short function that calls the crates. Must never hold logic that
//! another program might want.

pub(crate) mod bench;
pub(crate) mod compile;
pub(crate) mod completions;
pub(crate) mod data;
pub(crate) mod decrypt;
pub(crate) mod demo;
pub(crate) mod encrypt;
pub(crate) mod eval;
pub(crate) mod import;
pub(crate) mod inspect;
pub(crate) mod keygen;
pub(crate) mod labels;
pub(crate) mod reproduce;
pub(crate) mod run;
pub(crate) mod train;
pub(crate) mod verify;
use anyhow::Result;

use crate::arguments::Command;
use crate::context::Context;

/// Runs the subcommand that was chosen.
pub(crate) fn dispatch(command: Command, context: &Context) -> Result<()> {
    match command {
        Command::Demo(arguments) => demo::run(&arguments, context),
        Command::Data(arguments) => data::run(&arguments, context),
        Command::Train(arguments) => train::run(&arguments, context),
        Command::Eval(arguments) => eval::run(&arguments, context),
        Command::Import(arguments) => import::run(&arguments, context),
        Command::Compile(arguments) => compile::run(&arguments, context),
        Command::Inspect(arguments) => inspect::run(&arguments, context),
        Command::Keygen(arguments) => keygen::run(&arguments, context),
        Command::Encrypt(arguments) => encrypt::run(&arguments, context),
        Command::Run(arguments) => run::run(&arguments, context),
        Command::Decrypt(arguments) => decrypt::run(&arguments, context),
        Command::Verify(arguments) => verify::run(&arguments, context),
        Command::Reproduce(arguments) => reproduce::run(&arguments, context),
        Command::Bench(arguments) => bench::run(&arguments, context),
        Command::Completions(arguments) => completions::run(&arguments),
    }
}
