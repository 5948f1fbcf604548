//! The global options of the command line. Each subcommand declares its options beside its code.

use std::num::NonZeroUsize;

use clap::{ArgAction, Args, Parser};

use crate::commands::Command;
use crate::context::Settings;
use crate::threads;

/// Batched inference of neural networks on encrypted images.
///
/// Train a network whose activations are learnt quadratics, compile it into homomorphic operations,
/// and run it on thousands of encrypted images at once. `beaa demo` shows the whole way.
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
    /// Use so many threads, at most twice as many as there are cores; all cores by default. Results
    /// do not depend on it.
    #[arg(long, global = true, env = "BEAA_THREADS", value_name = "N", help_heading = "General")]
    #[arg(value_parser = threads::parse)]
    pub(crate) threads: Option<NonZeroUsize>,
    /// Show errors and warnings only.
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = "General")]
    pub(crate) quiet: bool,
    /// Show more of what happens; twice for everything.
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "General")]
    pub(crate) verbose: u8,
}

impl Global {
    /// In the form that the context takes; `service` for what runs for long and for many.
    pub(crate) fn settings(&self, service: bool) -> Settings {
        let Self { json, threads, quiet, verbose } = *self;
        Settings { json, threads, quiet, verbose, service }
    }
}

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    something failed while running
  2    wrong use of the command line or an option out of range
  3    an input file, data set or configuration is missing, damaged or does not fit
  4    the verification did not hold, or answers are outside of what the program promises
  130  interrupted (Ctrl-C: training finishes its step and saves, a second Ctrl-C stops at once; all else stops at \
once and leaves no incomplete file)

Environment: BEAA_DATA (folder of data sets), BEAA_THREADS, BEAA_MEMORY (most memory of a command), BEAA_MACHINE \
(rates for predictions). A flag wins over \
the environment, the environment over the
configuration file, the file over the default. Results go to stdout, everything else to stderr.";
