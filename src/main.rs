//! The `beaa` command: train, compile, encrypt, run on ciphertexts, decrypt. Everything here is thin; it must never hold
//! what belongs into one of the crates.

mod arguments;
mod commands;
mod console;
mod context;
mod exit;
mod experiment;
mod files;
mod interrupt;
mod lookup;
mod machine;
mod memory;
mod own;
mod pictures;
mod progress;
mod report;
mod reproduce;
mod score;
mod selection;
mod size;
mod training;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = arguments::Cli::parse();
    let result = context::Context::new(&cli.global).and_then(|context| commands::dispatch(cli.command, &context));
    match result {
        Ok(()) => exit::Exit::Success.into(),
        Err(error) => exit::report(&error),
    }
}
