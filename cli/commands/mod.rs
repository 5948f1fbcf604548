//! One file for each subcommand: its arguments, and a short function that calls the libraries and
//! prints the answer.

mod bench;
mod compile;
mod completions;
mod data;
mod decrypt;
mod demo;
mod encrypt;
mod eval;
mod import;
mod inspect;
mod keygen;
mod man;
mod passphrase;
mod remote;
mod reproduce;
mod run;
mod serve;
mod train;
mod verify;
use anyhow::Result;
use clap::Subcommand;

use crate::context::Context;

/// The subcommands, in the order of use.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The whole way on embedded chest X-rays: train, compile, encrypt, run, decrypt, report.
    Demo(demo::Arguments),
    /// List the known data sets: where they are, or where to get them.
    Data(data::Arguments),
    /// Train a teacher and distil it into a student without ReLU.
    Train(train::Arguments),
    /// Measure the accuracy of a model, and of a compiled program, in clear.
    Eval(eval::Arguments),
    /// Make a model of a network trained elsewhere: ONNX, or a PyTorch state dictionary.
    Import(import::Arguments),
    /// Compile a model into a program of homomorphic operations.
    Compile(compile::Arguments),
    /// Show what a file holds: model, program, key or ciphertexts.
    Inspect(inspect::Arguments),
    /// Make the secret key and the evaluation key for a program (client).
    Keygen(keygen::Arguments),
    /// Set, change or remove the passphrase of a secret key (client).
    Passphrase(passphrase::Arguments),
    /// Encrypt a batch of images (client).
    Encrypt(encrypt::Arguments),
    /// Run a program on encrypted images (server; needs no secret).
    Run(run::Arguments),
    /// Decrypt the results (client).
    Decrypt(decrypt::Arguments),
    /// Serve encrypted jobs over HTTP, run them, and manage programs and tenants (server).
    Serve(serve::Arguments),
    /// Send encrypted images to a server, follow jobs, fetch and decrypt answers (client).
    Remote(remote::Arguments),
    /// Run in clear and encrypted side by side and compare, layer by layer.
    Verify(verify::Arguments),
    /// Run a matrix of experiments: tables and plots of accuracy, in clear and encrypted.
    Reproduce(reproduce::Arguments),
    /// Measure kernels, a network and sweeps on this machine; calibrate predictions.
    Bench(bench::Arguments),
    /// Print the completion script of a shell.
    Completions(completions::Arguments),
    /// Print the manual page of the command or of a subcommand.
    Man(man::Arguments),
}

impl Command {
    /// Whether it runs for long and for many, so that its log is for programs.
    pub(crate) fn is_service(&self) -> bool {
        matches!(self, Self::Serve(_))
    }
}

/// Runs the chosen subcommand. `whole` describes the whole command line, for completions and
/// manual pages.
pub(crate) fn dispatch(command: Command, whole: clap::Command, context: &Context) -> Result<()> {
    match command {
        Command::Demo(arguments) => demo::run(&arguments, context),
        Command::Data(arguments) => data::run(&arguments, context),
        Command::Train(arguments) => train::run(&arguments, context),
        Command::Eval(arguments) => eval::run(&arguments, context),
        Command::Import(arguments) => import::run(&arguments, context),
        Command::Compile(arguments) => compile::run(&arguments, context),
        Command::Inspect(arguments) => inspect::run(&arguments, context),
        Command::Keygen(arguments) => keygen::run(&arguments, context),
        Command::Passphrase(arguments) => passphrase::run(&arguments, context),
        Command::Encrypt(arguments) => encrypt::run(&arguments, context),
        Command::Run(arguments) => run::run(&arguments, context),
        Command::Decrypt(arguments) => decrypt::run(&arguments, context),
        Command::Serve(arguments) => serve::run(&arguments, context),
        Command::Remote(arguments) => remote::run(arguments, context),
        Command::Verify(arguments) => verify::run(&arguments, context),
        Command::Reproduce(arguments) => reproduce::run(&arguments, context),
        Command::Bench(arguments) => bench::run(&arguments, context),
        Command::Completions(arguments) => completions::run(&arguments, whole),
        Command::Man(arguments) => man::run(&arguments, whole),
    }
}
