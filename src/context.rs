//! What every subcommand gets beside its arguments. Must never hold anything of a particular subcommand.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::arguments::Global;
use crate::console::{self, Console};
use crate::exit::Exit;
use crate::interrupt;

/// Shared by all steps of one invocation.
pub(crate) struct Context {
    /// For words and bars.
    pub(crate) console: Console,
    /// Whether results are JSON.
    pub(crate) json: bool,
    /// Becomes true with Ctrl-C.
    pub(crate) stop: Arc<AtomicBool>,
}

impl Context {
    /// Sets up log, threads and Ctrl-C.
    pub(crate) fn new(global: &Global) -> Result<Self> {
        let console = Console::new(global.quiet);
        console.log(global.verbose);
        if let Some(threads) = global.threads {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.get());
            pool.build_global().with_context(|| format!("starting {threads} threads"))?;
        }
        let stop = interrupt::listen(&console);
        Ok(Self { console, json: global.json, stop })
    }

    /// Prints a result: as JSON if asked, otherwise as `text` says.
    pub(crate) fn print<T: Serialize>(&self, value: &T, text: impl FnOnce() -> String) -> Result<()> {
        match self.json {
            true => console::print(&format!("{}\n", serde_json::to_string_pretty(value).context("writing JSON")?)),
            false => console::print(&text()),
        }
    }

    /// An error after Ctrl-C. Called between steps, when everything so far is saved.
    pub(crate) fn go_on(&self, done: &str) -> Result<()> {
        match self.stop.load(Ordering::Relaxed) {
            true => Err(Exit::Interrupted.because(format!("stopped after {done}"))),
            false => Ok(()),
        }
    }

    /// Says loudly that a seed makes keys and encryption predictable.
    pub(crate) fn warn_of_seed(&self, seed: Option<u64>, what: &str) {
        if let Some(seed) = seed {
            self.console.warn(format_args!(
                "INSECURE: {what} derived from the seed {seed}; anybody who knows or guesses it can decrypt. Use --seed for tests and papers only."
            ));
        }
    }
}
