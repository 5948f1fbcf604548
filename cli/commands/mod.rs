//! One file for each subcommand: its arguments, and a short function that calls the libraries and
//! prints the answer. A build with the feature `client` alone has those of clients.

#[cfg(feature = "command")]
mod bench;
#[cfg(feature = "command")]
mod compile;
mod completions;
mod data;
mod decrypt;
#[cfg(feature = "command")]
mod demo;
mod encrypt;
#[cfg(feature = "command")]
mod eval;
#[cfg(feature = "command")]
mod import;
mod inspect;
mod keygen;
mod man;
mod passphrase;
mod remote;
#[cfg(feature = "command")]
mod reproduce;
#[cfg(feature = "command")]
mod run;
#[cfg(feature = "command")]
mod serve;
#[cfg(feature = "command")]
mod train;
#[cfg(feature = "command")]
mod verify;
use anyhow::Result;
use clap::Subcommand;

use crate::context::Context;

/// The subcommands, in the order of use.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The whole way on embedded chest X-rays: train, compile, encrypt, run, decrypt, report.
    #[cfg(feature = "command")]
    Demo(demo::Arguments),
    /// List the known data sets: where they are, or where to get them.
    Data(data::Arguments),
    /// Train a teacher and distil it into a student without ReLU.
    #[cfg(feature = "command")]
    Train(train::Arguments),
    /// Measure the accuracy of a model, and of a compiled program, in clear.
    #[cfg(feature = "command")]
    Eval(eval::Arguments),
    /// Make a model of a network trained elsewhere: ONNX, or a PyTorch state dictionary.
    #[cfg(feature = "command")]
    Import(import::Arguments),
    /// Compile a model into a program of homomorphic operations.
    #[cfg(feature = "command")]
    Compile(compile::Arguments),
    /// Show what a file holds: model, program, key or ciphertexts.
    Inspect(inspect::Arguments),
    /// Make the secret key and the evaluation key for a program (client).
    Keygen(keygen::Arguments),
    /// Set, change or remove the passphrase of a secret key (client).
    Passphrase(passphrase::Arguments),
    /// Encrypt a batch of images (client).
    Encrypt(Box<encrypt::Arguments>),
    /// Run a program on encrypted images (server; needs no secret).
    #[cfg(feature = "command")]
    Run(run::Arguments),
    /// Decrypt the results (client).
    Decrypt(decrypt::Arguments),
    /// Serve encrypted jobs over HTTP, run them, and manage programs and tenants (server).
    #[cfg(feature = "command")]
    Serve(serve::Arguments),
    /// Send encrypted images to a server, follow jobs, fetch and decrypt answers (client).
    Remote(remote::Arguments),
    /// Run in clear and encrypted side by side and compare, layer by layer.
    #[cfg(feature = "command")]
    Verify(verify::Arguments),
    /// Run a matrix of experiments: tables and plots of accuracy, in clear and encrypted.
    #[cfg(feature = "command")]
    Reproduce(reproduce::Arguments),
    /// Measure kernels, a network and sweeps on this machine; calibrate predictions.
    #[cfg(feature = "command")]
    Bench(bench::Arguments),
    /// Print the completion script of a shell.
    Completions(completions::Arguments),
    /// Print the manual page of the command or of a subcommand.
    Man(man::Arguments),
}

impl Command {
    /// Whether it runs for long and for many, so that its log is for programs.
    pub(crate) fn is_service(&self) -> bool {
        match self {
            #[cfg(feature = "command")]
            Self::Serve(_) => true,
            _ => false,
        }
    }
}

/// Runs the chosen subcommand. `whole` describes the whole command line, for completions and
/// manual pages.
pub(crate) fn dispatch(command: Command, whole: clap::Command, context: &Context) -> Result<()> {
    match command {
        #[cfg(feature = "command")]
        Command::Demo(arguments) => demo::run(&arguments, context),
        Command::Data(arguments) => data::run(&arguments, context),
        #[cfg(feature = "command")]
        Command::Train(arguments) => train::run(&arguments, context),
        #[cfg(feature = "command")]
        Command::Eval(arguments) => eval::run(&arguments, context),
        #[cfg(feature = "command")]
        Command::Import(arguments) => import::run(&arguments, context),
        #[cfg(feature = "command")]
        Command::Compile(arguments) => compile::run(&arguments, context),
        Command::Inspect(arguments) => inspect::run(&arguments, context),
        Command::Keygen(arguments) => keygen::run(&arguments, context),
        Command::Passphrase(arguments) => passphrase::run(&arguments, context),
        Command::Encrypt(arguments) => encrypt::run(&arguments, context),
        #[cfg(feature = "command")]
        Command::Run(arguments) => run::run(&arguments, context),
        Command::Decrypt(arguments) => decrypt::run(&arguments, context),
        #[cfg(feature = "command")]
        Command::Serve(arguments) => serve::run(&arguments, context),
        Command::Remote(arguments) => remote::run(arguments, context),
        #[cfg(feature = "command")]
        Command::Verify(arguments) => verify::run(&arguments, context),
        #[cfg(feature = "command")]
        Command::Reproduce(arguments) => reproduce::run(&arguments, context),
        #[cfg(feature = "command")]
        Command::Bench(arguments) => bench::run(&arguments, context),
        Command::Completions(arguments) => completions::run(&arguments, whole),
        Command::Man(arguments) => man::run(&arguments, whole),
    }
}
