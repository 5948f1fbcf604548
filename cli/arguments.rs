//! What may stand on the command line: the global options and the list of subcommands. Must never do anything; each
//! subcommand's own options are declared beside its code.

use std::num::NonZeroUsize;

use clap::{ArgAction, Args, Parser, Subcommand};

use crate::commands;
use crate::context::Settings;

/// Batched inference of neural networks on encrypted images.
///
/// Train a network whose activations are learnt quadratics, compile it into homomorphic operations, and run it on
/// thousands of encrypted images at once. `beaa demo` shows the whole way.
#[derive(Debug, Parser)]
#[command(name = "beaa", version, after_help = EXIT_CODES, max_term_width = 110, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// For every subcommand.
    #[command(flatten)]
    pub(crate) global: Global,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every subcommand.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// Print results as JSON.
    #[arg(long, global = true, help_heading = "General")]
    pub(crate) json: bool,
    /// Use so many threads; all cores by default. Results do not depend on it.
    #[arg(long, global = true, env = "BEAA_THREADS", value_name = "N", help_heading = "General")]
    pub(crate) threads: Option<NonZeroUsize>,
    /// Show errors and warnings only.
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = "General")]
    pub(crate) quiet: bool,
    /// Show more of what happens; twice for everything.
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "General")]
    pub(crate) verbose: u8,
}

impl Global {
    /// In the form that the context takes.
    pub(crate) fn settings(&self) -> Settings {
        let Self { json, threads, quiet, verbose } = *self;
        Settings { json, threads, quiet, verbose }
    }
}

/// The subcommands, in the order of use.
#[expect(clippy::large_enum_variant, reason = "parsed once; boxes would only hide the fields")]
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The whole way on embedded chest X-rays: train, compile, encrypt, run, decrypt, report.
    Demo(commands::demo::Arguments),
    /// List the known data sets: where they are, or where to get them.
    Data(commands::data::Arguments),
    /// Train a teacher and distil it into a student without ReLU.
    Train(commands::train::Arguments),
    /// Measure the accuracy of a model, and of a compiled program, in clear.
    Eval(commands::eval::Arguments),
    /// Make a model of a network trained elsewhere: ONNX, or a PyTorch state dictionary.
    Import(commands::import::Arguments),
    /// Compile a model into a program of homomorphic operations.
    Compile(commands::compile::Arguments),
    /// Show what a file holds: model, program, key or ciphertexts.
    Inspect(commands::inspect::Arguments),
    /// Make the secret key and the evaluation key for a program (client).
    Keygen(commands::keygen::Arguments),
    /// Encrypt a batch of images (client).
    Encrypt(commands::encrypt::Arguments),
    /// Run a program on encrypted images (server; needs no secret).
    Run(commands::run::Arguments),
    /// Decrypt the results (client).
    Decrypt(commands::decrypt::Arguments),
    /// Run in clear and encrypted side by side and compare, layer by layer.
    Verify(commands::verify::Arguments),
    /// Run a matrix of experiments: tables and plots of accuracy, in clear and encrypted.
    Reproduce(commands::reproduce::Arguments),
    /// Measure kernels, a network and sweeps on this machine; calibrate predictions.
    Bench(commands::bench::Arguments),
    /// Print the completion script of a shell.
    Completions(commands::completions::Arguments),
}

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    something failed while running
  2    wrong use of the command line or an option out of range
  3    an input file, data set or configuration is missing, damaged or does not fit
  4    the verification did not hold
  130  interrupted (Ctrl-C: the current step is finished and saved; a second Ctrl-C stops at once)

Environment: BEAA_DATA (folder of data sets), BEAA_THREADS, BEAA_MACHINE (rates for predictions). A flag wins over the environment, the environment over the
configuration file, the file over the default. Results go to stdout, everything else to stderr.";
