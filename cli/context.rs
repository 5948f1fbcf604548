//! What every subcommand gets beside its arguments.

use std::fmt::Display;
use std::num::NonZeroUsize;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use anyhow::{Context as _, Result};
use beaa_evaluation::Reporter;
use beaa_runtime::Progress;
use serde::Serialize;

use crate::console::{self, Console};
use crate::interrupt::Interrupt;
use crate::memory_args;
use crate::progress::WorkProgress;
use crate::threads;

/// What the user wants of every subcommand.
pub(crate) struct Settings {
    /// Results as JSON.
    pub(crate) json: bool,
    /// Threads to use; all cores if none.
    pub(crate) threads: Option<NonZeroUsize>,
    /// Errors and warnings only.
    pub(crate) quiet: bool,
    /// How much of the libraries' log to show.
    pub(crate) verbose: u8,
    /// Whether the log is JSON, a line each, and begins with what happens.
    pub(crate) service: bool,
}

/// Shared by all steps of one invocation.
pub(crate) struct Context {
    /// For words and bars.
    pub(crate) console: Console,
    /// Whether results are JSON.
    pub(crate) json: bool,
    /// What Ctrl-C does.
    pub(crate) interrupt: Interrupt,
    started: Instant,
}

impl Context {
    /// Forbids core dumps; sets up log, threads and Ctrl-C.
    pub(crate) fn new(settings: &Settings) -> Result<Self> {
        let (started, console) = (Instant::now(), Console::new(settings.quiet));
        // Most commands read or make a key, and none is worth the difference.
        if let Err(error) = beaa_secrets::forbid_core_dumps() {
            console.warn(format_args!(
                "core dumps cannot be turned off ({error}): one of this process would hold its keys; run `ulimit -c 0` \
                 before"
            ));
        }
        console.log(settings.verbose, settings.service);
        threads::start(settings.threads, &console)?;
        memory_args::from_environment()?;
        let interrupt = Interrupt::listen(&console);
        Ok(Self { console, json: settings.json, interrupt, started })
    }

    /// Wall-clock seconds since the command began.
    pub(crate) fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// Prints a result: as JSON if asked, otherwise as `text` says.
    pub(crate) fn print<T: Serialize>(&self, value: &T, text: impl FnOnce() -> String) -> Result<()> {
        if self.json {
            return console::print(&format!("{}\n", serde_json::to_string_pretty(value).context("writing JSON")?));
        }
        console::print(&text())
    }

    /// Says loudly that a seed makes keys and encryption predictable.
    pub(crate) fn warn_of_seed(&self, seed: Option<u64>, what: &str) {
        if let Some(seed) = seed {
            self.console.warn(format_args!(
                "INSECURE: {what} derived from the seed {seed}: whoever knows or guesses it can decrypt. Files that \
                 are written say so, and are taken with --insecure only. Use --seed for tests and papers only."
            ));
        }
    }
}

impl Reporter for Context {
    fn note(&self, text: &dyn Display) {
        self.console.note(text);
    }

    fn warn(&self, text: &dyn Display) {
        self.console.warn(text);
    }

    fn progress(&self) -> Box<dyn Progress + '_> {
        Box::new(WorkProgress::new(&self.console))
    }

    fn stop(&self) -> &AtomicBool {
        &self.interrupt.stop
    }
}
