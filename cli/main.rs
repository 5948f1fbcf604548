//! The `beaa` command: train, compile, encrypt, run on ciphertexts, decrypt. It reads the command
//! line, calls the libraries, and prints what they answer.

#![forbid(unsafe_code)]
#![cfg_attr(not(feature = "command"), allow(dead_code, reason = "a client uses a part of what the commands share"))]

mod any_program;
mod arguments;
mod byte_size;
mod commands;
#[cfg(feature = "command")]
mod compile_args;
mod console;
mod context;
mod dataset_args;
#[cfg(feature = "command")]
mod device_args;
mod exit;
mod image_files;
mod interrupt;
mod memory_args;
mod outputs;
mod outside;
mod passphrase;
mod progress;
mod rates_file;
mod receipts;
mod rows;
mod security;
mod threads;
#[cfg(feature = "command")]
mod training_args;
#[cfg(feature = "command")]
mod training_progress;

use std::error::Error as _;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

fn main() -> ExitCode {
    let cli = match arguments::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => match error.source().and_then(|cause| cause.downcast_ref::<beaa_base::Error>()) {
            Some(cause) => return exit::report_input(cause),
            None => error.exit(),
        },
    };
    let result = context::Context::new(&cli.global.settings(cli.command.is_service()))
        .and_then(|context| commands::dispatch(cli.command, arguments::Cli::command(), &context));
    match result {
        Ok(()) => exit::Exit::Success.into(),
        Err(error) => exit::report(&error),
    }
}
