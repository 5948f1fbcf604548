//! Where the passphrase of a secret key comes from: a file or a descriptor for scripts, otherwise
//! the terminal.

use std::path::{Path, PathBuf};

use anyhow::Result;
use beaa_base::input;
use beaa_runtime::{Passphrase, is_protected};
use clap::Args;

use crate::context::Context;
use crate::exit::Exit;

/// Where the passphrase of a key comes from.
#[derive(Debug, Clone, Args)]
pub(crate) struct PassphraseArgs {
    /// File whose first line is the passphrase of the secret key; for scripts also an open
    /// descriptor, such as /dev/fd/3 [default: ask at the terminal, if the key has one].
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl PassphraseArgs {
    /// The passphrase of the secret key in a file, if it has one.
    pub(crate) fn of_key(&self, key: &Path, context: &Context) -> Result<Option<Passphrase>> {
        // Whatever is wrong with the file is told by who reads it.
        if !is_protected(key).unwrap_or(false) {
            if self.passphrase_file.is_some() {
                context
                    .console
                    .note(format_args!("{} has no passphrase; --passphrase-file is not read", key.display()));
            }
            return Ok(None);
        }
        match &self.passphrase_file {
            Some(path) => read(path).map(Some),
            None => ask(&format!("Passphrase of {}: ", key.display())).map(Some),
        }
    }

    /// The passphrase that a key is to have: from the file if there is one, from the terminal if
    /// the user `wants` one.
    pub(crate) fn new_one(&self, wanted: bool) -> Result<Option<Passphrase>> {
        match (&self.passphrase_file, wanted) {
            (Some(path), _) => read(path).map(Some),
            (None, true) => ask_twice().map(Some),
            (None, false) => Ok(None),
        }
    }
}

/// The first line of a file.
pub(crate) fn read(path: &Path) -> Result<Passphrase> {
    let doing = "reading a passphrase";
    let mut file = input::open_or_descriptor(doing, path)?;
    input::check_private(doing, "a passphrase", path, &file)?;
    Passphrase::read(&mut file)
        .map_err(|error| Exit::BadInput.because(format!("{doing} from {}: {error}", path.display())))
}

/// A new one, typed twice.
pub(crate) fn ask_twice() -> Result<Passphrase> {
    let first = ask("New passphrase: ")?;
    if first.is_same(&ask("The same again: ")?) {
        return Ok(first);
    }
    Err(Exit::Usage.because("asking for a passphrase: found two different ones, expected the same twice"))
}

fn ask(prompt: &str) -> Result<Passphrase> {
    Passphrase::ask(prompt).map_err(|error| {
        Exit::Usage.because(format!("asking for a passphrase: {error}; or give one with --passphrase-file"))
    })
}
